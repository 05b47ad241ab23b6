"""Faults of a file are told once, in its own words, whatever their number."""

import time
from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict, model_validator

from edgewright.base.reading import read_json, validated
from edgewright.errors import InputError, InvalidFileError
from edgewright.specs.recipe import load_recipe


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid")

    version: Literal[1] = 1
    colour: Literal["red", "green"] = "red"
    level: Literal[1, 2, "high"] = 1

    @model_validator(mode="after")
    def _not_green(self) -> "Section":
        if self.colour == "green":
            raise ValueError("must not be green")
        return self


def faults(**values: object) -> tuple[tuple[str, str], ...]:
    with pytest.raises(InvalidFileError) as caught:
        validated(Section, values, file="x.toml", also=lambda _: ())
    return caught.value.faults


def test_a_number_that_is_none_of_the_known_is_reported_with_those() -> None:
    assert faults(version=2) == (("version", "2 is not one of 1; known are 1"),)
    assert faults(level=3) == (("level", "3 is not one of 1, 2, high; known are 1, 2, high"),)
    assert faults(colour="gren") == (("colour", '"gren" is not one of red, green; did you mean green or red?'),)


def test_a_fault_of_the_whole_file_is_reported_where_no_other_is() -> None:
    assert faults(colour="green") == (("the whole file", "must not be green"),)


def test_two_hundred_thousand_unknown_keys_take_no_time_and_no_pages() -> None:
    values = {f"key{number}": number for number in range(200_000)}
    begun = time.process_time()
    with pytest.raises(InvalidFileError) as caught:
        validated(Section, values, file="x.toml")
    assert time.process_time() - begun < 20
    assert len(str(caught.value)) < 4000
    assert str(caught.value).endswith("; and 176 more")
    assert caught.value.faults[-1] == ("the whole file", "has 199800 faults more")


def test_a_document_of_a_program_is_read_within_limits() -> None:
    assert read_json(Section, b'\xef\xbb\xbf{"colour": "red"}', name="x.json").colour == "red"
    for text in ('{"colour": NaN}', "[" * 100_000, '{"version": 1, "version": 1}'):
        with pytest.raises(InvalidFileError, match=r"x\.json has 1 fault"):
            read_json(Section, text, name="x.json")


def test_a_file_without_an_end_is_refused() -> None:
    with pytest.raises(InputError, match="/dev/zero has more than 4 MiB, more than a recipe can have"):
        load_recipe("/dev/zero")
