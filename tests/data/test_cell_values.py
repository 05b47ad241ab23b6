"""Cells: what is text, what is a number, and what neither is made of."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewright.data.cell_values import CellFault, number_of_cell, text_of_cell


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (None, ""),
        (" rain ", "rain"),
        ("nan", "nan"),
        ("Grüße".encode(), "Grüße"),
        (0, "0"),
        (-12, "-12"),
        (2.0, "2"),
        (-0.5, "-0.5"),
        (0.1, "0.1"),
        (1e22, "1e+22"),
    ],
)
def test_text_bytes_and_finite_numbers_have_one_text_each(cell: Any, text: str) -> None:
    assert text_of_cell(cell) == text


@pytest.mark.parametrize("cell", [True, [1], {"a": 1}, (1,), {1}, 1j, float("nan"), float("-inf"), b"\xff", "a\ud800"])
def test_all_else_is_refused_and_never_pythons_own_text_of_it(cell: Any) -> None:
    with pytest.raises(CellFault):
        text_of_cell(cell)
    with pytest.raises(CellFault):
        number_of_cell(cell)


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**63), 2**63 - 1))
def test_a_number_written_as_text_reads_back_as_the_same_number(number: float) -> None:
    assert float(text_of_cell(number)) == float(number)
    assert number_of_cell(text_of_cell(number)) == number_of_cell(number) == float(number)


@given(st.text(st.characters(exclude_categories=())))
def test_a_text_is_taken_exactly_where_it_can_be_written_as_utf8(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        with pytest.raises(CellFault, match="half of a pair"):
            text_of_cell(text)
    else:
        assert text_of_cell(text) == text.strip()
