"""Prices that were fitted, within and beyond what was measured."""

import pytest

from edgewright.cost.pricing import predict
from edgewright.cost.terms import Kernels, terms
from edgewright.specs.structure import Operator
from tests.cost.test_pricing import TABLE, TOKENS, linear, structure


def test_wide_rows_are_normalised_at_a_rate_of_their_own() -> None:
    narrow, wide = (terms("normalisation", (10, width), Kernels(wide_row=256)) for width in (248, 256))
    assert narrow[1] == pytest.approx(2480 / 1e6)
    assert narrow[3:] == (0.0, 0.0)
    assert wide[1:3] == (0.0, 0.0)
    assert wide[3] == pytest.approx(2560 / 1e6)


def test_far_outside_of_what_was_calibrated_the_interval_widens_and_says_so() -> None:
    within = predict(TABLE, structure(linear(384, 384)), length=64)
    beyond = predict(TABLE, structure(linear(384, 6144)), length=64)
    assert within.high_ms / within.latency_ms == pytest.approx(1.05)
    assert beyond.high_ms / beyond.latency_ms > 3
    assert beyond.notes == ("beyond what was calibrated: linear of 64 × 384 × 6144",)
    strange = Operator(kind="depthwise", sizes=((TOKENS,), ((64, 0),), ((9, 0),)))
    assert "depthwise, which was not calibrated" in predict(TABLE, structure(strange), length=8).notes[0]


def test_threads_share_all_but_the_overhead() -> None:
    model = structure(linear(384, 384))
    one, four = (predict(TABLE, model, length=64, threads=threads) for threads in (1, 4))
    assert four.by_limit["overhead"] == one.by_limit["overhead"]
    assert four.by_limit["arithmetic"] == pytest.approx(one.by_limit["arithmetic"] * (0.2 + 0.8 / 4))


def test_memory_is_the_runner_the_file_packed_matrices_and_activations() -> None:
    found = predict(TABLE, structure(linear(64, 64)), length=10, file_bytes=200_000)
    assert found.peak_memory_bytes == 10_000_000 + 200_000 + 2 * 100_000 + 4 * 256 * 10
