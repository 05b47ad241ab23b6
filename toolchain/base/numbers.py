"""Read numbers that others wrote, as words of a command line, a table's cell or a device's answer.

In:  a word, its name, and the bounds it has to keep.
Out: an `int` or a `float` that 64 bits hold; None, or one error, for all else. Python's own `int` and `float` take
     underscores, signs of other scripts, NaN, and more digits than anything can use.
"""

import math
import re
from typing import TypeVar

from edgewright.base.untrusted import LARGEST_INTEGER, MakeError, shown
from edgewright.errors import InvalidFileError, ToolchainError

Number = TypeVar("Number", int, float)

_INTEGER = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")


def parse_int(
    text: str, *, name: str, least: int | None = None, most: int | None = None, error: MakeError | None = None
) -> int:
    """A whole number in decimal digits within its bounds.

    Raises what `error` makes of (`name`, what is wrong), `InvalidFileError` by default.
    """
    found = int_or_none(text)
    if found is None:
        raise _made(error, name, f"must be a whole number, not {shown(text)}")
    return _bounded(found, name, least, most, error)


def parse_float(
    text: str, *, name: str, least: float | None = None, most: float | None = None, error: MakeError | None = None
) -> float:
    """A finite number in decimal digits within its bounds.

    Raises what `error` makes of (`name`, what is wrong), `InvalidFileError` by default.
    """
    found = float_or_none(text)
    if found is None:
        raise _made(error, name, f"must be a number, not {shown(text)}")
    return _bounded(found, name, least, most, error)


def int_or_none(text: str) -> int | None:
    """A whole number of at most 64 bits in decimal digits; None for all else."""
    word = text.strip()
    if len(word) > 40 or not _INTEGER.fullmatch(word):
        return None
    found = int(word)
    return found if -LARGEST_INTEGER <= found < LARGEST_INTEGER else None


def hex_or_none(text: str) -> int | None:
    """A number of at most 64 bits in hexadecimal digits, with or without `0x`; None for all else."""
    found = re.fullmatch(r"(?:0[xX])?0*([0-9a-fA-F]{1,16})", text.strip())
    return int(found[1], 16) if found else None


def float_or_none(text: str) -> float | None:
    """A finite number in decimal digits; None for all else."""
    word = text.strip()
    if len(word) > 400 or not _NUMBER.fullmatch(word):
        return None
    found = float(word)
    return found if math.isfinite(found) else None


def _made(error: MakeError | None, name: str, what: str) -> ToolchainError:
    return error(name, what) if error else InvalidFileError(name, [("the number", what)])


def _bounded(found: Number, name: str, least: Number | None, most: Number | None, error: MakeError | None) -> Number:
    if (least is not None and found < least) or (most is not None and found > most):
        one_sided = f"at least {least}" if most is None else f"at most {most}"
        bounds = f"from {least} to {most}" if least is not None and most is not None else one_sided
        raise _made(error, name, f"must be {bounds}, not {found}")
    return found
