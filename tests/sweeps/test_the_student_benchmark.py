"""The benchmark's rows of a student are right on a tiny one, and what would change them does."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from edgewright import stages
from edgewright.bundles.bundle import Bundle
from edgewright.errors import InputError
from edgewright.measure.text_reading import Run
from edgewright.models import families
from edgewright.models.speculative import DraftedText
from edgewright.runtimes.decoder_input import generating_input
from edgewright.runtimes.table import RUNTIMES
from edgewright.specs.recipe import Recipe
from edgewright.specs.signature import Signature
from edgewright.stages.stage import Build
from tests.benchmarks import decoder_student as rows_of
from tests.benchmarks.power_law import fitted
from tests.benchmarks.student_builds import FRESH, UNIFORM, Other, StudentCase, counted_outputs, others
from tests.forecast import writers
from tests.stages import builds, writing_builds
from tests.torch_session import torch_session

pytestmark = pytest.mark.usefixtures("own_places")


class InTorch(StudentCase):
    """One whose artifacts are the float student as two runtimes would have it."""

    def sessions(self) -> Iterator[tuple[str, Run, Signature]]:
        for runtime in ("litert", "onnx"):
            source = generating_input(self.student_model, RUNTIMES[runtime], context=writing_builds.CONTEXT, stop=(2,))
            yield runtime, torch_session(source.module, source.signature), source.signature


def bundle_of(place: Path, recipe: Recipe, score: float, **findings: object) -> Bundle:
    """A bundle that says it is of this recipe; `findings` are those of its training."""
    bundle = writers.bundle(place)
    given = bundle.manifest
    training = given.stages[0].model_copy(update={"name": "distill", "findings": findings})
    student = given.student.model_copy(update={"score": score})
    changes = {"recipe": recipe.model_dump(mode="json"), "student": student, "stages": (*given.stages, training)}
    object.__setattr__(bundle, "manifest", given.model_copy(update=changes))
    return bundle


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    return writing_builds.recipe(writing_builds.documents(tmp_path_factory.mktemp("texts")))


@pytest.fixture(scope="module")
def build(own_places: None, recipe: Recipe) -> Build:
    return builds.build_of(builds.plan(recipe))


@pytest.fixture(scope="module")
def case(build: Build, recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> InTorch:
    score = stages.student_of(build).findings.score
    bundle = bundle_of(tmp_path_factory.mktemp("bundle"), recipe, score)
    found = StudentCase.of(bundle, builds.PROFILE)
    return InTorch(bundle=bundle, build=found.build)


def test_what_an_artifact_says_of_each_token_is_what_its_model_says(case: InTorch) -> None:
    rows = case.rows(300)
    assert 0 < len(rows.rows) < len(case.student.held_out())
    wanted = case.student.dataset.outputs(case.student_model, rows)
    _, run, signature = next(case.sessions())
    found = counted_outputs(run, signature, rows)
    assert torch.allclose(found[:, 0], wanted[:, 0].double(), atol=1e-4)
    assert (found[:, 1] == wanted[:, 1]).double().mean() > 0.99
    agreement: Any = case.student.dataset.agreement(case.teacher.model(), wanted, rows)
    told = list(rows_of.agreement_rows(case, 300))
    assert [each["name"].split(" ")[0] for each in told] == ["litert", "litert", "onnx", "onnx"]
    assert told[0]["value"] == pytest.approx(100 * agreement.same, abs=1)
    assert told[1]["value"] == pytest.approx(100 * agreement.among_first, abs=1)
    assert [each["goal"] for each in told] == [60.0, 85.0, None, None]  # those of the bundle's best artifact
    assert told[0]["tokens"] == len(wanted)


def test_artifacts_of_one_model_and_its_rounding_write_the_same_but_for_ties(case: InTorch) -> None:
    told = list(rows_of.equality_rows(case, prompts=4, written=12))
    assert [each["name"].split(":")[0] for each in told] == [
        "PyTorch's simulated int8 and litert",
        "PyTorch's simulated int8 and onnx",
        "litert and onnx",
    ]
    assert (told[2]["value"], told[2]["reached"]) == (0, True)
    assert told[2]["equal"] == told[2]["compared"] > 12


def test_an_artifact_of_another_model_does_not(case: InTorch) -> None:
    other = families.load(case.build.result("student").folder)
    torch.nn.init.normal_(other.tokens.weight, generator=torch.Generator().manual_seed(1))  # type: ignore[union-attr, arg-type]

    class Wrong(InTorch):
        def sessions(self) -> Iterator[tuple[str, Run, Signature]]:
            yield from [next(super().sessions())]
            source = generating_input(other, RUNTIMES["onnx"], context=writing_builds.CONTEXT, stop=(2,))
            yield "onnx", torch_session(source.module, source.signature), source.signature

    wrong = list(rows_of.equality_rows(Wrong(bundle=case.bundle, build=case.build), prompts=4, written=12))[-1]
    assert wrong["reached"] is False
    assert "which rounding does not explain" in wrong["found"]


def test_a_student_drafts_its_teachers_own_text(case: InTorch) -> None:
    passes, unlike = rows_of.draft_rows(case, prompts=4, written=12)
    assert passes["value"] >= 1
    assert (unlike["value"], unlike["reached"], unlike["texts"]) == (0, True, 4)


def test_passes_are_counted_over_all_texts_and_another_text_is_told() -> None:
    texts = [
        DraftedText(tokens=(5, 6, 7, 8, 2), passes=2, drafted=4, accepted=2),
        DraftedText(tokens=(5, 6, 7), passes=2, drafted=4, accepted=1),
    ]
    passes, unlike = rows_of.rows_of_drafts(texts, [(5, 6, 7, 8), (5, 6, 9)], stop=(2,))
    assert (passes["value"], passes["reached"], passes["accepted_percent"]) == (1.5, True, 37.5)
    assert (unlike["value"], unlike["reached"]) == (1, False)


def test_other_students_have_the_same_sizes_and_begin_elsewhere(case: InTorch, recipe: Recipe) -> None:
    found = list(others(recipe, builds.PROFILE, 300, name="the student", layers=3))
    assert [each.name for each in found] == ["the student", UNIFORM, FRESH]
    assert len({each.parameters for each in found}) == 1
    assert {each.tokens for each in found} == {found[0].tokens}
    assert 300 <= found[0].tokens < 600
    assert found[2].score != found[0].score
    told = list(rows_of.rows_of_others(case.bundle, found))
    assert told[-1]["name"] == f"{FRESH}: behind the student by"
    assert told[-1]["value"] == pytest.approx(found[2].score - found[0].score)


def test_fewer_operations_are_told_where_no_board_counts_instructions(case: InTorch) -> None:
    told = rows_of.work_row(case)
    assert told["value"] == pytest.approx(told["million"][1] / told["million"][0])
    assert told["goal"] is None
    assert "no instructions were counted" in told["name"]


def test_instructions_are_compared_core_by_core() -> None:
    teacher = [
        {"core": core, "artifact": artifact, "million_a_step": steps}
        for core, artifact, steps in (
            ("A53", ".pte int8", 60.0),
            ("A53", ".tflite int8", 99.0),
            ("A72", ".pte int8", 40.0),
        )
    ]
    counted = [{"core": "A53", "million_a_step": 10.0}, {"core": "A72", "million_a_step": 10.0}]
    told = list(rows_of.instruction_ratio_rows(counted, teacher, ".pte int8"))
    assert [(each["value"], each["reached"]) for each in told] == [(6.0, True), (4.0, False)]


def test_a_build_that_the_cache_does_not_hold_is_not_trained_again(
    case: InTorch, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = bundle_of(tmp_path, recipe, case.bundle.manifest.student.score + 1)
    with pytest.raises(InputError, match="the cache holds another build"):
        StudentCase.of(other, builds.PROFILE)
    monkeypatch.setenv("EDGEWRIGHT_CACHE_DIR", str(tmp_path / "empty"))
    with pytest.raises(InputError, match="the cache does not hold the stage documents of"):
        StudentCase.of(case.bundle, builds.PROFILE)


def test_a_power_law_is_found_again_and_told_with_what_it_leaves_open() -> None:
    points = [(tokens, 1.25 + 8 * tokens**-0.25) for tokens in (1e5, 2e5, 5e5, 1e6)]
    law = fitted(points, 1.25)
    assert law is not None
    assert (law.exponent, law.factor) == (pytest.approx(0.25), pytest.approx(8))
    assert law.residual == pytest.approx(0, abs=1e-9)
    assert law.at(1e7) == pytest.approx(1.25 + 8 * 1e7**-0.25)
    off = fitted([(tokens, score + (0.02 if tokens == 2e5 else 0)) for tokens, score in points], 1.25)
    assert off is not None
    low, high = off.bounds(1e7)
    assert 1.25 < low < off.at(1e7) < high
    assert off.residual > 0.01


def test_two_points_and_a_score_that_does_not_fall_are_no_power_law() -> None:
    assert fitted([(1.0, 3.0), (2.0, 2.0)], 1.0) is None
    assert fitted([(1.0, 2.0), (2.0, 2.0), (4.0, 2.5)], 1.0) is None
    assert fitted([(1.0, 2.0), (2.0, 1.5), (4.0, 0.5)], 1.0) is None  # beyond what it falls to


def test_the_curve_is_that_of_the_training_and_says_what_ten_times_as_many_tokens_would_buy(
    case: InTorch, recipe: Recipe, tmp_path: Path
) -> None:
    validations = [{"tokens": tokens, "score": 1 + 8 * tokens**-0.5} for tokens in (100, 200, 400)]
    bundle = bundle_of(tmp_path, recipe, 1.0, validations=validations)
    *points, more = rows_of.curve_rows(rows_of.curve_of(bundle), 1.0, "bits per byte of the validation part")
    assert [each["value"] for each in points] == [each["score"] for each in validations]
    assert more["name"].startswith("student after 4,000 tokens, by a power law through 3 points")
    assert more["value"] == pytest.approx(1 + 8 * 4000**-0.5)
    assert more["residual"] == pytest.approx(0, abs=1e-9)
    assert list(rows_of.curve_rows(rows_of.curve_of(case.bundle), 1.0, "x")) == []


def test_shares_of_the_gain_are_of_the_method_without_a_network(case: InTorch) -> None:
    manifest = case.bundle.manifest
    assert rows_of.gain_kept(case.bundle, manifest.teacher.score) == 100
    assert rows_of.gain_kept(case.bundle, manifest.baseline.score) == 0
    size, *_ = told = list(rows_of.bundle_rows(case.bundle))
    assert (size["goal"], size["reached"]) == (25.0, True)
    assert any("share of the teacher's gain" in each["name"] and each["goal"] == 75.0 for each in told)


def test_all_rows_of_a_student_come_one_after_another(case: InTorch, tmp_path: Path) -> None:
    file = tmp_path / "curve.json"
    file.write_text("[[100, 9.5], [200, 9.0], [400, 8.8]]", encoding="utf-8")
    told = list(rows_of.rows_of_case(case, tokens=[200, 300], quick=True, checkpoints=rows_of.points_in(file)))
    names = [each["name"] for each in told]
    assert sum("greedy tokens" in name for name in names) == 4
    assert sum("part other than at a tie" in name for name in names) == 3
    assert sum("as a draft" in name for name in names) == 2
    assert sum(name.startswith(FRESH) for name in names) == 4
    assert sum("each a training of its own" in name for name in names) == 2  # two points are no curve yet
    assert sum("a checkpoint of one training" in name for name in names) == 4
    assert not any("curve" in line for line in rows_of.lacking(case.bundle, case, None, rows_of.points_in(file)))


def test_what_a_student_lacks_is_said_with_what_to_give(case: InTorch) -> None:
    refused = list(rows_of.lacking(case.bundle, InputError("no cache"), None))
    assert [line.split(":")[0] for line in refused] == [
        "tokens of the artifacts beside the teacher's, beside each other's and as a draft",
        f"{UNIFORM} and {FRESH}",
        "the curve over tokens",
    ]
    assert not any("draft" in line for line in rows_of.lacking(case.bundle, case, [10]))


def test_scores_of_others_are_shares_of_the_gain_too(case: InTorch) -> None:
    found = [Other(name=name, tokens=10, score=score, parameters=7) for name, score in (("a", 1.0), ("b", 1.5))]
    first, second, behind = rows_of.rows_of_others(case.bundle, found)
    assert first["kept_percent"] == rows_of.gain_kept(case.bundle, 1.0)
    assert (second["value"], behind["value"]) == (1.5, 0.5)
