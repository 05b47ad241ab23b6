"""A prediction as a page: all of its text escaped, nothing asked for from outside, a roof for each artifact."""

from typing import Any

from edgewright.base.fields import Fields
from edgewright.report.measurement_figures import roofline
from edgewright.report.page import document, markdown, page, prediction_page
from tests.report.test_compression import manifest, whole_build

BAD = "<img src=x onerror=alert(1)>"


def prediction(**changes: Any) -> dict[str, Any]:
    point = {"kind": "linear", "sizes": [16, 64, 64], "count": 2, "intensity": 2.0, "gops": 6.0, "ms": 0.02}
    return {
        "runtime": "executorch",
        "precision": "int8",
        "profile": "raspberry-pi-4",
        "length": 16,
        "threads": 1,
        "latency_ms": 0.1,
        "low_ms": 0.05,
        "high_ms": 0.2,
        "limited_by": "overhead",
        "by_limit": {"arithmetic": 0.02, "bandwidth": 0.0, "overhead": 0.08},
        "by_kind": {"linear": 0.1},
        "peak_memory_bytes": 12_000_000,
        "memory_spread": 0.1,
        "source": "a test",
        "notes": (),
        "roof": {"int8_gops": 24.0, "float_gops": 12.0, "bandwidth_gb_s": 4.4, "points": [point]},
        "budget": {"met": True, "missed": [], "undecided": []},
        **changes,
    }


def test_what_comes_from_a_profile_or_a_note_is_text() -> None:
    text = prediction_page(BAD, [prediction(profile=BAD, source=BAD, notes=(BAD,))])
    body = text.split("<body>")[1]
    assert "<img" not in body
    assert "&lt;img" in body
    assert "src=" not in body.replace("img src=x", "")


def test_a_point_tells_what_it_is_and_roofs_bend_where_memory_is_no_limit_any_more() -> None:
    figure = roofline(Fields(prediction()))
    int8, floats, points = figure.data
    assert points.hovertext[0] == "2 × linear of 16 × 64 × 64: 0.02 ms, 100 %"
    assert max(int8.y) == 24.0
    assert max(floats.y) == 12.0
    assert 24.0 / 4.4 in int8.x


def test_a_missed_budget_is_told_and_the_instruction_clock_has_no_picture() -> None:
    miss = {"sentence": "latency_ms is 3 ms, over the limit of 1 ms"}
    text = prediction_page("b", [prediction(roof=None, budget={"met": False, "missed": [miss], "undecided": []})])
    assert "Budget missed" in text
    assert "over the limit of 1 ms" in text
    assert "<figure>" not in text


def test_a_bundles_report_tells_what_was_predicted_between_its_build_and_what_was_measured() -> None:
    built, title = manifest(whole_build()), "Predicted: executorch int8 on raspberry-pi-4, 16 tokens, 1 thread"
    without, text = page(built, []), page(built, [], [prediction()])
    assert title in text
    assert title not in without
    assert text.count("<figure>") == without.count("<figure>") + 1
    assert f"\n## {title}\n" in markdown(built, [], [prediction()])
    assert document(built, [], [prediction()])["predictions"] == [prediction()]
