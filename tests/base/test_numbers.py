"""Numbers from outside: only what is finite, of 64 bits and within its bounds comes through."""

import pytest

from edgewright.base.numbers import float_or_none, hex_or_none, int_or_none, parse_float, parse_int
from edgewright.errors import InvalidFileError, RunnerError


@pytest.mark.parametrize(
    ("text", "value"),
    [("12", 12), (" -7\n", -7), ("+5", 5), ("", None), ("1_0", None), ("٣", None), ("9" * 400, None),
     (str(1 << 63), None), ("1.0", None), ("0x10", None)],
)  # fmt: skip
def test_a_whole_number_is_ascii_digits_of_64_bits(text: str, value: int | None) -> None:
    assert int_or_none(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [("1.5", 1.5), ("-.5", -0.5), ("3", 3.0), ("1e3", 1000.0), ("1e999", None), ("nan", None), ("inf", None),
     ("1_0", None), ("9" * 399, None), ("", None), ("1.2.3", None)],
)  # fmt: skip
def test_a_number_is_finite(text: str, value: float | None) -> None:
    assert float_or_none(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0x50000", 0x50000),
        ("ff", 255),
        ("0x" + "0" * 300 + "1", 1),
        ("0x" + "f" * 17, None),
        ("0x", None),
        ("g", None),
    ],
)
def test_a_hexadecimal_number_has_at_most_64_bits(text: str, value: int | None) -> None:
    assert hex_or_none(text) == value


def test_a_number_out_of_bounds_or_none_is_reported_by_its_name() -> None:
    assert parse_int("22", name="port", least=1, most=65535) == 22
    for text, what in (("ssh", "must be a whole number, not 'ssh'"), ("70000", "must be from 1 to 65535, not 70000")):
        with pytest.raises(InvalidFileError, match=what):
            parse_int(text, name="port", least=1, most=65535)
    with pytest.raises(InvalidFileError, match=r"must be at least 0\.0, not -1\.0"):
        parse_float("-1", name="share", least=0.0)
    with pytest.raises(RunnerError, match="port must be a whole number"):
        parse_int("9" * 5000, name="port", error=lambda name, what: RunnerError(f"{name} {what}"))
