"""A recipe of a decoder goes through the one pipeline to a bundle, for every runtime that can write."""

from pathlib import Path
from typing import Any

import pytest
import torch

from edgewright import pipeline
from edgewright.bundles.bundle import Bundle
from edgewright.errors import InputError
from edgewright.measure.generating import generate_here
from edgewright.measure.prompts import Decoding, prompt_of
from edgewright.modality.causal_dataset import CausalDataset
from edgewright.models import families
from edgewright.models.decoder import DecoderModel
from edgewright.models.inputs import Inputs
from edgewright.specs.recipe import Recipe
from edgewright.stages.account import ACCOUNT, AccountFindings
from edgewright.stages.float_models import ModelFindings
from edgewright.stages.sides import student_of, teacher_of
from edgewright.stages.stage import Build, Findings, StageResult
from tests.stages import builds, writing_builds
from tests.stages.writing_builds import CONTEXT, PIECES, RUNTIMES

pytestmark = pytest.mark.usefixtures("own_places")
STUDENT = [*writing_builds.READING, "prune", "teach", "low rank", "distill"]


def built(recipe: Recipe, place: Path) -> pipeline.BuildResult:
    return pipeline.build(recipe, builds.PROFILE, place, even_if_unreachable=True)


def loaded(result: StageResult[Findings]) -> DecoderModel:
    model: Any = families.load(result.folder)
    assert isinstance(model, DecoderModel)
    return model


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_a_decoder_is_trimmed_cut_trained_and_exported_for_every_runtime_that_writes(kind: str, tmp_path: Path) -> None:
    recipe = writing_builds.recipe(writing_builds.documents(tmp_path), kind=kind)
    result = built(recipe, tmp_path / "bundle")
    manifest = result.bundle.manifest
    assert [each.name for each in manifest.stages][: len(STUDENT)] == STUDENT
    assert [each.runtime for each in manifest.artifacts] == list(RUNTIMES)
    for artifact in manifest.artifacts:
        plan = artifact.signature.generation
        assert plan is not None
        assert (plan.context, plan.vocabulary, plan.stop) == (CONTEXT, PIECES, (2,))
        assert artifact.parity.passed
        assert artifact.latency_ms > 0
        (text,) = generate_here(
            artifact.runtime,
            result.bundle.path / artifact.file,
            artifact.signature,
            [prompt_of([2, 40, 41], artifact.signature, Decoding(max_tokens=5))],
        ).texts
        assert 1 <= len(text.tokens) <= 5
        expected = result.bundle.expected_texts(artifact.runtime)
        assert expected is not None
        again_here = generate_here(
            artifact.runtime, result.bundle.path / artifact.file, artifact.signature, expected.prompts()
        ).texts
        assert [each.tokens for each in again_here] == [each.tokens for each in expected.texts]
    assert "tokenizer.json" in manifest.files
    assert "chat_template.json" in manifest.files
    assert "vectors.json" not in manifest.files
    with result.bundle as bundle:
        answered = bundle.answer("Return the")
    assert answered["kind"] == "text"
    assert answered["tokens"] == len(answered["ids"])  # type: ignore[arg-type]
    again = built(recipe, tmp_path / "again")
    assert all(stage.cached for stage in again.bundle.manifest.stages)
    assert Bundle.open(tmp_path / "again").manifest.best == manifest.best


def test_the_student_is_as_the_recipe_says_and_trains_towards_its_teacher(tmp_path: Path) -> None:
    recipe = writing_builds.recipe(writing_builds.documents(tmp_path))
    build: Build = builds.build_of(builds.plan(recipe))
    assert [each.name for each in build.made] == STUDENT
    student = loaded(build.result("student"))
    assert [(layer.groups, layer.neurons) for layer in student.shape.layers] == [(1, 24)] * 2
    assert (student.shape.vocabulary, student.shape.positions, student.shape.tied) == (PIECES, CONTEXT, True)
    findings = build.findings("student", ModelFindings)
    assert len(findings.from_layers) == 2
    assert {layer.heads for layer in findings.layers} == {2}
    document = findings.document()
    assert [row["from_layer"] for row in document["drift"]] == findings.from_layers
    assert document["tokens_seen"] >= 600


