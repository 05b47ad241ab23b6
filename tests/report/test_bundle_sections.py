"""The parts of a page that tell a build."""

from edgewright.bundles.findings import PartRecord
from edgewright.report import figures, page
from tests.report.test_compression import manifest, whole_build
from tests.report.test_page import HOSTILE, SENSITIVITY, Page


def parts(**macs: int) -> list[PartRecord]:
    return [PartRecord(name=name, macs=count) for name, count in macs.items()]


def test_what_the_stages_want_known_is_told_as_text() -> None:
    made = [*whole_build(), {**SENSITIVITY, "name": "images", "findings": {"notes": [f"3 texts stand {HOSTILE}", 4]}}]
    shown = Page(page.page(manifest(made), []))
    assert f"Notes 3 texts stand {HOSTILE}" in shown.text
    assert "Notes 3" not in Page(page.page(manifest(whole_build()), [])).text
    assert "3 texts stand" in page.markdown(manifest(made), [])


def test_a_net_of_convolutions_is_drawn_part_by_part() -> None:
    teacher = parts(conv1=1000, **{"layer1.0.conv1": 4000}, fc=10)
    figure = figures.parts(teacher, parts(conv1=300, **{"fc.down": 3, "fc.up": 2}))
    assert figure is not None
    assert [list(trace.x) for trace in figure.data] == [[100, 100, 100], [30, 0, 50]]
    assert figures.parts(teacher, ()) is None
