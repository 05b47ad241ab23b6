"""A value of JSON is what its reader expects, or one error says where it stands and what it should be."""

from collections.abc import Callable

import pytest

from edgewright.base.json_values import (
    JsonObject,
    JsonValue,
    as_integer,
    as_list,
    as_number,
    as_object,
    as_text,
    shown_value,
)
from edgewright.base.untrusted import parse_json
from edgewright.errors import BadModelError, InvalidFileError

DOCUMENT = parse_json('{"name": "lena", "sizes": [3, 2.5, true, null], "inner": {"deep": {}}}', name="a.json")


def test_values_of_the_right_type_come_back_as_they_are() -> None:
    document: JsonObject = as_object(DOCUMENT, "a.json")
    sizes = as_list(document["sizes"], "a.json", "sizes")
    assert as_text(document["name"], "a.json", "name") == "lena"
    assert as_integer(sizes[0], "a.json", "sizes", 0) == 3
    assert [as_number(each, "a.json", "sizes", place) for place, each in enumerate(sizes[:2])] == [3.0, 2.5]
    assert as_object(document["inner"], "a.json", "inner") == {"deep": {}}


Narrowing = Callable[..., JsonValue]


@pytest.mark.parametrize(
    ("narrow", "value", "wanted"),
    [
        (as_object, [1], "an object with keys, not [1]"),
        (as_list, {"a": 1}, 'a list, not {"a": 1}'),
        (as_list, "abc", 'a list, not "abc"'),
        (as_text, 3, "text in quotes, not 3"),
        (as_integer, True, "a whole number, not true"),
        (as_integer, 2.5, "a whole number, not 2.5"),
        (as_number, False, "a number, not false"),
        (as_number, None, "a number, not null"),
        (as_number, "1", 'a number, not "1"'),
    ],
)
def test_a_value_of_another_type_is_refused_with_its_place(narrow: Narrowing, value: JsonValue, wanted: str) -> None:
    with pytest.raises(InvalidFileError) as refused:
        narrow(value, "a.json", "sizes", 2, "width")
    assert refused.value.file == "a.json"
    assert refused.value.faults == (("sizes[2].width", f"must be {wanted}"),)


def test_the_reader_may_name_the_error() -> None:
    with pytest.raises(BadModelError, match=r"x cannot be read: the whole file must be an object with keys, not \[\]"):
        as_object([], "a.json", error=lambda place, what: BadModelError("x", f"{place} {what}"))


def test_a_value_is_shown_in_a_few_words_and_without_secrets() -> None:
    assert shown_value(list(range(100))) == "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11…"
    assert "hunter2" not in shown_value("postgresql://me:hunter2@host/history")