def test_a_teacher_that_is_only_trimmed_says_the_same_of_the_pieces_that_stay(tmp_path: Path) -> None:
    off = {"enabled": False}
    recipe = writing_builds.recipe(writing_builds.documents(tmp_path), prune=off, distill=off)
    build = builds.build_of(builds.plan(recipe))
    teacher, student = loaded(build.result("teacher")), loaded(build.result("student"))
    dataset = build.plan.modality.dataset(recipe, build.result("examples").folder, build.result("inputs").folder)
    ids = torch.randint(0, PIECES, (2, 20), generator=torch.Generator().manual_seed(0))
    kept = torch.tensor(dataset.kept)  # type: ignore[attr-defined]
    with torch.inference_mode():
        assert torch.allclose(student(ids), teacher(kept[ids])[..., kept], atol=1e-4)


def test_a_gradual_cut_goes_part_of_the_way_and_trains_between(tmp_path: Path) -> None:
    recipe = writing_builds.recipe(writing_builds.documents(tmp_path), prune={"steps": 2})
    build = builds.build_of(builds.plan(recipe))
    names = [each.name for each in build.made]
    assert names == [*writing_builds.READING, "prune", "teach", "distill", "prune", "low rank", "distill"]
    students = [loaded(each) for each in build.made if each.name == "distill"]
    assert [layer.neurons for layer in students[0].shape.layers] == [40] * len(students[0].shape.layers)
    assert [(layer.groups, layer.neurons) for layer in students[1].shape.layers] == [(1, 24)] * 2
    from_layers = build.findings("student", ModelFindings).from_layers
    assert from_layers == sorted(set(from_layers))
    assert set(from_layers) <= {0, 1, 2}


def test_named_layers_are_those_of_the_teacher_after_all_steps(tmp_path: Path) -> None:
    prune = {"steps": 2, "layers": [2]}
    build = builds.build_of(builds.plan(writing_builds.recipe(writing_builds.documents(tmp_path), prune=prune)))
    cuts = [each.findings for each in build.made if each.name == "prune"]
    assert [each.from_layers for each in cuts if isinstance(each, ModelFindings)] == [[1, 2], [2]]


def test_a_refit_reads_as_much_text_as_one_run_of_the_model_over_it_is_worth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    sample = CausalDataset.sample

    def watched(self: CausalDataset, count: int, *, macs: float = 0, passes: int = 0) -> Inputs:
        asked.append(passes)
        return sample(self, count, macs=macs, passes=passes)

    monkeypatch.setattr(CausalDataset, "sample", watched)
    # a cut of its own: one that is in the cache of these tests asks for nothing
    changes = {"distill": {"enabled": False}, "prune": {"neurons": 20}}
    builds.build_of(builds.plan(writing_builds.recipe(writing_builds.documents(tmp_path), **changes)))
    assert asked[0] == 1


def test_the_table_is_kept_at_a_low_rank_at_both_ends(tmp_path: Path) -> None:
    recipe = writing_builds.recipe(writing_builds.documents(tmp_path), low_rank={"token_rank": 16})
    student = loaded(builds.build_of(builds.plan(recipe)).result("student"))
    assert (student.shape.token_rank, student.shape.tied) == (16, True)
    assert student.tokens.weight.shape == (PIECES, 16)


def test_a_completion_is_learned_after_its_prompt(tmp_path: Path) -> None:
    pairs = [("prompt", "completion"), *((f"Say {place}.", f"It is {place}.") for place in range(60))]
    data = builds.write(tmp_path / "pairs.csv", pairs)
    recipe = writing_builds.recipe(data, task={"kind": "text-generation", "max_length": 48})
    build = builds.build_of(builds.plan(recipe))
    dataset = builds.stages.student_of(build).dataset
    row = dataset.held_out().rows[0]  # type: ignore[attr-defined]
    tokenizer = dataset.tokenizer  # type: ignore[attr-defined]
    assert tokenizer.decode(row.counted).startswith("It is")
    assert tokenizer.decode(row.ids[: row.first]).startswith("<user>Say")
    assert row.ids[-1] == dataset.input_spec().writes.stop[0]  # type: ignore[union-attr]


