"""The parts of a page that tell a build."""

from edgewright.report import figures, page
from tests.report.test_compression import manifest, whole_build
from tests.report.test_page import HOSTILE, SENSITIVITY, Page


def test_what_the_stages_want_known_is_told_as_text() -> None:
    made = [*whole_build(), {**SENSITIVITY, "name": "images", "findings": {"notes": [f"3 texts stand {HOSTILE}", 4]}}]
    shown = Page(page.page(manifest(made), []))
    assert f"Notes 3 texts stand {HOSTILE}" in shown.text
    assert "Notes 3" not in Page(page.page(manifest(whole_build()), [])).text
    assert "3 texts stand" in page.markdown(manifest(made), [])


def test_a_net_of_convolutions_is_drawn_part_by_part() -> None:
    whole = [{"name": "conv1", "macs": 1000}, {"name": "layer1.0.conv1", "macs": 4000}, {"name": "fc", "macs": 10}]
    kept = [{"name": "conv1", "macs": 300}, {"name": "fc.down", "macs": 3}, {"name": "fc.up", "macs": 2}]
    figure = figures.parts(whole, kept)
    assert figure is not None
    assert [list(trace.x) for trace in figure.data] == [[100, 100, 100], [30, 0, 50]]
    assert figures.parts(whole, None) is None
