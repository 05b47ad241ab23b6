"""Heads: taken where they fit the data's labels, by name, case or number; new where not; and always said."""

from types import SimpleNamespace

import pytest

from edgewright.models.heads import SEQUENCE, TOKEN, order_of
from edgewright.models.transformers_types import TransformersConfig


def described(*names: str, architecture: str = "BertForSequenceClassification") -> TransformersConfig:
    return TransformersConfig(SimpleNamespace(architectures=[architecture], id2label=dict(enumerate(names))))


@pytest.mark.parametrize(
    ("own", "labels", "places", "said"),
    [
        (["a", "b"], ["b", "a"], [1, 0], "head taken as it is, its classes matched to the labels by name"),
        (["POSITIVE", "NEGATIVE"], ["negative", "positive"], [1, 0], "by name in another case: negative is NEGATIVE"),
        (["LABEL_0", "LABEL_1"], ["0", "1"], [0, 1], "by number: 0 is LABEL_0, 1 is LABEL_1"),
        (["LABEL_0", "LABEL_1"], ["LABEL_1", "LABEL_0"], [1, 0], "by name"),
        (["NEGATIVE", "POSITIVE"], ["0", "1"], [0, 1], "by number: 0 is NEGATIVE, 1 is POSITIVE"),
        (["neg", "neutral", "pos"], ["0", "1", "2"], [0, 1, 2], "by number: 0 is neg"),
        (["1", "0"], ["0", "1"], [1, 0], "by name"),
    ],
)
def test_labels_are_matched_by_name_then_case_then_number(
    own: list[str], labels: list[str], places: list[int], said: str
) -> None:
    order = order_of(described(*own), SEQUENCE, labels)
    assert order.places == places
    assert order.note.startswith("head taken as it is")
    assert said in order.note


@pytest.mark.parametrize(
    ("own", "labels", "said"),
    [
        (["LABEL_0", "LABEL_1"], ["NEGATIVE", "POSITIVE"], "name them alike in config.json's id2label"),
        (["a", "b"], ["a", "b", "c"], "the model has 2 classes (a, b) and the data 3 (a, b, c)"),
        (["a", "A"], ["a", "B"], "are not the data's labels"),
        (["a", "b", "c"], ["1", "2", "3"], "are not the data's labels"),
    ],
)
def test_labels_that_cannot_be_matched_give_a_new_head_and_the_reason(
    own: list[str], labels: list[str], said: str
) -> None:
    order = order_of(described(*own), SEQUENCE, labels)
    assert order.places is None
    assert order.note.startswith("head new, because")
    assert said in order.note


def test_a_model_without_such_a_head_says_what_it_is() -> None:
    order = order_of(described("a", "b"), TOKEN, ["a", "b"])
    assert order.places is None
    assert "none fitted for this task (BertForSequenceClassification)" in order.note
