"""Read JSON and TOML that others wrote: within limits, and with the place of what is wrong.

In:  bytes or text of a user's file, a bundle, a model's folder or a device, and its name.
Out: plain values (dicts, lists, text, finite numbers, booleans, None); or one error, by default an `InvalidFileError`.
Python's own readers take what no honest file has (nesting that ends in a RecursionError, integers of 5,000 digits,
NaN, a key twice, half of a surrogate pair) and then fail elsewhere; all of it is refused here. What the values have to
be is the business of a model (`reading`) or of whoever asks; words that are numbers are `numbers`' concern.
"""

import json
import math
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from edgewright.errors import InvalidFileError, ToolchainError

Location = tuple[str | int, ...]
MakeError = Callable[[str, str], ToolchainError]  # of (place, what is wrong)

_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_TOML_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
LARGEST_INTEGER = 1 << 63  # what 64 bits hold; TOML promises no more


@dataclass(frozen=True, kw_only=True)
class ReadLimits:
    """What a document may be; `digits` are those of one integer, `keys` those of all its tables together."""

    bytes: int = 512 << 20
    depth: int = 64
    digits: int = 40  # "model_max_length" of a tokenizer is written with 31
    keys: int = 4_000_000  # a vocabulary has some 250,000


DOCUMENT = ReadLimits()
SETTINGS = ReadLimits(bytes=4 << 20, keys=20_000)  # of what a person writes: a recipe, a profile, a list of targets


class _Unfit(Exception):
    """A value that cannot be taken; json's hooks can raise it, but do not know where they are."""

    def __init__(self, what: str, *, literal: str | None = None) -> None:
        super().__init__(what)
        self.what, self.literal = what, literal


def parse_json(
    data: bytes | str, *, name: str, limits: ReadLimits = DOCUMENT, error: MakeError | None = None, of: str = "JSON"
) -> Any:
    """The values of a JSON document. Raises what `error` makes, `InvalidFileError` by default, with the first fault."""
    fail = _failing(name, error)
    text = _text_of(data, limits, fail)
    keys = 0

    def table(pairs: list[tuple[str, object]]) -> dict[str, object]:
        nonlocal keys
        keys += len(pairs)
        if keys > limits.keys:
            raise _Unfit(f"has more than {limits.keys:,} keys, more than such a file can have")
        table = dict(pairs)
        if len(table) != len(pairs):
            raise _Unfit(f"has the key {_twice(pairs)!r} twice in one place; keep one of them")
        return table

    try:
        values = json.loads(
            text,
            object_pairs_hook=table,
            parse_int=lambda literal: _integer(literal, limits),
            parse_float=_finite,
            parse_constant=_constant,
        )
    except json.JSONDecodeError as fault:
        fail(f"line {fault.lineno}, column {fault.colno}", f"is not {of}: {_lowered(fault.msg)}")
    except _Unfit as fault:
        at = text.find(fault.literal) if fault.literal else -1
        fail(f"line {text.count(chr(10), 0, at) + 1}" if at >= 0 else "the whole file", fault.what)
    except RecursionError:
        fail("the whole file", _too_deep(limits))
    if text.count("[") + text.count("{") > limits.depth or _ESCAPED_SURROGATE.search(text):
        for location, what in _structure_faults(values, limits):
            fail(shown_location(location), what)
    return values


def parse_toml(
    text: str,
    *,
    name: str,
    limits: ReadLimits = SETTINGS,
    error: MakeError | None = None,
    place: Callable[[Location], str] | None = None,
    numbers: bool = True,
) -> dict[str, object]:
    """The values of a TOML document; `place` says where in the file a key stands.

    Without `numbers` it is left to the caller to look at `number_faults`, beside the other faults of the file. Raises
    what `error` makes, `InvalidFileError` by default, with the first fault.
    """
    fail, placed = _failing(name, error), place or shown_location
    text = _text_of(text, limits, fail)
    if text.count("=") > limits.keys:
        fail("the whole file", f"has more than {limits.keys:,} keys, more than such a file can have")
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        fail(*_toml_fault(str(fault), text))
    except RecursionError:
        fail("the whole file", _too_deep(limits))
    except ValueError as fault:  # an integer of more digits than Python converts, a date that no calendar has
        fail(*_toml_fault(f"{_lowered(str(fault)).split(';')[0]} (at end of document)", text))
    for location, what in (*_structure_faults(values, limits), *(number_faults(values) if numbers else ())):
        fail(placed(location), what)
    return values


def number_faults(values: object) -> list[tuple[Location, str]]:
    """What is no finite number or one that 64 bits do not hold, which TOML's reader lets pass."""
    return [
        (location, what)
        for location, value in _leaves(values)
        if isinstance(value, int | float) and (what := _number_fault(value))
    ]


