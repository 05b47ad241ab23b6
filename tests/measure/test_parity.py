"""Whether two models say the same."""

import json
import math

import numpy as np
import pytest

from edgewright.measure.parity import COSINE_LIMIT, compare

EXPECTED = np.array([[1.0, 0.0], [0.6, 0.8], [3.0, 4.0]])


def test_the_same_outputs_agree() -> None:
    parity = compare(EXPECTED, EXPECTED)
    assert parity.passed
    assert (parity.cosine_min, parity.max_abs_error) == (pytest.approx(1.0), 0.0)


def test_the_worst_text_decides() -> None:
    found = EXPECTED.copy()
    found[1] = [0.8, 0.6]
    parity = compare(found, EXPECTED)
    assert not parity.passed
    assert parity.cosine_min == pytest.approx(0.96)
    assert parity.max_abs_error == pytest.approx(0.2)


def test_the_limit_itself_passes_and_another_may_be_set() -> None:
    cosine = COSINE_LIMIT
    found = [[cosine + 1e-9, math.sqrt(1 - (cosine + 1e-9) ** 2)]]
    assert compare(found, [[1.0, 0.0]]).passed
    assert not compare(found, [[1.0, 0.0]], cosine_limit=0.999).passed


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_an_output_that_is_no_number_never_passes_and_can_be_written_as_json(wrong: float) -> None:
    broken = EXPECTED.copy()
    broken[2, 1] = wrong
    for parity in (compare(broken, EXPECTED), compare(EXPECTED, broken), compare(broken, broken)):
        assert not parity.passed
        assert parity.max_abs_error is None
        assert parity.cosine_min == -1.0
        json.dumps(parity.document(), allow_nan=False)


@pytest.mark.parametrize("found", [EXPECTED[:2], EXPECTED[:, :1], np.zeros((0, 2))])
def test_outputs_of_other_shapes_never_pass(found: np.ndarray) -> None:
    assert not compare(found, EXPECTED).passed


def test_of_tags_the_worst_token_decides_however_long_its_text_is() -> None:
    wanted = [[3.0, 4.0] * 99 + [4.0, 3.0], [5.0, 0.0], [0.01, 0.0]]
    assert compare(wanted, wanted, tags=2).cosine_min == pytest.approx(1.0)
    turned = [[*wanted[0][:-2], 3.0, 4.0], *wanted[1:]]
    parity = compare(turned, wanted, tags=2)
    assert not parity.passed
    assert parity.cosine_min == pytest.approx(1 / math.hypot(1, math.sqrt(2) / 5))
    assert parity.max_abs_error == pytest.approx(1.0)
    next_to_nothing = [*wanted[:2], [0.0, 0.01]]  # its direction alone would be at right angles
    assert compare(next_to_nothing, wanted, tags=2).passed


def test_texts_with_other_numbers_of_tokens_never_agree() -> None:
    wanted = [[3.0, 4.0, 4.0, 3.0], [5.0, 0.0]]
    assert not compare([wanted[0]], wanted, tags=2).passed
    assert not compare([wanted[0][:2], [*wanted[0][2:], *wanted[1]]], wanted, tags=2).passed
    assert not compare([wanted[0], []], [wanted[0], []], tags=2).passed
    assert not compare([[1.0, 2.0, 3.0]], [[1.0, 2.0, 3.0]], tags=2).passed
    assert not compare(wanted, wanted).passed


def test_no_outputs_at_all_prove_nothing() -> None:
    assert not compare(np.zeros((0, 2)), np.zeros((0, 2))).passed


def test_an_output_of_nothing_but_zeros_does_not_agree_with_one_that_says_something() -> None:
    parity = compare(np.zeros((1, 2)), EXPECTED[:1])
    assert (parity.passed, parity.cosine_min) == (False, 0.0)


def test_outputs_of_another_sign_are_as_far_apart_as_can_be() -> None:
    assert compare(-EXPECTED, EXPECTED).cosine_min == pytest.approx(-1.0)


def test_single_values_agree_by_their_relative_error() -> None:
    wanted = [[0.5], [-0.7], [0.01], [1.0]]
    typical = (sum(value**2 for (value,) in wanted) / len(wanted)) ** 0.5
    for share, passed in ((0.0, True), (0.19, True), (0.21, False), (2.0, False)):
        found = [[0.5], [-0.7], [0.01 - share * typical], [1.0]]  # another sign is no fault by itself
        parity = compare(found, wanted)
        assert parity.passed is passed, (share, parity)
        assert parity.cosine_min == pytest.approx((1 + share**2) ** -0.5)
    assert not compare([[-value] for (value,) in wanted], wanted).passed
    assert not compare([[0.0]] * 4, wanted).passed
    assert compare([[1.1]], [[1.0]]).passed
