"""What parts cost: estimated from a profile, or measured one layer at a time."""

import json
from pathlib import Path

import pytest

from edgewright.cost.exported import structure_for
from edgewright.cost.fitted_prices import FittedPrices
from edgewright.cost.part_costs import CostTable, OneLayer, from_prices, from_profile, load, measured
from edgewright.cost.terms import TERMS, Kernels
from edgewright.devices.timed_models import Shape
from edgewright.errors import InputError, InvalidFileError
from edgewright.modality.text_spec import TextInputSpec
from edgewright.specs.profiles import load_profile
from edgewright.specs.structure import SIZES


def estimate(device: str = "raspberry-pi-4") -> CostTable:
    return from_profile(load_profile(device), length=64, width=384, head_width=32, heads=12, neurons=1536, fixed_ms=0.3)


def table(time_ms: object, **changes: object) -> CostTable:
    asked = {"source": "test", "length": 32, "width": 64, "head_width": 8, "heads": (2, 4, 8), "neurons": (64, 256)}
    return measured(time_ms, **{**asked, **changes})  # type: ignore[arg-type]


def linear(shape: OneLayer | None) -> float:
    return 1.0 if shape is None else 1.2 + 0.5 * shape.heads + 0.01 * shape.neurons


def test_an_estimate_rises_with_size_and_nothing_takes_no_time() -> None:
    costs = estimate()
    assert costs.attention(0) == costs.feed_forward(0) == 0
    heads = [costs.attention(count) for count in range(13)]
    neurons = [costs.feed_forward(count) for count in range(0, 1537, 48)]
    assert heads == sorted(heads)
    assert neurons == sorted(neurons)
    assert costs.fixed == 0.3


def test_a_faster_core_is_estimated_faster() -> None:
    assert estimate("raspberry-pi-5").feed_forward(1536) < estimate("raspberry-pi-3b-plus").feed_forward(1536)


def test_an_estimate_is_the_arithmetic_at_half_the_peak_and_a_constant_for_each_operator() -> None:
    profile = load_profile("raspberry-pi-4")
    arithmetic_ms = 2 * 64 * 2 * 384 * 1536 / (profile.processor.int8_peak_gops.value * 1e6 * 0.5)
    assert estimate().feed_forward(1536) == pytest.approx(arithmetic_ms + 5 * 0.004)


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
    seen: list[OneLayer | None] = []

    def timed(shape: OneLayer | None) -> float:
        seen.append(shape)
        return linear(shape)

    table(timed, rounds=3)
    assert len(seen) == 3 * 7
    assert seen[:7] == seen[7:14] == seen[14:]
    assert len(set(seen[:7])) == 7


def test_one_outlier_among_rounds_changes_nothing() -> None:
    calls = 0

    def disturbed(shape: OneLayer | None) -> float:
        nonlocal calls
        calls += 1
        return linear(shape) * (50 if calls == 5 else 1)

    assert table(disturbed) == table(linear)


def test_where_noise_makes_a_larger_size_cheaper_both_get_their_mean() -> None:
    def noisy(shape: OneLayer | None) -> float:
        return linear(shape) + (1.5 if shape and shape.heads == 2 else 0)

    costs = table(noisy)
    assert costs.attention(2) == costs.attention(4) == pytest.approx((2.6 + 2.1) / 2)
    assert costs.attention(8) == pytest.approx(4.1)


@pytest.mark.parametrize("sizes", [(4,), (4, 4), (0, 4)])
def test_too_few_sizes_are_refused(sizes: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="at least two different numbers of heads above 0"):
        table(linear, heads=sizes)


def test_a_table_is_saved_and_read_back_the_same(tmp_path: Path) -> None:
    estimate().save(tmp_path / "costs.json")
    assert load(tmp_path / "costs.json") == estimate()


def test_a_damaged_table_is_refused_with_every_fault(tmp_path: Path) -> None:
    file = tmp_path / "costs.json"
    damaged = {**json.loads(estimate().model_dump_json()), "fixed_ms": -1, "length": 0}
    file.write_text(json.dumps(damaged))
    with pytest.raises(InvalidFileError) as caught:
        load(file)
    assert [place for place, _ in caught.value.faults] == ["length", "fixed_ms"]
    with pytest.raises(InputError, match=r"none\.json cannot be read"):
        load(tmp_path / "none.json")


def test_a_table_that_falls_is_refused(tmp_path: Path) -> None:
    damaged = json.loads(estimate().model_dump_json())
    damaged["attention_ms"][3]["ms"] = 0.0
    (tmp_path / "costs.json").write_text(json.dumps(damaged))
    with pytest.raises(InvalidFileError, match="attention_ms: size 4 after 3 must be larger and no cheaper"):
        load(tmp_path / "costs.json")


def test_calibrated_prices_price_each_part_as_they_price_the_whole() -> None:
    rates = {kind: (0.001 * place, *[0.1] * (len(TERMS[kind]) - 1)) for place, kind in enumerate(TERMS, start=1)}
    prices = FittedPrices(
        source="calibrated on a test",
        kernels=Kernels(rows=4, outputs=16),
        base_ms=0.5,
        rates=rates,
        seen={kind: ((0, 1 << 40),) * len(SIZES[kind]) for kind in rates},
        spread=0.02,
        parallel_share=0.0,
        memory=(0.0, 0.0, 0.0, 0.0),
        memory_spread=0.02,
    )
    made = from_prices(prices, length=24, width=96, head_width=32, heads=3, neurons=128)
    assert made.source == "calibrated on a test"
    none, one, two = (
        sum(prices.cost(structure_for(shape.module(padded=False), TextInputSpec(max_length=64)), 24).by_limit.values())
        for shape in (Shape(width=96, layers=layers) for layers in ((), ((3, 32, 128),), ((3, 32, 128), (3, 32, 128))))
    )
    assert made.attention(3) + made.feed_forward(128) == pytest.approx(two - one, rel=0.01)
    assert one - none == pytest.approx(two - one, rel=0.01)
    assert made.attention(1) < made.attention(2) < made.attention(3)
