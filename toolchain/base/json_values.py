"""The type of JSON's values, and values narrowed to what a reader expects of them.

In:  a value as `untrusted` parsed it, the document's name, and the value's place in it.
Out: the value as the type that is asked for; or one error with the place, by default an `InvalidFileError`.
A document of more than a few keys is better described by a pydantic model (`reading`).
"""

import json
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from edgewright.base.redacted import redacted
from edgewright.base.untrusted import MakeError, shown_location
from edgewright.errors import InvalidFileError, ToolchainError

# Read-only, so that `dict[str, str]` and `list[int]` are values of it, too; `parse_json` gives dicts and lists.
JsonValue: TypeAlias = str | int | float | bool | Sequence["JsonValue"] | Mapping[str, "JsonValue"] | None
JsonObject: TypeAlias = Mapping[str, JsonValue]


def as_object(value: object, name: str, *place: str | int, error: MakeError | None = None) -> JsonObject:
    """An object (a table, in TOML). `place` are the keys and numbers that lead to it in the document `name`.

    Raises what `error` makes of (place, what is wrong), by default an `InvalidFileError`; so do the others.
    """
    if isinstance(value, Mapping):
        return value
    raise _wrong("an object with keys", value, name, place, error)


def as_list(value: object, name: str, *place: str | int, error: MakeError | None = None) -> Sequence[JsonValue]:
    """A list of whatever values."""
    if isinstance(value, list):
        return value
    raise _wrong("a list", value, name, place, error)


def as_text(value: object, name: str, *place: str | int, error: MakeError | None = None) -> str:
    """Text."""
    if isinstance(value, str):
        return value
    raise _wrong("text in quotes", value, name, place, error)


def as_integer(value: object, name: str, *place: str | int, error: MakeError | None = None) -> int:
    """A whole number, written without a point; true and false are none."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise _wrong("a whole number", value, name, place, error)


def as_number(value: object, name: str, *place: str | int, error: MakeError | None = None) -> float:
    """A number, as a float; true and false are none."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise _wrong("a number", value, name, place, error)


def shown_value(value: object) -> str:
    """A value as a message can show it: as JSON writes it, without secrets, and no longer than a few words."""
    text = redacted(json.dumps(value, ensure_ascii=False, default=str))  # before it is cut, which may hide what it is
    return text if len(text) <= 40 else f"{text[:37]}…"


def _wrong(
    wanted: str, value: object, name: str, place: tuple[str | int, ...], error: MakeError | None
) -> ToolchainError:
    at, what = shown_location(place), f"must be {wanted}, not {shown_value(value)}"
    return error(at, what) if error else InvalidFileError(name, [(at, what)])
