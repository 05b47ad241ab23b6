"""The report's pictures: what beats what, names that stay apart, and no HTML of a stranger's."""

from typing import Any

import pytest

from edgewright.base.fields import Fields
from edgewright.bundles.findings import ModelRecord
from edgewright.report import drawing, figures
from edgewright.report.measured import measured_of
from tests.report.documents import bench
from tests.report.test_compression import manifest

HOSTILE = "<script>alert(1)</script>"


def test_text_is_shown_as_it_is_and_a_long_name_by_its_ends() -> None:
    assert drawing.label(HOSTILE) == "&lt;script&gt;alert(1)&lt;/script&gt;"
    long = "encoder." * 20 + "down"
    assert drawing.short("short") == "short"
    assert len(drawing.short(long)) == drawing.SHOWN_CHARACTERS
    assert drawing.short(long).startswith("encoder.")
    assert drawing.short(long).endswith("down")


@pytest.mark.parametrize(
    ("points", "front"),
    [
        ([], []),
        ([(1.0, 0.5)], [(1.0, 0.5)]),
        ([(1.0, 0.5), (2.0, 0.4), (3.0, 0.9)], [(1.0, 0.5), (3.0, 0.9)]),
        ([(2.0, 0.5), (1.0, 0.5)], [(1.0, 0.5)]),
        ([(1.0, 0.5), (1.0, 0.7)], [(1.0, 0.7)]),
    ],
)
def test_on_the_front_is_what_no_other_beats_in_both(points: list[Any], front: list[Any]) -> None:
    assert sorted(set(figures._front(points, "accuracy"))) == front


def test_teacher_and_students_are_points_of_the_trade() -> None:
    names = [each.name for each in figures.trade(manifest([])).data]
    for runtime in ("executorch", "litert"):
        for model in ("teacher, float", "student, float", "student, int8"):
            assert f"{model}, {runtime}" in names


def test_a_float_model_has_one_size_whatever_the_runtime() -> None:
    names = [each.name for each in figures.sizes(manifest([])).data]
    assert names.count("teacher, float") == 1
    assert "student, int8, litert" in names


def test_measurements_of_unlike_machines_or_of_one_alone_make_no_picture() -> None:
    one, same = (measured_of(bench(seed=seed), "place") for seed in (0, 1))
    assert figures.measured([one]) is None
    assert figures.measured([one, measured_of(bench(target="local:"), "place")]) is None
    assert figures.measured([one, measured_of(bench(metric="other"), "place")]) is None
    assert figures.measured([one, measured_of(bench(score=None), "place")]) is None
    assert figures.measured([one, same]) is not None


def test_a_hostile_name_is_no_tag_in_any_picture() -> None:
    found = [measured_of(bench(name=HOSTILE, seed=seed), "place") for seed in (0, 1)]
    picture = figures.measured(found)
    assert picture is not None
    assert HOSTILE not in picture.to_json()


@pytest.mark.parametrize(("teacher", "student"), [(None, None), ("x", 3), ([], []), ([{"name": 3}], [{"macs": "a"}])])
def test_parts_that_no_stage_told_make_no_picture(teacher: object, student: object) -> None:
    before, after = (ModelRecord.read(Fields({"parts": parts})).parts for parts in (teacher, student))
    assert figures.parts(before, after) is None


def test_on_the_front_of_bits_are_the_fewest() -> None:
    assert figures._front([(1.0, 1.5), (2.0, 1.6), (3.0, 1.2), (1.0, 1.4)], "bits per byte") == [(1.0, 1.4), (3.0, 1.2)]
