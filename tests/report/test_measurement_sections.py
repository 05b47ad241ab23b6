"""The parts of a page that tell measurements."""

import pytest

from edgewright.report import measurement_figures, page
from tests.report.test_page import DURING, PHASES, Page, measured


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
