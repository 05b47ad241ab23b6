"""Whether two models say the same."""

import json
import math

import numpy as np
import pytest

from edgewright.measure.parity import COSINE_LIMIT, compare, qualified, worst_of
from tests.calls import compared

EXPECTED = np.array([[1.0, 0.0], [0.6, 0.8], [3.0, 4.0]])


def test_the_same_outputs_agree() -> None:
    parity = compared(EXPECTED, EXPECTED)
    assert parity.passed
    assert (parity.cosine_min, parity.max_abs_error) == (pytest.approx(1.0), 0.0)


def test_the_worst_text_decides() -> None:
    found = EXPECTED.copy()
    found[1] = [0.8, 0.6]
    parity = compared(found, EXPECTED)
    assert not parity.passed
    assert parity.cosine_min == pytest.approx(0.96)
    assert parity.max_abs_error == pytest.approx(0.2)


def test_the_limit_itself_passes_and_another_may_be_set() -> None:
    cosine = COSINE_LIMIT
    found = [[cosine + 1e-9, math.sqrt(1 - (cosine + 1e-9) ** 2)]]
    assert compared(found, [[1.0, 0.0]]).passed
    assert not compared(found, [[1.0, 0.0]], cosine_limit=0.999).passed


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_an_output_that_is_no_number_never_passes_and_can_be_written_as_json(wrong: float) -> None:
    broken = EXPECTED.copy()
    broken[2, 1] = wrong
    for parity in (compared(broken, EXPECTED), compared(EXPECTED, broken), compared(broken, broken)):
        assert not parity.passed
        assert parity.max_abs_error is None
        assert parity.cosine_min == -1.0
        json.dumps(parity.document(), allow_nan=False)


@pytest.mark.parametrize("found", [EXPECTED[:2], EXPECTED[:, :1], np.zeros((0, 2))])
def test_outputs_of_other_shapes_never_pass(found: np.ndarray) -> None:
    assert not compared(found, EXPECTED).passed


def rows(*numbers: list[float]) -> list[np.ndarray]:
    """Of each text as many rows of two tags as it has tokens."""
    return [np.reshape(each, (1, -1, 2)) for each in numbers]


def test_of_several_rows_the_worst_decides_however_many_there_are() -> None:
    first = [3.0, 4.0] * 99 + [4.0, 3.0]
    wanted = rows(first, [5.0, 0.0], [0.01, 0.0])
    assert compared(wanted, wanted).cosine_min == pytest.approx(1.0)
    parity = compared([*rows([*first[:-2], 3.0, 4.0]), *wanted[1:]], wanted)
    assert not parity.passed
    assert parity.cosine_min == pytest.approx(1 / math.hypot(1, math.sqrt(2) / 5))
    assert parity.max_abs_error == pytest.approx(1.0)
    next_to_nothing = [*wanted[:2], *rows([0.0, 0.01])]  # its direction alone would be at right angles
    assert compared(next_to_nothing, wanted).passed


def test_examples_with_other_numbers_of_rows_never_agree() -> None:
    wanted = rows([3.0, 4.0, 4.0, 3.0], [5.0, 0.0])
    assert not compared(wanted[:1], wanted).passed
    assert not compared(rows([3.0, 4.0], [4.0, 3.0, 5.0, 0.0]), wanted).passed
    assert not compared([wanted[0], []], [wanted[0], []]).passed
    assert not compared([[1.0, 2.0, 3.0], *wanted], [[1.0, 2.0, 3.0], *wanted]).passed


def test_of_several_outputs_each_is_compared_and_the_worst_is_named() -> None:
    wanted = [{"logits": [3.0, 4.0], "scale": [[2.0]]}, {"logits": [1.0, 0.0], "scale": [[1.0]]}]
    alike = compare(wanted, wanted)
    assert alike.passed
    assert alike.outputs.keys() == {"logits", "scale"}
    found = [wanted[0], {**wanted[1], "scale": [[2.5]]}]
    parity = compare(found, wanted)
    assert not parity.passed
    assert (parity.worst_output, parity.max_abs_error) == ("scale", 1.5)
    assert parity.cosine_min == parity.outputs["scale"].cosine_min < parity.outputs["logits"].cosine_min
    document = json.loads(json.dumps(parity.document(), allow_nan=False))
    assert document["worst_output"] == "scale"
    assert document["outputs"]["logits"] == {"cosine_min": pytest.approx(1.0), "max_abs_error": 0.0}


def test_an_output_that_is_missing_never_passes_and_is_named() -> None:
    wanted = [{"logits": [3.0, 4.0], "scale": [2.0]}]
    parity = compare([{"logits": [3.0, 4.0]}], wanted)
    assert (parity.passed, parity.worst_output, parity.max_abs_error) == (False, "scale", None)
    assert compare([{**wanted[0], "more": [1.0]}], wanted).passed


def test_outputs_of_several_methods_are_told_apart_by_the_methods_name() -> None:
    calls = [("encode", {"hidden": [1.0, 2.0]}), ("decode", {"logits": [3.0, 4.0]}), ("forward", {"output": [1.0]})]
    wanted = [qualified(*each) for each in calls]
    assert compare(wanted, wanted).outputs.keys() == {"encode.hidden", "decode.logits", "output"}
    assert qualified("batch", {"output": [1.0]}) == {"output": [1.0]}
    found = [{"encode.hidden": [2.0, -1.0]}, *wanted[1:]]
    assert compare(found, wanted).worst_output == "encode.hidden"


def test_a_comparison_of_one_output_says_what_it_always_said() -> None:
    assert list(compared(EXPECTED, EXPECTED).document()) == ["passed", "cosine_min", "max_abs_error", "cosine_limit"]


def test_of_several_comparisons_the_worst_counts() -> None:
    good, bad = compared(EXPECTED, EXPECTED), compared(-EXPECTED, EXPECTED)
    assert worst_of([good, bad]) is bad


def test_no_outputs_at_all_prove_nothing() -> None:
    assert not compared(np.zeros((0, 2)), np.zeros((0, 2))).passed


def test_an_output_of_nothing_but_zeros_does_not_agree_with_one_that_says_something() -> None:
    parity = compared(np.zeros((1, 2)), EXPECTED[:1])
    assert (parity.passed, parity.cosine_min) == (False, 0.0)


def test_outputs_of_another_sign_are_as_far_apart_as_can_be() -> None:
    assert compared(-EXPECTED, EXPECTED).cosine_min == pytest.approx(-1.0)


def test_single_values_agree_by_their_relative_error() -> None:
    wanted = [[0.5], [-0.7], [0.01], [1.0]]
    typical = (sum(value**2 for (value,) in wanted) / len(wanted)) ** 0.5
    for share, passed in ((0.0, True), (0.19, True), (0.21, False), (2.0, False)):
        found = [[0.5], [-0.7], [0.01 - share * typical], [1.0]]  # another sign is no fault by itself
        parity = compared(found, wanted)
        assert parity.passed is passed, (share, parity)
        assert parity.cosine_min == pytest.approx((1 + share**2) ** -0.5)
    assert not compared([[-value] for (value,) in wanted], wanted).passed
    assert not compared([[0.0]] * 4, wanted).passed
    assert compared([[1.1]], [[1.0]]).passed