def _number_fault(value: int | float) -> str:
    if isinstance(value, float):
        return "" if math.isfinite(value) else f"must be a finite number, not {value}"
    if -LARGEST_INTEGER <= value < LARGEST_INTEGER:
        return ""
    return f"is {shown(str(value))}, a larger number than 64 bits hold"


def _leaves(values: object) -> Iterator[tuple[Location, object]]:
    waiting: list[tuple[Location, object]] = [((), values)]
    while waiting:
        location, value = waiting.pop()
        if isinstance(value, Mapping | list):
            items = value.items() if isinstance(value, Mapping) else enumerate(value)
            waiting.extend(((*location, key), inner) for key, inner in items)
        else:
            yield location, value


def shown_location(location: Location) -> str:
    """A value's place in a document, as `artifacts[0].file`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{shown_key(part)}" for part in location)
    return "".join(parts).removeprefix(".") or "the whole file"


def shown_key(key: str) -> str:
    """A key as a message can show it: no longer than a line."""
    return key if len(key) <= 60 else f"{key[:57]}…"


def shown(text: str) -> str:
    """A word from outside as a message can show it."""
    return repr(text if len(text) <= 40 else f"{text[:37]}…")


def is_unicode(text: str) -> bool:
    """Whether a text can be written as UTF-8: it has no half of a surrogate pair."""
    return not _SURROGATE.search(text)


def _failing(name: str, error: MakeError | None) -> Callable[[str, str], NoReturn]:
    def fail(place: str, what: str) -> NoReturn:
        raise error(place, what) if error else InvalidFileError(name, [(place, what)])

    return fail


def _text_of(data: bytes | str, limits: ReadLimits, fail: Callable[[str, str], NoReturn]) -> str:
    if len(data) > limits.bytes:
        fail("the whole file", f"has {len(data) / 1e6:.1f} MB, more than the {limits.bytes / 1e6:.1f} MB it may have")
    if isinstance(data, bytes):
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as fault:
            line = data[: fault.start].count(b"\n") + 1
            fail(f"line {line}", "is not UTF-8 text; save the file as UTF-8")
    if half := _SURROGATE.search(data):
        line = data.count("\n", 0, half.start()) + 1
        fail(f"line {line}", "is not UTF-8 text: it has half of a surrogate pair")
    return data


def _integer(literal: str, limits: ReadLimits) -> int:
    digits = len(literal.lstrip("-"))
    if digits > limits.digits:
        raise _Unfit(f"has an integer of {digits:,} digits; at most {limits.digits} are read", literal=literal)
    return int(literal)


def _finite(literal: str) -> float:
    number = float(literal)
    if not math.isfinite(number):
        raise _Unfit(f"has the number {shown(literal)}, which is larger than any that can be used", literal=literal)
    return number


def _constant(literal: str) -> NoReturn:
    raise _Unfit(f"has {literal}, which is no number; only finite ones are read", literal=literal)


def _twice(pairs: list[tuple[str, object]]) -> str:
    counted = Counter(key for key, _ in pairs)
    return shown_key(next(key for key, _ in pairs if counted[key] > 1))


def _structure_faults(values: object, limits: ReadLimits) -> Iterator[tuple[Location, str]]:
    """What nests too deep or is no Unicode."""
    waiting: list[tuple[Location, object]] = [((), values)]
    while waiting:
        location, value = waiting.pop()
        if isinstance(value, Mapping | list):
            if len(location) > limits.depth:
                yield location[:3], _too_deep(limits)
                return
            items = value.items() if isinstance(value, Mapping) else enumerate(value)
            for key, inner in items:
                if isinstance(key, str) and not is_unicode(key):
                    yield location, "has a key with half of a surrogate pair, which is no text"
                elif isinstance(inner, Mapping | list | str):
                    waiting.append(((*location, key), inner))
        elif isinstance(value, str) and not is_unicode(value):
            yield location, "has half of a surrogate pair, which is no text; write the text anew"


def _too_deep(limits: ReadLimits) -> str:
    return f"nests more than {limits.depth} levels deep, deeper than such a file can"


def _toml_fault(message: str, text: str) -> tuple[str, str]:
    place, what = _TOML_PLACE.search(message), _TOML_PLACE.sub("", message)
    if place and place[1]:
        return f"line {place[1]}, column {place[2]}", f"is not TOML: {what}"
    return f"line {max(1, len(text.splitlines()))}", f"is not TOML: {what} at the end of the file"


def _lowered(message: str) -> str:
    return message[:1].lower() + message[1:]
