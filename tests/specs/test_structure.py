"""A structure's sizes grow with a text as its operators say, and its bytes are those of a file."""

import pytest

from edgewright.specs.structure import SIZES, Operator, Structure, joined


def linear(outputs: int, count: int = 1) -> Operator:
    return Operator(kind="linear", sizes=(((0, 1),), ((64, 0),), ((outputs, 0),)), count=count)


def test_a_size_is_a_product_of_constants_and_of_what_each_token_adds() -> None:
    scores = Operator(kind="matmul", sizes=(((4, 0),), ((1, 1),), ((8, 0),), ((2, 0), (1, 2))))
    assert scores.at(10) == (4, 11, 8, 42)
    assert scores.at(0) == (4, 1, 8, 2)
    assert len(SIZES["matmul"]) == len(scores.sizes)


def test_what_is_live_grows_with_a_texts_square_where_both_its_sides_do() -> None:
    structure = Structure(
        operators=(),
        live=(((0, 1), (32, 0)), ((0, 1), (0, 1))),
        table_weights=0,
        table_rows=0,
        matrix_weights=0,
        other_weights=0,
    )
    assert structure.activation_bytes(10) == 4 * (10 * 32 + 10 * 10)
    assert structure.activation_bytes(0) == 0


def test_int8_takes_a_byte_for_a_weight_and_four_for_a_scale_and_for_all_others() -> None:
    structure = Structure(operators=(), live=(), table_weights=1000, table_rows=10, matrix_weights=500, other_weights=7)
    assert structure.weights == 1507
    assert structure.weight_bytes(int8=False) == 4 * 1507
    assert structure.weight_bytes(int8=True) == 1000 + 500 + 4 * 17


def test_equal_operators_are_counted_in_the_order_they_are_met() -> None:
    found = joined([linear(8), linear(16, count=2), linear(8, count=3), linear(16)])
    assert found == (linear(8, count=4), linear(16, count=3))
    assert joined([]) == ()


@pytest.mark.parametrize("other", [Operator(kind="matmul", sizes=linear(8).sizes), linear(9)])
def test_operators_of_another_kind_or_size_stay_apart(other: Operator) -> None:
    assert joined([linear(8), other]) == (linear(8), other)
