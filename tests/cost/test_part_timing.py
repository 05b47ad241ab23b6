"""What parts cost, measured one layer at a time."""

import pytest

from edgewright.cost.part_costs import CostTable, PricedLayer
from edgewright.cost.part_timing import measured_costs
from edgewright.errors import InputError

LARGEST = PricedLayer(length=32, width=64, head_width=8, heads=8, neurons=256)


def table(time_ms: object, **changes: object) -> CostTable:
    asked = {"source": "test", "heads": (2, 4, 8), "neurons": (64, 256)}
    return measured_costs(time_ms, LARGEST, **{**asked, **changes})  # type: ignore[arg-type]


def linear(layer: PricedLayer | None) -> float:
    return 1.0 if layer is None else 1.2 + 0.5 * layer.heads + 0.01 * layer.neurons


def test_what_was_measured_is_told_apart_into_parts_and_the_rest() -> None:
    costs = table(linear)
    assert costs.fixed == 1.0
    # 0.2 ms of an empty layer are shared between its parts
    assert costs.attention(4) == pytest.approx(0.1 + 2.0)
    assert costs.attention(3) == pytest.approx(0.1 + 1.5)
    assert costs.feed_forward(100) == pytest.approx(0.1 + 1.0)
    assert costs.feed_forward(512) == pytest.approx(0.1 + 5.12)
    assert costs.attention(0) == 0


def test_models_are_timed_in_turn_round_after_round() -> None:
    seen: list[PricedLayer | None] = []

    def timed(shape: PricedLayer | None) -> float:
        seen.append(shape)
        return linear(shape)

    table(timed, rounds=3)
    assert len(seen) == 3 * 7
    assert seen[:7] == seen[7:14] == seen[14:]
    assert len(set(seen[:7])) == 7


def test_one_outlier_among_rounds_changes_nothing() -> None:
    calls = 0

    def disturbed(shape: PricedLayer | None) -> float:
        nonlocal calls
        calls += 1
        return linear(shape) * (50 if calls == 5 else 1)

    assert table(disturbed) == table(linear)


def test_where_noise_makes_a_larger_size_cheaper_both_get_their_mean() -> None:
    def noisy(shape: PricedLayer | None) -> float:
        return linear(shape) + (1.5 if shape and shape.heads == 2 else 0)

    costs = table(noisy)
    assert costs.attention(2) == costs.attention(4) == pytest.approx((2.6 + 2.1) / 2)
    assert costs.attention(8) == pytest.approx(4.1)


@pytest.mark.parametrize("sizes", [(4,), (4, 4), (0, 4)])
def test_too_few_sizes_are_refused(sizes: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="at least two different numbers of heads above 0"):
        table(linear, heads=sizes)