def test_a_prompt_is_read_as_it_stands_where_the_recipe_wants_no_template(tmp_path: Path) -> None:
    pairs = [("prompt", "completion"), *((f"Say {place}.", f"It is {place}.") for place in range(60))]
    data = builds.write(tmp_path / "pairs.csv", pairs)
    task = {"kind": "text-generation", "max_length": 48, "chat_template": False}
    build = builds.build_of(builds.plan(writing_builds.recipe(data, task=task)), last="vocabulary")
    dataset: Any = builds.stages.student_of(build).dataset
    row = dataset.held_out().rows[0]
    assert dataset.tokenizer.decode(row.ids[: row.first]).startswith("Say")
    assert not dataset.input_spec().chat
    assert dataset.tokens.asked("Say 1.")[: len(dataset.ends.begin)] == dataset.ends.begin


def test_the_account_says_how_the_students_tokens_and_texts_are_the_teachers(tmp_path: Path) -> None:
    pairs = [("prompt", "completion"), *((f"Say {place}.", f"It is {place}.") for place in range(60))]
    data = builds.write(tmp_path / "pairs.csv", pairs)
    recipe = writing_builds.recipe(data, task={"kind": "text-generation", "max_length": 48})
    build = builds.build_of(builds.plan(recipe), last="prune")
    found = ACCOUNT.run(build).findings("account", AccountFindings)
    agreement, writing = found.agreement, found.writing
    assert agreement is not None
    assert writing is not None
    assert agreement.tokens == sum(len(row.counted) for row in student_of(build).held_out().rows)  # type: ignore[attr-defined]
    assert 0 <= agreement.same <= agreement.among_first <= 1
    assert 0 <= writing.student.exact <= writing.student.rouge_l <= 1
    assert writing.count == found.count > 5
    assert writing.nearest.rouge_l > 0.5  # all completions are "It is …"
    assert {each.expected for each in writing.examples} <= {completion for _, completion in pairs}


def test_a_model_that_goes_on_with_texts_has_agreement_and_nothing_that_was_asked(tmp_path: Path) -> None:
    build = builds.build_of(builds.plan(writing_builds.recipe(writing_builds.documents(tmp_path))), last="teacher")
    teacher = teacher_of(build)
    inputs = teacher.held_out()
    model = teacher.model()
    itself = teacher.dataset.agreement(model, teacher.outputs(inputs), inputs)
    assert itself is not None
    assert (itself.same, itself.among_first) == (1.0, 1.0)
    assert teacher.dataset.written(model) == {}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"quantize": {"smooth": 0.5}}, r"has no channels to smooth; remove stages\.quantize\.smooth"),
        ({"prune": {"keep_macs": 0.5, "layers": None, "heads": None, "neurons": None}}, "is not for decoders"),
        ({"prune": {"head_width": 4}}, r"has no attention heads to narrow; remove stages\.prune\.head_width"),
        ({"prune": {"heads": 3}}, "share a key/value head"),
    ],
)
def test_what_decoders_have_not_is_refused_in_one_sentence(
    changes: dict[str, dict[str, object]], why: str, tmp_path: Path
) -> None:
    recipe = writing_builds.recipe(writing_builds.documents(tmp_path), **changes)
    with pytest.raises(InputError, match=why) as caught:
        builds.build_of(builds.plan(recipe))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "stages"),
    [
        ({"quantize": {"qat": {"train_tokens": 300}}}, [*STUDENT, "aware"]),
        ({"low_rank": {"keep_parameters": 0.8}, "prune": {"width": 24}}, STUDENT),
        ({"distill": {"patience": 1, "epochs": 2, "train_tokens": None}}, STUDENT),
    ],
)
def test_what_other_students_can_decoders_can_too(
    changes: dict[str, dict[str, object]], stages: list[str], tmp_path: Path
) -> None:
    build = builds.build_of(builds.plan(writing_builds.recipe(writing_builds.documents(tmp_path), **changes)))
    assert [each.name for each in build.made] == stages
    student, findings = loaded(build.result("student")), build.findings("student", ModelFindings)
    assert findings.parameters == student.parameters_count
    assert 0 < findings.score < 20
