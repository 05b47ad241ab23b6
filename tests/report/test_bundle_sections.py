"""The parts of a page that tell a build."""

from edgewright.bundles.findings import PartRecord
from edgewright.bundles.schema import Manifest
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


def test_what_is_left_of_a_gain_over_counting_is_told_where_less_is_better() -> None:
    def built(metric: str) -> str:
        document = manifest(whole_build(), score=1.548).model_dump(mode="json")
        document["task"]["metric"] = metric
        document["teacher"]["score"], document["baseline"] = 1.252, {"name": "5-gram", "score": 1.775}
        for each in document["artifacts"]:
            each["score"] = 1.55
        return str(Page(page.page(Manifest.model_validate(document), [])).text)

    told = built("bits per byte")
    assert "Of what the teacher gains over the 5-gram, 0.5230 bits per byte (less is better), there is left" in told
    assert "the float student 43.4 %" in told
    assert "80.9 %" in told  # 1.252 of 1.548
    assert "gains over" not in built("accuracy")
