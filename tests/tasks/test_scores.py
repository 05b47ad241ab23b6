"""Scores on examples small enough to be reckoned by hand."""

import math

import pytest
import torch

from edgewright.errors import BadDataError
from edgewright.tasks.scores import LabelScore, Scale, TagScore, ValueScore


def test_accuracy_is_the_share_of_right_labels() -> None:
    score = LabelScore(["x", "y", "z", "x"], ["x", "y", "z"], texts=["t0", "t1", "t2", "t3"])
    outputs = torch.tensor([[3.0, 1.0, 2.0], [0.0, 1.0, 2.0], [0.0, -1.0, 0.5], [0.1, 0.0, 0.0]])
    assert score.of(outputs) == pytest.approx(3 / 4)
    assert (score.metric, score.texts) == ("accuracy", ("t0", "t1", "t2", "t3"))


def test_labels_need_no_texts_and_each_class_counts_the_same_in_macro_f1() -> None:
    score = LabelScore(["x", "x", "x", "y"], ["x", "y", "never"])
    outputs = torch.tensor([[1.0, 0.0, 0.0]] * 4)
    assert score.texts == ()
    assert score.of(outputs) == 0.75
    assert score.details(outputs)["macro F1"] == pytest.approx((6 / 7 + 0) / 2)


def test_scores_that_are_no_numbers_choose_no_label() -> None:
    score = LabelScore(["x", "y"], ["x", "y"])
    assert score.of(torch.full((2, 2), math.nan)) == 0.0


def test_a_label_outside_the_configured_range_is_reported_with_its_row_and_what_is_known() -> None:
    with pytest.raises(BadDataError, match=r"configured range: row 2 has 'z'; row 4 has 'w'; known are x, y; correct"):
        LabelScore(["x", "z", "y", "w"], ["x", "y"])
    with pytest.raises(BadDataError, match=r"row 1 has 'z'; .* and 3 more; known are x"):
        LabelScore(["z"] * 8, ["x"])


def said(tags: str, known: str) -> torch.Tensor:
    """Scores that choose these tags; "-" is a word that was cut off."""
    rows = [
        torch.full((len(known),), math.nan) if tag == "-" else torch.eye(len(known))[known.index(tag)] for tag in tags
    ]
    return torch.stack(rows)


def test_tags_are_judged_by_micro_f1_without_those_outside() -> None:
    score = TagScore(["AOOB", "BO"], "OAB", texts=["a b c d", "e f"])
    assert (score.metric, score.texts) == ("micro F1 of tags", ("a b c d", "e f"))
    assert score.of(said("AOOBBO", "OAB")) == 1.0
    # 2 hits of 3 said and 3 right ones
    assert score.of(said("AAOBOO", "OAB")) == pytest.approx(2 * 2 / (3 + 3))
    assert score.of(said("OOOOOO", "OAB")) == 0.0
    assert score.details(said("OOOOOO", "OAB")) == {"accuracy of tags": pytest.approx(0.5)}


def test_a_word_that_was_cut_off_has_not_the_right_tag() -> None:
    score = TagScore(["AOOB"], "OAB", texts=["a b c d"])
    assert score.of(said("AOO-", "OAB")) == pytest.approx(2 * 1 / (1 + 2))
    assert score.of(said("A-OB", "OAB")) == 1.0  # what is outside counts for nothing
    assert TagScore(["AB"], "AB", texts=["a b"]).of(said("A-", "AB")) == 0.5


def test_without_a_tag_for_what_is_outside_tags_are_judged_by_accuracy() -> None:
    score = TagScore(["ABB"], "AB", texts=["a b c"])
    assert score.metric == "accuracy of tags"
    assert score.of(said("AAB", "AB")) == pytest.approx(2 / 3)


def test_tags_outside_the_range_and_too_many_of_them_are_reported_with_their_row() -> None:
    with pytest.raises(BadDataError, match="row 2 has 'C'; known are A, B"):
        TagScore(["AB", "AC"], ["A", "B"], texts=["a b", "a b"])
    with pytest.raises(BadDataError, match="row 2 has 2 words, but 3 tags"):
        TagScore(["AB", "ABA"], ["A", "B"], texts=["a b", "a b"])


def test_values_are_judged_by_their_order_and_reported_in_their_own_unit() -> None:
    scale = Scale.of([10.0, 20.0, 30.0])
    score = ValueScore(values=[10.0, 20.0, 40.0], texts=["a", "b", "c"], scale=scale)
    right = scale.standardised(torch.tensor([[10.0], [20.0], [40.0]]))
    assert score.of(right) == pytest.approx(1.0)
    assert score.details(right)["root mean squared error"] == pytest.approx(0.0, abs=1e-4)
    assert score.of(right * 7 + 3) == pytest.approx(1.0)
    off = scale.standardised(torch.tensor([[13.0], [23.0], [43.0]]))
    assert score.details(off)["root mean squared error"] == pytest.approx(3.0, rel=1e-4)
    assert score.details(off)["R²"] == pytest.approx(1 - 9 / (1400 / 9), rel=1e-3)


@pytest.mark.parametrize("outputs", [[3.0, 2.0, 1.0], [1.0, 1.0, 1.0], [math.nan, 1.0, 2.0]])
def test_a_wrong_order_no_order_and_no_numbers_are_worth_nothing(outputs: list[float]) -> None:
    assert ValueScore(values=[1.0, 2.0, 3.0]).of(torch.tensor(outputs)) == 0.0


def test_held_out_values_that_are_all_the_same_are_refused() -> None:
    with pytest.raises(BadDataError, match="all 3 held-out values are the same: there is nothing to rank"):
        ValueScore(values=[1.0, 1.0, 1.0])
