"""Finding what belongs to a text: ranks, ties and what is no number."""

import math

import pytest
import torch

from edgewright.tasks.search_score import SearchScore


def test_the_mean_reciprocal_rank_is_that_reckoned_by_hand() -> None:
    score = SearchScore(["q0", "q1", "q2"], ["a", "b", "c"])
    similarities = torch.tensor(
        [
            [0.9, 0.1, 0.2],  # a is first: 1
            [0.9, 0.5, 0.1],  # b is second: 1/2
            [0.9, 0.8, 0.1],  # c is third: 1/3
        ]
    )
    assert score.of_similarities(lambda part: similarities[part]) == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)


def test_candidates_as_similar_as_the_right_one_count_half_a_rank_each() -> None:
    score = SearchScore(["q0", "q1"], ["a", "b"])
    similarities = torch.tensor([[0.5, 0.5], [0.7, 0.7]])
    assert score.of_similarities(lambda part: similarities[part]) == pytest.approx(1 / 1.5)


def test_a_model_that_says_the_same_of_every_text_earns_little() -> None:
    names = [str(number) for number in range(50)]
    score = SearchScore([f"q{name}" for name in names], names)
    assert score.of(torch.ones(100, 8)) == pytest.approx(1 / (1 + 49 / 2))


def test_a_score_of_parts_of_the_queries_is_that_of_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"text {number}" for number in range(23)]
    score, outputs = SearchScore(texts, texts), torch.randn(46, 8, generator=torch.Generator().manual_seed(0))
    whole, ranks = score.of(outputs), score.ranks(outputs)
    monkeypatch.setattr("edgewright.tasks.search_score.QUERIES_AT_ONCE", 5)
    assert score.of(outputs) == whole
    assert score.ranks(outputs).tolist() == ranks.tolist()


def test_an_answer_that_stands_twice_is_one_candidate() -> None:
    score = SearchScore(["q0", "q1", "q2"], ["a", "a", "b"])
    assert score.texts == ("q0", "q1", "q2", "a", "b")
    assert score.of_similarities(
        lambda part: torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])[part]
    ) == pytest.approx((1 + 0.5 + 1) / 3)


def test_the_lengths_of_embeddings_do_not_matter() -> None:
    score = SearchScore(["q0", "q1"], ["a", "b"])
    embeddings = torch.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, 0.1], [0.1, 3.0]])
    assert score.of(embeddings) == 1.0
    assert score.of(embeddings * torch.tensor([[100.0], [0.01], [5.0], [1.0]])) == 1.0


def test_a_similarity_that_is_no_number_does_not_win() -> None:
    score = SearchScore(["q0", "q1", "q2"], ["a", "b", "c"])
    assert score.of(torch.full((6, 2), math.nan)) == pytest.approx(1 / 2)
    right_is_nan = torch.tensor([[math.nan, 0.1, 0.2], [0.1, math.nan, 0.2], [0.2, 0.1, math.nan]])
    assert score.of_similarities(lambda part: right_is_nan[part]) == pytest.approx(1 / 3)


def test_recall_counts_the_queries_whose_answer_is_among_the_first() -> None:
    score = SearchScore(["q0", "q1"], ["a", "b"])
    found = score.details(torch.tensor([[1.0, 0.0], [1.0, 0.1], [1.0, 0.0], [0.0, 1.0]]))
    assert found == {"recall at 1": 0.5, "recall at 10": 1.0}
