"""Pictures of measurements and predictions show what was measured, and none is drawn of nothing."""

import pytest

from edgewright.base.fields import Fields
from edgewright.report import measurement_figures, page
from tests.report.test_page import DURING, HOSTILE, OPERATORS, PHASES, Page, measured


def test_what_was_seen_of_memory_and_of_the_machine_is_told_and_drawn() -> None:
    seen = measured(
        memory=PHASES,
        cold={"load_ms": 12, "first_inference_ms": 3},
        energy_mj={"VDD_IN": 1.5},
        machine_during=[DURING, None, DURING],
    )
    shown = Page(page.page(None, [seen])).text
    for part in ("from storage load 12", "energy of one inference, VDD_IN 1.5 mJ"):
        assert part in shown, part
    bars = {each.name: each for each in measurement_figures.memory(seen).data}
    assert list(bars["anonymous"].y) == pytest.approx([1.25, 2.25, 2.75, 2.875])
    assert list(bars["peak within the phase"].y) == [5.5, 9.5, 11.5, 12.0]
    heat, clock = measurement_figures.machine(seen).data
    assert heat.x[6] == 1.5
    assert max(heat.y) == 52
    assert clock.y[0] == 1500
    assert measurement_figures.machine(measured()) is None


def test_every_sample_is_drawn_in_the_order_it_was_taken() -> None:
    seen = measured()
    drawn = measurement_figures.latency(seen)
    assert drawn is not None
    points, spread = drawn.data
    assert list(points.y) == list(spread.y) == list(seen.latency_ms.samples)


def test_without_phases_by_kind_memory_is_what_is_resident() -> None:
    figure = measurement_figures.memory(measured())
    (resident,) = figure.data
    assert list(resident.y) == [1.0, 9.0]
    assert [each.replace("&nbsp;", " ") for each in resident.x] == ["the runner alone", "loaded"]


def test_a_kind_that_one_phase_does_not_tell_is_told_of_none() -> None:
    phases = {name: dict(kinds) for name, kinds in PHASES.items()}
    del phases["first"]["file_bytes"], phases["first"]["peak_bytes"]
    resident, peaks = measurement_figures.memory(measured(memory=phases)).data
    assert resident.name == "resident"
    assert list(resident.y) == [5.0, 9.0, 11.0, 11.5]
    assert list(peaks.y) == [5.5, 9.5, None, 12.0]


def test_a_machine_that_tells_its_clock_alone_has_one_axis() -> None:
    states = [{"s": 0.5, "clock_khz": 1_200_000}, {"s": 1.0, "clock_khz": 600_000}]
    figure = measurement_figures.machine(measured(machine_during=[{**DURING, "states": states}] * 2))
    assert figure is not None
    (clock,) = figure.data
    assert list(clock.x) == [0.5, 1.0, 2.0, 2.5]  # the second process begins where the first ended
    assert list(clock.y) == [1200, 600, 1200, 600]
    assert figure.layout.yaxis.title.text == "MHz"


def test_operators_are_drawn_by_where_they_ran_and_only_where_they_were_timed() -> None:
    assert measurement_figures.operators(measured()) is None
    figure = measurement_figures.operators(measured(operators=OPERATORS))
    assert figure is not None
    delegated, own = figure.data
    assert (list(delegated.x), list(own.x)) == ([1.0], [0.4])
    assert HOSTILE not in figure.to_json()


def test_all_that_there_is_something_for_is_drawn() -> None:
    assert len(measurement_figures.all_of(measured())) == 2
    everything = measured(operators=OPERATORS, memory=PHASES, machine_during=[DURING])
    assert len(measurement_figures.all_of(everything)) == 4


def test_a_roof_bends_where_the_memory_no_longer_limits_and_points_share_the_time() -> None:
    point = {"kind": "linear", "sizes": [16, 64, 64], "count": 2, "intensity": 2.0, "gops": 6.0, "ms": 0.03}
    points = [point, {**point, "kind": "softmax", "intensity": 0.5, "ms": 0.01}]
    roof = {"int8_gops": 24.0, "float_gops": 12.0, "bandwidth_gb_s": 4.0, "points": points}
    prediction = {"runtime": "executorch", "profile": "raspberry-pi-4", "roof": roof}
    int8, floats, products, softmax = measurement_figures.roofline(Fields(prediction)).data
    assert (list(int8.x), list(int8.y)) == ([0.25, 6.0, 12.0], [1.0, 24.0, 24.0])
    assert (list(floats.x), list(floats.y)) == ([0.25, 3.0, 12.0], [1.0, 12.0, 12.0])
    assert products.hovertext[0].endswith("0.03 ms, 75 %")
    assert products.marker.size[0] > softmax.marker.size[0]
    nothing = {**prediction, "roof": {**roof, "points": []}}
    assert len(measurement_figures.roofline(Fields(nothing)).data) == 2
