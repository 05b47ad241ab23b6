"""Bits per byte: of models with unlike tokens, of documents of unlike length, and of what is no number."""

import math

import pytest
import torch

from edgewright.data.documents import TextDocument
from edgewright.errors import BadDataError
from edgewright.specs.metrics import lower_is_better
from edgewright.tasks.account import account_of
from edgewright.tasks.token_score import LEAST_LOG_PROBABILITY, TokenScore
from tests.tasks.writing import documents, told

TEXTS = documents("The end.", "Grüße 🙂", "a")


def test_a_model_that_halves_each_time_costs_a_bit_a_byte() -> None:
    assert TokenScore(TEXTS).of(told(TEXTS, lambda *_: 0.5)) == pytest.approx(1.0)


def test_fewer_bits_are_better() -> None:
    score = TokenScore(TEXTS)
    assert score.of(told(TEXTS, lambda *_: 0.9)) < score.of(told(TEXTS, lambda *_: 0.1))
    assert lower_is_better(score.metric)


def test_models_of_unlike_tokens_are_judged_alike() -> None:
    """Two tokens for eight bytes, of a 16th each, cost as much as eight bytes that cost a bit each."""
    score = TokenScore(TEXTS[:1])
    pieces = torch.tensor([[math.log(1 / 16), 5, 5, 0], [math.log(1 / 16), 7, 8, 0]])
    assert score.of(pieces) == pytest.approx(score.of(told(TEXTS[:1], lambda *_: 0.5)))


def test_characters_of_several_bytes_count_all_of_them() -> None:
    assert float(TokenScore(documents("🙂")).sizes.sum()) == 4


def test_the_token_that_ends_a_completion_costs_bits_and_has_no_bytes() -> None:
    score, own = TokenScore(TEXTS[2:]), told(TEXTS[2:], lambda *_: 0.5)
    ended = torch.cat([own, torch.tensor([[math.log(0.25), 0, 0, 0]])])
    assert score.of(ended) == pytest.approx(score.of(own) + 2)


@pytest.mark.parametrize("wrong", [math.nan, -math.inf, -1e9])
def test_what_is_no_probability_costs_the_most_and_the_score_stays_a_number(wrong: float) -> None:
    score, own = TokenScore(TEXTS[2:]), told(TEXTS[2:], lambda *_: 0.5)
    own[0, 0] = wrong
    assert score.of(own) == pytest.approx(-LEAST_LOG_PROBABILITY / math.log(2))


def test_a_probability_of_more_than_one_gains_nothing_without_end() -> None:
    own = told(TEXTS[2:], lambda *_: 0.5)
    own[0, 0] = math.inf
    assert TokenScore(TEXTS[2:]).of(own) == 0


def test_details_tell_how_many_of_the_likeliest_tokens_are_right() -> None:
    texts = documents("abcd")
    found = TokenScore(texts).details(told(texts, lambda *_: 0.25, lambda _, place: ord("a") if place < 2 else 0))
    assert found == {"next tokens right": pytest.approx(0.25), "bits per token": pytest.approx(2.0)}


def test_the_account_has_the_document_that_lost_most_first() -> None:
    score = TokenScore(TEXTS)
    teacher = told(TEXTS, lambda *_: 0.5)
    student = told(TEXTS, lambda number, _: (0.25, 0.125, 0.75)[number])
    found = account_of(score, teacher, student)
    assert found is not None
    assert (found.count, found.lost, found.won) == (3, 2, 1)
    assert [flip.index for flip in found.flips] == [1, 0]
    assert found.flips[0].expected == "Grüße 🙂"
    assert (found.flips[0].teacher, found.flips[0].student) == ("1.000 bits per byte", "3.000 bits per byte")
    assert found.flips[0].text == "source 1"


def test_what_is_shown_of_a_document_with_a_prompt_is_the_prompt() -> None:
    assert TokenScore([TextDocument(prompt="question", completion="answer", source="s")]).shown(0) == "question"


def test_documents_without_text_cannot_be_judged() -> None:
    with pytest.raises(BadDataError, match="no text to be judged by"):
        TokenScore(documents("", ""))


def test_one_without_text_among_others_counts_nothing() -> None:
    texts = documents("ab", "")
    score = TokenScore(texts)
    assert score.of(told(texts, lambda *_: 0.5)) == pytest.approx(1.0)
    assert account_of(score, *[told(texts, lambda *_: 0.5)] * 2).lost == 0  # type: ignore[union-attr]


def test_of_a_completion_that_is_cut_only_what_is_counted_has_bytes() -> None:
    texts = documents("abcdefgh")
    own = told(texts, lambda *_: 0.5)[:4]
    assert TokenScore(texts, sizes=[4]).of(own) == pytest.approx(1.0)
