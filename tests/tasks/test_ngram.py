"""The n-gram model beside a plain one of dictionaries, on random and on real text."""

import ast
import random
import sysconfig
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from edgewright.errors import BadDataError
from edgewright.tasks.ngram import NgramModel, fitted_ngrams

ROUNDING = 5e-3  # of probabilities in float16


def documents(count: int, vocabulary: int, *, seed: int = 0, length: int = 40) -> list[np.ndarray]:
    """Texts in which a token depends on the one before it."""
    rows = random.Random(seed)
    texts = []
    for _ in range(count):
        text = [rows.randrange(vocabulary)]
        while len(text) < length:
            text.append((text[-1] * 3 + rows.choice([0, 0, 0, 1, 5])) % vocabulary)
        texts.append(np.array(text, dtype=np.int64))
    return texts


def docstrings() -> list[bytes]:
    """Of the standard library's modules, as bytes."""
    found = []
    for path in sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py"))[:120]:
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and (text := ast.get_docstring(node)):
                found.append(text.encode())
    return found


def as_ids(text: bytes) -> np.ndarray:
    return np.frombuffer(text, dtype=np.uint8).astype(np.int64)


def probabilities_after(model: NgramModel, context: list[int], vocabulary: int) -> np.ndarray:
    """Of every token after a context."""
    return np.array([2 ** model.log2_probabilities(np.array([*context, token]))[-1] for token in range(vocabulary)])


@pytest.mark.parametrize("most_bytes", [10_000_000, 4_000])
@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_the_probabilities_of_all_tokens_sum_to_one_after_any_context(order: int, most_bytes: int) -> None:
    model = fitted_ngrams(documents(60, 23), 23, order=order, most_bytes=most_bytes)
    for context in ([], [4], [7, 21, 17], [3, 3, 3, 3, 3], [1, 3, 9, 4, 12, 13]):
        assert probabilities_after(model, context, 23).sum() == pytest.approx(1.0, abs=ROUNDING)


def test_bigrams_are_those_of_the_formula() -> None:
    texts = documents(30, 7, seed=3)
    model = fitted_ngrams(texts, 7, order=2)
    start = 7
    pairs = Counter((first, second) for text in texts for first, second in pairwise([start, *text.tolist()]))
    before: defaultdict[int, set[int]] = defaultdict(set)
    for first, second in pairs:
        before[second].add(first)
    continuations = {token: len(firsts) for token, firsts in before.items()}

    def discounts(counts: list[int]) -> list[float]:
        of = Counter(counts)
        ratio = of[1] / max(of[1] + 2 * of[2], 1)
        return [0.0] + [min(max(n - (n + 1) * ratio * of[n + 1] / max(of[n], 1), 0.1), n - 0.1) for n in (1, 2, 3)]

    single, double = discounts(list(continuations.values())), discounts(list(pairs.values()))
    total = sum(continuations.values())
    left = {token: max(count - single[min(count, 3)], 0) / total for token, count in continuations.items()}
    unigram = {token: left.get(token, 0) + (1 - sum(left.values())) / 7 for token in range(7)}
    of_context = Counter(first for pair in pairs.elements() for first in pair[:1])

    def expected(first: int, second: int) -> float:
        kept = {token: count - double[min(count, 3)] for (head, token), count in pairs.items() if head == first}
        rest = 1 - sum(kept.values()) / of_context[first]
        return kept.get(second, 0) / of_context[first] + rest * unigram[second]

    asked = np.array([2, 6, 4, 0, 1, 1, 5])
    wanted = [expected(first, second) for first, second in pairwise([start, *asked.tolist()])]
    assert 2 ** model.log2_probabilities(asked) == pytest.approx(wanted, rel=ROUNDING)


def test_longer_contexts_tell_more_of_real_text_and_a_smaller_size_less() -> None:
    texts = docstrings()
    assert len(texts) > 500
    taught, held_out = [as_ids(text) for text in texts[:-60]], [as_ids(text) for text in texts[-60:]]

    def bits(model: NgramModel) -> float:
        return -float(np.concatenate([model.log2_probabilities(each) for each in held_out]).mean())

    by_order = [bits(fitted_ngrams(taught, 256, order=order)) for order in (1, 2, 3, 5)]
    assert by_order == sorted(by_order, reverse=True)
    assert by_order[-1] < 2.9 < 4.2 < by_order[0] < 5.0
    by_size = {size: fitted_ngrams(taught, 256, most_bytes=size) for size in (20_000, 200_000, 2_000_000)}
    assert all(model.size_bytes <= size for size, model in by_size.items())
    assert [bits(model) for model in by_size.values()] == sorted(map(bits, by_size.values()), reverse=True)
    assert bits(by_size[20_000]) < by_order[0]


def test_what_was_never_seen_has_a_probability() -> None:
    model = fitted_ngrams([np.array([0, 1, 2, 3])], 10, order=3)
    bits = model.log2_probabilities(np.array([9, 9, 8, 0]))
    assert np.isfinite(bits).all()
    assert (bits < 0).all()
    assert model.log2_probabilities(np.array([], dtype=np.int64)).shape == (0,)


def test_the_start_of_a_document_is_a_context_and_is_never_predicted() -> None:
    texts = [np.array([1, 2, 3, 4]) for _ in range(20)]
    model = fitted_ngrams(texts, 6)
    first, *_ = model.log2_probabilities(np.array([1, 2]))
    assert 2**first > 0.8
    assert probabilities_after(model, [], 6).sum() == pytest.approx(1.0, abs=ROUNDING)


def test_documents_without_a_token_ids_outside_and_too_small_a_size_are_refused() -> None:
    with pytest.raises(BadDataError, match="holds no tokens to count"):
        fitted_ngrams([np.array([], dtype=np.int64)], 4)
    with pytest.raises(BadDataError, match="outside of the vocabulary of 4 tokens"):
        fitted_ngrams([np.array([1, 4])], 4)
    with pytest.raises(BadDataError, match="fit into 20 bytes"):
        fitted_ngrams([np.array([1, 2, 3])], 4, most_bytes=20)
