"""Counting as a baseline: it learns what is there, stays within its bytes, and is judged as a model is."""

from dataclasses import replace

import pytest

from edgewright.data import docstrings
from edgewright.errors import BadDataError
from edgewright.tasks.ngram_baseline import ngram_baseline
from edgewright.tasks.token_score import TokenScore
from tests.tasks.writing import ByteExamples, documents


@pytest.fixture(scope="module")
def real() -> ByteExamples:
    """Docstrings of the standard library, by module."""
    texts = docstrings.of_everything(())
    held_out = [text for module, text in texts if module.startswith("json")]
    others = [text for module, text in texts if not module.startswith("json")]
    return ByteExamples(train=documents(*others[:1500]), test=documents(*held_out))


def test_real_text_costs_fewer_bits_than_its_bytes_and_more_than_none(real: ByteExamples) -> None:
    baseline = ngram_baseline(real, TokenScore(real.test))
    assert 1.5 < baseline.score < 4.0
    assert baseline.name.startswith("5-gram of tokens, ")


def test_fewer_bytes_tell_less_and_are_kept_to(real: ByteExamples) -> None:
    score = TokenScore(real.test)
    small = ngram_baseline(replace(real, baseline_bytes=20_000), score)
    assert small.score > ngram_baseline(real, score).score
    assert float(small.name.split(", ")[1].removesuffix(" MB")) <= 0.02


def test_further_documents_are_counted_too(real: ByteExamples) -> None:
    score, more = TokenScore(real.test), documents(*[each.completion for each in real.train[750:]])
    fewer = replace(real, train=real.train[:750])
    assert ngram_baseline(replace(fewer, extra=more), score).score == pytest.approx(ngram_baseline(real, score).score)
    assert ngram_baseline(fewer, score).score > ngram_baseline(real, score).score


def test_one_document_is_enough_to_count() -> None:
    examples = ByteExamples(train=documents("to be or not to be"), test=documents("to be"))
    assert 0 < ngram_baseline(examples, TokenScore(examples.test)).score < 8


def test_no_tokens_to_count_are_refused() -> None:
    examples = ByteExamples(train=documents(""), test=documents("text"))
    with pytest.raises(BadDataError, match="holds no tokens to count"):
        ngram_baseline(examples, TokenScore(examples.test))
