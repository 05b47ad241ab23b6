"""Which artifact of a build is the best, and the verdict on it."""

from typing import Any

from edgewright.assembly.artifacts import best_of, structures_of
from edgewright.cost.decoding_structures import generating_structures
from edgewright.cost.exported import structure_for
from edgewright.modality.causal_spec import CausalTextSpec
from edgewright.modality.text_spec import TextInputSpec
from edgewright.runtimes.subject import Subject
from edgewright.specs.budget import Budget
from edgewright.stages.teacher import BaselineFindings, TeacherFindings
from tests import tiny, tiny_decoders
from tests.report.test_compression import manifest
from tests.stages.builds import recipe

TEACHER = TeacherFindings.model_construct(
    metric="accuracy", score=0.5, baseline=BaselineFindings(name="TF-IDF", score=0.1)
)


def chosen(tmp: Any, *changes: dict[str, Any], budget: Budget | None = None) -> str:
    artifacts = [each.model_copy(update=change) for each, change in zip(manifest([]).artifacts, changes, strict=True)]
    given = recipe("embedding", tmp).model_copy(update={"budget": budget or Budget()})
    return best_of(given, TEACHER, artifacts).artifact.runtime


def test_the_fastest_is_the_best_of_those_that_keep_as_many_limits(tmp_path: Any) -> None:
    assert chosen(tmp_path / "x.csv", {"latency_ms": 2.0}, {"latency_ms": 1.0}) == "litert"


def test_a_limit_that_is_missed_weighs_more_than_speed(tmp_path: Any) -> None:
    small, large = {"latency_ms": 2.0, "bytes": 10}, {"latency_ms": 1.0, "bytes": 10_000_000}
    assert chosen(tmp_path / "x.csv", small, large, budget=Budget(artifact_mb=1)) == "executorch"


def test_outputs_that_are_wrong_weigh_more_than_anything(tmp_path: Any) -> None:
    wrong = manifest([]).artifacts[0].parity.model_copy(update={"passed": False})
    assert chosen(tmp_path / "x.csv", {"latency_ms": 2.0}, {"latency_ms": 1.0, "parity": wrong}) == "executorch"


def test_a_loss_where_less_is_better_is_of_the_score_that_rose(tmp_path: Any) -> None:
    teacher = TeacherFindings.model_construct(
        metric="bits per byte", score=1.25, baseline=BaselineFindings(name="5-gram", score=1.775)
    )
    artifact, budget = manifest([]).artifacts[0], Budget(max_score_loss_percent=20)
    made = recipe("embedding", tmp_path / "x.csv").model_copy(update={"budget": budget})
    for score, met, baseline in ((1.2, True, False), (1.5, True, False), (1.51, False, False), (1.8, False, True)):
        verdict = best_of(made, teacher, [artifact.model_copy(update={"score": score})]).verdict
        assert (verdict.met, verdict.baseline is not None) == (met, baseline)


def test_an_artifact_that_generates_says_what_a_prompt_and_what_a_token_takes() -> None:
    model = tiny_decoders.decoder("llama")
    spec = CausalTextSpec(max_length=32, context=48, prefill_lengths=(8, 16))
    found = structures_of(Subject(model=model, spec=spec), padded=True)
    expected = generating_structures(model, context=48)
    assert (found.structure, found.decode) == (expected.prefill, expected.decode)
    encoder = Subject(model=tiny.model_copy(), spec=TextInputSpec(max_length=16))
    plain = structures_of(encoder, padded=True)
    assert plain.decode is None
    assert plain.structure == structure_for(encoder.module(padded=True), encoder.spec)
