"""What compression changed is told class by class and example by example, the worst first."""

import json

import pytest
import torch

from edgewright.tasks.account import LONGEST, SHOWN, account_of
from edgewright.tasks.scores import LabelScore, Scale, Score, TagScore, ValueScore
from edgewright.tasks.search_score import SearchScore

KNOWN = ("cat", "dog", "owl")


def one_hot(*places: int) -> torch.Tensor:
    return torch.nn.functional.one_hot(torch.tensor(places), len(KNOWN)).float()


def test_the_class_that_lost_most_comes_first_and_flips_say_what_both_say() -> None:
    labels = ["cat", "cat", "dog", "owl", "owl"]
    score = LabelScore(labels, KNOWN, texts=["a", "b", "c", "d", "e"])
    student = one_hot(0, 0, 1, 1, 2)
    student[4] = float("nan")
    found = account_of(score, one_hot(0, 1, 1, 2, 2), student)
    assert found is not None
    assert (found.count, found.lost, found.won) == (5, 2, 1)
    assert [(group.name, group.count, group.teacher, group.student) for group in found.groups] == [
        ("owl", 2, 1.0, 0.0),
        ("dog", 1, 1.0, 1.0),
        ("cat", 2, 0.5, 1.0),
    ]
    assert [(flip.text, flip.expected, flip.teacher, flip.student) for flip in found.flips] == [
        ("d", "owl", "owl", "dog"),
        ("e", "owl", "owl", "no number"),
    ]
    assert json.loads(json.dumps(found.document()))["groups"][0]["name"] == "owl"


def test_questions_whose_answer_fell_furthest_come_first() -> None:
    score = SearchScore(["q1", "q2"], ["a1", "a2"])
    right = torch.eye(2)
    swapped = torch.tensor([[0.0, 1.0], [0.6, 0.8]])
    found = account_of(score, torch.cat([right, right]), torch.cat([swapped, right]))
    assert found is not None
    assert (found.count, found.lost, found.won, found.groups) == (2, 1, 0, ())
    (flip,) = found.flips
    assert (flip.text, flip.expected, flip.teacher, flip.student) == ("q1", "a1", "rank 1", "rank 2")


def test_values_that_are_further_off_are_reported_in_their_own_units() -> None:
    score = ValueScore(values=[10.0, 20.0, 30.0], texts=["x", "y", "z"], scale=Scale(mean=20, std=10))
    found = account_of(score, torch.tensor([-1.0, 0.0, 1.0]), torch.tensor([-1.0, 0.5, 3.0]))
    assert found is not None
    assert (found.lost, found.won) == (2, 0)
    assert [(flip.text, flip.expected, flip.teacher, flip.student) for flip in found.flips] == [
        ("z", "30", "30", "50"),
        ("y", "20", "20", "25"),
    ]


def test_only_so_many_flips_and_so_much_of_a_text_are_kept() -> None:
    score = LabelScore(["cat"] * 50, KNOWN, texts=["long " * 200] * 50)
    found = account_of(score, one_hot(*[0] * 50), one_hot(*[1] * 50))
    assert found is not None
    assert (found.lost, len(found.flips)) == (50, SHOWN)
    assert all(len(flip.text) == LONGEST for flip in found.flips)


def test_examples_without_texts_are_reported_by_their_number() -> None:
    found = account_of(LabelScore(["cat"], KNOWN), one_hot(0), one_hot(2))
    assert found is not None
    assert found.flips[0].text == "example 1"


def test_tags_are_reported_word_by_word_each_with_its_text() -> None:
    score = TagScore([["cat", "dog"], ["dog"]], KNOWN, texts=["Tom barks", "Rex"])
    right = [KNOWN.index(tag) for tag in ("cat", "dog", "dog")]
    found = account_of(score, one_hot(*right), one_hot(right[0], right[0], right[2]))
    assert found is not None
    assert (found.count, found.lost, found.won) == (3, 1, 0)
    assert [(group.name, group.count, group.student) for group in found.groups] == [("dog", 2, 0.5), ("cat", 1, 1.0)]
    (flip,) = found.flips
    assert (flip.index, flip.text, flip.expected, flip.student) == (1, "barks | Tom barks", "dog", "cat")


def test_a_score_of_no_single_examples_has_no_account() -> None:
    class Whole(Score):
        metric, texts = "taste", ()

        def of(self, outputs: torch.Tensor) -> float:
            return float(outputs.mean())

        def details(self, outputs: torch.Tensor) -> dict[str, float]:
            return {}

    assert account_of(Whole(), one_hot(0), one_hot(0)) is None


@pytest.mark.parametrize("seed", range(5))
def test_nothing_changes_between_a_model_and_itself(seed: int) -> None:
    outputs = torch.randn(30, 3, generator=torch.Generator().manual_seed(seed))
    found = account_of(LabelScore([KNOWN[seed % 3]] * 30, KNOWN), outputs, outputs)
    assert found is not None
    assert (found.lost, found.won, found.flips) == (0, 0, ())
