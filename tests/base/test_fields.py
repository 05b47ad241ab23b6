"""A JSON object read leniently: what is there by its type, and nothing for all else."""

import pytest

from edgewright.base.fields import Fields, number_or_none

FOUND = Fields(
    {
        "name": "tiny",
        "count": 3,
        "share": 0.5,
        "on": True,
        "words": ["a", 1, None, "b"],
        "inner": {"ms": 2.5, "text": "x", "off": False},
        "rows": [{"ms": 1}, "none", {"ms": 2}],
        "nothing": None,
    }
)


def test_values_are_read_by_their_type() -> None:
    assert (FOUND.text("name"), FOUND.count("count"), FOUND.number("share"), FOUND.flag("on")) == ("tiny", 3, 0.5, True)
    assert FOUND.texts("words") == ("a", "b")
    assert FOUND.inner("inner").number("ms") == 2.5
    assert FOUND.numbers("inner") == {"ms": 2.5}
    assert FOUND.counts("inner") == {"ms": 2}
    assert [row.number("ms") for row in FOUND.rows("rows")] == [1, 2]
    assert FOUND.value("words") == ["a", 1, None, "b"]


@pytest.mark.parametrize("name", ["on", "words", "inner", "nothing", "missing"])
def test_what_is_of_another_type_or_missing_is_nothing(name: str) -> None:
    assert (FOUND.text(name), FOUND.number(name), FOUND.count(name)) == (None, None, None)
    assert FOUND.rows(name) == ()


def test_what_is_no_object_and_no_list_is_empty() -> None:
    assert not FOUND.inner("name")
    assert FOUND.texts("name") == ()
    assert FOUND.numbers("missing") == {}
    assert not FOUND.flag("name")
    assert not Fields.of([1, 2])
    assert "name" in FOUND
    assert "missing" not in FOUND


@pytest.mark.parametrize("odd", [True, "1", None, float("nan"), float("inf"), 10**400, [1], {"a": 1}])
def test_what_is_no_finite_number_of_a_size_that_anything_has_is_none(odd: object) -> None:
    assert number_or_none(odd) is None


def test_whole_numbers_stay_whole() -> None:
    assert str(number_or_none(7)) == "7"
    assert Fields({"n": 7.9}).count("n") == 7
