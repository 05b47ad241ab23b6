"""A bundle that generates is predicted by prompts, tokens a second and contexts, and held to its budget by them."""

from pathlib import Path

import pytest

from edgewright.bundles.bundle import Bundle
from edgewright.cost.fitted_prices import FittedPrices
from edgewright.cost.terms import TERMS, Kernels
from edgewright.errors import InputError
from edgewright.forecast import prediction
from edgewright.forecast.predicted import Predicted
from edgewright.forecast.prediction import predictions
from edgewright.report.prediction_terminal import prediction_report
from edgewright.specs.budget import Budget
from edgewright.specs.profiles import load_profile
from edgewright.specs.structure import SIZES
from tests.forecast import writers
from tests.report.test_terminal import shown

BOARD = load_profile("raspberry-pi-4")


def only(subject: Bundle, runtime: str = "executorch", length: int | None = None) -> Predicted:
    (found,) = predictions(subject, BOARD, runtime=runtime, length=length)
    return found


def test_each_artifact_that_generates_is_predicted_where_it_lies(tmp_path: Path) -> None:
    opened = writers.bundle(tmp_path)
    found = predictions(opened.path, BOARD)
    assert [each.runtime for each in found] == ["executorch", "litert"]
    for each in found:
        assert each.writing is not None
        assert each.length == writers.CONTEXT
        assert each.prediction.latency_ms == each.writing.whole.token_ms
        assert each.prediction.peak_memory_bytes == each.writing.whole.peak_memory_bytes
        document = each.document()["writing"]
        assert isinstance(document, dict)
        assert [row["context"] for row in document["rates"]] == [12, 24, 48]
        assert [row["prompt_tokens"] for row in document["first_tokens"]] == [6, 24, 48]
        assert each.roof is not None


def test_another_prompts_length_is_asked_for_beside_the_usual_ones(tmp_path: Path) -> None:
    found = only(writers.bundle(tmp_path), length=40).writing
    assert found is not None
    assert [each.prompt_tokens for each in found.first_tokens] == [6, 24, 40, 48]
    assert found.first_tokens[-1].first_token_ms > found.first_tokens[0].first_token_ms


def test_the_budget_of_a_model_that_generates_is_held_to_what_was_predicted(tmp_path: Path) -> None:
    tight = Budget(first_token_ms=1e-6, tokens_per_second=1e9, context=writers.CONTEXT + 1, artifact_mb=1.0)
    found = only(writers.bundle(tmp_path / "tight", budget=tight))
    assert [each.name for each in found.verdict.missed] == ["first_token_ms", "tokens_per_second", "context"]
    loose = Budget(first_token_ms=1e6, tokens_per_second=1e-3, context=writers.CONTEXT, artifact_mb=1.0)
    assert only(writers.bundle(tmp_path / "loose", budget=loose)).verdict.met


def test_a_context_that_does_not_fit_is_noted_with_the_largest_that_does(tmp_path: Path) -> None:
    small = BOARD.memory.ram_mb.model_copy(update={"value": 13})
    device = BOARD.model_copy(
        update={"memory": BOARD.memory.model_copy(update={"ram_mb": small, "usable_mb": None}), "budget": None}
    )
    signature = writers.bundle(tmp_path / "usual").manifest.artifacts[0].signature
    wide = tuple(each.model_copy(update={"shape": (200, 20, writers.CONTEXT, 8)}) for each in signature.buffers)
    opened = writers.bundle(tmp_path / "wide", signature=signature.model_copy(update={"buffers": wide}))
    (found,) = predictions(opened, device, runtime="executorch")
    assert found.writing is not None
    largest = found.writing.largest_context
    assert 0 < largest < writers.CONTEXT
    assert found.prediction.notes == (
        f"a context of 48 tokens does not fit into the device's memory: the largest context that fits is {largest}",
    )


def test_narrower_weights_by_prices_of_int8_are_said_to_be_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = writers.bundle(tmp_path, size=25_000)
    by_facts = only(opened)
    assert not by_facts.prediction.notes
    assert by_facts.writing is not None
    whole = only(writers.bundle(tmp_path / "int8")).writing
    assert whole is not None
    assert by_facts.writing.whole.bytes_per_token < whole.whole.bytes_per_token
    fitted = FittedPrices(
        source="calibrated on a test",
        kernels=Kernels(),
        base_ms=0.1,
        rates={kind: (0.001,) * len(TERMS[kind]) for kind in TERMS},
        seen={kind: ((0, 1 << 40),) * len(SIZES[kind]) for kind in TERMS},
        spread=0.1,
        parallel_share=0.5,
        memory=(1e7, 1.0, 1.0, 1.0),
        memory_spread=0.1,
    )
    monkeypatch.setattr(prediction, "prices_for", lambda *_, **__: fitted)
    assert only(opened).prediction.notes == (
        "its weights are narrower than int8, by whose prices it is predicted: it may be faster",
    )


def test_a_bundle_that_does_not_say_what_a_token_takes_is_to_be_built_again(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="built before that was kept; build it again"):
        predictions(writers.bundle(tmp_path, decode_structure=None), BOARD)


def test_a_terminal_shows_first_tokens_paces_the_bound_and_memory(tmp_path: Path) -> None:
    found = only(writers.bundle(tmp_path))
    text = shown(prediction_report([found.document()]))
    assert "48 tokens of context" in text
    assert "after 24 tokens" in text
    assert "at a context of 48" in text
    assert "memory allows" in text
    assert "fit into the device's memory" in text
    assert "a token" in text
