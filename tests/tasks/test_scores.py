"""Scores and baselines on examples small enough to be reckoned by hand."""

import math

import pytest
import torch

from toolchain.tasks.lexical import label_baseline, search_baseline
from toolchain.tasks.scores import LabelScore, SearchScore


def test_the_mean_reciprocal_rank_is_that_reckoned_by_hand() -> None:
    score = SearchScore(["q0", "q1", "q2"], ["a", "b", "c"])
    similarities = torch.tensor(
        [
            [0.9, 0.1, 0.2],  # a is first: 1
            [0.9, 0.5, 0.1],  # b is second: 1/2
            [0.9, 0.8, 0.1],  # c is third: 1/3
        ]
    )
    assert score.of_similarities(similarities) == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)


def test_candidates_as_similar_as_the_right_one_count_half_a_rank_each() -> None:
    score = SearchScore(["q0", "q1"], ["a", "b"])
    similarities = torch.tensor([[0.5, 0.5], [0.7, 0.7]])
    assert score.of_similarities(similarities) == pytest.approx(1 / 1.5)


def test_a_model_that_says_the_same_of_every_text_earns_little() -> None:
    names = [str(number) for number in range(50)]
    score = SearchScore([f"q{name}" for name in names], names)
    assert score.of(torch.ones(100, 8)) == pytest.approx(1 / (1 + 49 / 2))


def test_an_answer_that_stands_twice_is_one_candidate() -> None:
    score = SearchScore(["q0", "q1", "q2"], ["a", "a", "b"])
    assert score.texts == ("q0", "q1", "q2", "a", "b")
    assert score.of_similarities(torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])) == pytest.approx((1 + 0.5 + 1) / 3)


def test_the_lengths_of_embeddings_do_not_matter() -> None:
    score = SearchScore(["q0", "q1"], ["a", "b"])
    embeddings = torch.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, 0.1], [0.1, 3.0]])
    assert score.of(embeddings) == 1.0
    assert score.of(embeddings * torch.tensor([[100.0], [0.01], [5.0], [1.0]])) == 1.0


def test_a_similarity_that_is_no_number_does_not_win() -> None:
    score = SearchScore(["q0", "q1", "q2"], ["a", "b", "c"])
    assert score.of(torch.full((6, 2), math.nan)) == pytest.approx(1 / 2)
    right_is_nan = torch.tensor([[math.nan, 0.1, 0.2], [0.1, math.nan, 0.2], [0.2, 0.1, math.nan]])
    assert score.of_similarities(right_is_nan) == pytest.approx(1 / 3)


def test_accuracy_is_the_share_of_right_labels() -> None:
    score = LabelScore(["t0", "t1", "t2", "t3"], ["x", "y", "z", "x"], ["x", "y", "z"])
    outputs = torch.tensor([[3.0, 1.0, 2.0], [0.0, 1.0, 2.0], [0.0, -1.0, 0.5], [0.1, 0.0, 0.0]])
    assert score.of(outputs) == pytest.approx(3 / 4)
    assert (score.metric, score.texts) == ("accuracy", ("t0", "t1", "t2", "t3"))


def test_counting_words_finds_the_answers_that_share_them() -> None:
    queries = ["open a zip archive", "parse command line options", "sort a list of numbers"]
    answers = ["the archive is a zip file", "options of a command on its line", "numbers in a list, in order"]
    baseline = search_baseline(SearchScore(queries, answers))
    assert (baseline.name, baseline.score) == ("TF-IDF", 1.0)
    shuffled = search_baseline(SearchScore(queries, [*answers[1:], answers[0]]))
    assert shuffled.score < 0.6


def test_counting_words_learns_labels_and_knows_no_more_than_words() -> None:
    texts = ["rain and snow", "snow and wind", "bread and butter", "butter and cheese"] * 3
    labels = ["weather", "weather", "kitchen", "kitchen"] * 3
    known = ["kitchen", "weather"]
    easy = LabelScore(["wind with rain", "cheese on bread"], ["weather", "kitchen"], known)
    baseline = label_baseline(texts, labels, known, easy)
    assert (baseline.name, baseline.score) == ("TF-IDF + logistic regression", 1.0)
    same = LabelScore(["unheard", "unseen"], ["weather", "kitchen"], known)
    assert label_baseline(texts, labels, known, same).score == 0.5


def test_a_baseline_of_three_labels_keeps_them_in_order() -> None:
    known = ["a", "b", "c"]
    texts, labels = ["ant ape", "ant cow", "bee bat", "bee dog", "cat cod", "cat emu"], ["a", "a", "b", "b", "c", "c"]
    score = LabelScore(["ant", "bee", "cat"], known, known)
    assert label_baseline(texts, labels, known, score).score == 1.0
