"""An interpolated n-gram model of token ids: what counting alone achieves on text, within a given size.

In:  documents as arrays of token ids, the vocabulary's size, and the most bytes that the model may take.
Out: `NgramModel`: the log-probability of every token of a document, and the model's own size.
The estimate is modified Kneser-Ney: Chen and Goodman, "An Empirical Study of Smoothing Techniques for Language
Modeling", 1999. What tokens are and how many bytes of text they stand for is the caller's concern.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewright.errors import BadDataError

Ids = NDArray[np.int64]

ORDER = 5
MOST_BYTES = 25_000_000
# What an n-gram takes in a packed trie: its last token (2 or 4 bytes; single tokens lie in their order), its
# probability in float16 and, where longer ones may follow, the weight of the shorter context in float16 and where those
# that follow begin. Of single tokens probability and weight are float32: they are few, and some are very rare.
PROBABILITY_BYTES, CONTEXT_BYTES, SINGLE_TOKEN_BYTES = 2, 6, 12
ABSENT = -1


@dataclass(frozen=True, kw_only=True)
class _Order:
    """The n-grams of one length, by `codes` in rising order: the number of the prefix times the tokens, plus the token.

    `probability` is what is left of an n-gram's count after discounting, divided by its prefix' count; `backoff`
    belongs to the n-gram as a context: the share that goes to the next shorter one.
    """

    codes: Ids
    probability: NDArray[np.floating]
    backoff: NDArray[np.floating]


@dataclass(frozen=True, kw_only=True)
class NgramModel:
    """Interpolated probabilities of the next token, given at most `order` − 1 before it."""

    orders: tuple[_Order, ...]
    tokens: int
    """Kinds of tokens, the start of a document included."""
    uniform_weight: float
    """The share of the unigrams' probability that is spread evenly over all tokens."""

    @property
    def order(self) -> int:
        """Tokens of the longest n-gram."""
        return len(self.orders)

    @property
    def size_bytes(self) -> int:
        """What its tables take, packed as a trie: see `PROBABILITY_BYTES`, `CONTEXT_BYTES`."""
        return _size_bytes([len(each.codes) for each in self.orders], self.tokens)

    def log2_probabilities(self, document: Ids) -> NDArray[np.float64]:
        """Of each token (tokens,) of a document after what stands before it, to the base of 2."""
        probability = np.full(len(document), self.uniform_weight / (self.tokens - 1), dtype=np.float64)
        context = np.zeros(len(document), dtype=np.int64)  # of no tokens
        starts = np.concatenate([[self.tokens - 1], document[:-1]]) if len(document) else document
        contexts = [context]
        # The node of the n-gram that ends before each token, for each length; one longer than the document is absent.
        for length in range(1, self.order):
            shorter = np.concatenate([[ABSENT], contexts[-1][:-1]]) if length > 1 else contexts[-1]
            contexts.append(_nodes(self.orders[length - 1], shorter, starts, self.tokens))
        for length, entry in enumerate(self.orders):
            before = contexts[length]
            if length:
                known = before != ABSENT
                probability[known] *= self.orders[length - 1].backoff[before[known]]
            node = _nodes(entry, before, document, self.tokens)
            known = node != ABSENT
            probability[known] += entry.probability[node[known]]
        return np.log2(probability)


def fitted_ngrams(
    documents: Sequence[Ids], vocabulary: int, *, order: int = ORDER, most_bytes: int = MOST_BYTES
) -> NgramModel:
    """A model of at most `most_bytes`; the rarest n-grams of the greatest lengths are left out until it is that small.

    `documents` hold ids from 0 to `vocabulary` − 1. Raises `BadDataError` where they hold no token, an id outside of
    the vocabulary, or where not even the single tokens fit.
    """
    filled = [each for each in documents if len(each)]
    if not filled:
        raise BadDataError("the training part holds no tokens to count; is there text in the files of the recipe?")
    if any(int(each.min()) < 0 or int(each.max()) >= vocabulary for each in filled):
        raise BadDataError(f"the documents hold ids outside of the vocabulary of {vocabulary} tokens")
    counts = list(_counted(filled, vocabulary + 1, order))
    kept = _cut_to_size(counts, vocabulary + 1, most_bytes)
    return _estimated(counts, kept, vocabulary + 1)


@dataclass(frozen=True, kw_only=True)
class _Counts:
    """The distinct n-grams of one length, in the order of their codes."""

    codes: Ids
    prefixes: Ids
    """The number of each one's first n − 1 tokens among the shorter ones."""
    suffixes: Ids
    """The same of its last n − 1 tokens."""
    counts: Ids
    """How often it stands there."""


def _counted(documents: Sequence[Ids], tokens: int, order: int) -> Iterator[_Counts]:
    """The n-grams of the lengths from 1 on; before a document's first token stands one that says that it begins."""
    start = tokens - 1
    text = np.concatenate([np.concatenate([[start], each]) for each in documents]).astype(np.int64)
    place = np.concatenate([np.arange(len(each) + 1) for each in documents])
    shorter = np.zeros(len(text), dtype=np.int64)  # at each place, the number of the shorter n-gram that ends there
    for length in range(1, order + 1):
        before = np.concatenate([[0], shorter[:-1]]) if length > 1 else shorter
        # One that would reach over the start of a document is none; the start alone is a context and never predicted.
        present = np.flatnonzero(place >= length - 1)
        codes = before[present] * tokens + text[present]
        distinct, first, numbers, counts = np.unique(codes, return_index=True, return_inverse=True, return_counts=True)
        if not len(distinct):
            return
        yield _Counts(codes=distinct, prefixes=before[present][first], suffixes=shorter[present][first], counts=counts)
        shorter = np.full(len(text), ABSENT, dtype=np.int64)
        shorter[present] = numbers


def _size_bytes(entries: Sequence[int], tokens: int) -> int:
    token_bytes = 2 if tokens <= 1 << 16 else 4
    return tokens * SINGLE_TOKEN_BYTES + sum(
        number * (token_bytes + PROBABILITY_BYTES + (CONTEXT_BYTES if length < len(entries) else 0))
        for length, number in enumerate(entries[1:], start=2)
    )


def _cut_to_size(counts: Sequence[_Counts], tokens: int, most_bytes: int) -> list[NDArray[np.bool_]]:
    """Which n-grams stay. An n-gram whose prefix goes, goes with it; of single tokens all stay."""
    least = 1
    while True:
        kept: list[NDArray[np.bool_]] = []
        for length, each in enumerate(counts, start=1):
            # Longer ones have to be the more frequent: they are more, and tell less beyond what shorter ones do.
            stays = (
                each.counts >= max(1, least + length - len(counts)) if length > 1 else np.ones(len(each.codes), bool)
            )
            kept.append(stays & kept[-1][each.prefixes] if length > 1 else stays)
        if _size_bytes([int(each.sum()) for each in kept], tokens) <= most_bytes:
            return kept
        if not any(each.any() for each in kept[1:]):
            raise BadDataError(f"not even the single tokens of an n-gram model fit into {most_bytes} bytes")
        least += max(1, least // 4)


def _estimated(counts: Sequence[_Counts], kept: Sequence[NDArray[np.bool_]], tokens: int) -> NgramModel:
    orders: list[_Order] = []
    renumbered = np.zeros(1, dtype=np.int64)  # from all n-grams of the length before to those that stay
    uniform_weight, start = 1.0, tokens - 1
    for length, (each, stays) in enumerate(zip(counts, kept, strict=True), start=1):
        predicted = each.codes % tokens != start
        times = _modified_counts(counts, length)
        share, rest = _discounted(each, np.where(predicted, times, 0), stays, parents=_parents(counts, length))
        if length == 1:
            uniform_weight = float(rest[0])
        else:
            orders[-1].backoff[:] = rest[kept[length - 2]]
        codes = renumbered[each.prefixes[stays]] * tokens + each.codes[stays] % tokens
        dtype = np.float32 if length == 1 else np.float16
        orders.append(
            _Order(codes=codes, probability=share[stays].astype(dtype), backoff=np.ones(len(codes), dtype=dtype))
        )
        renumbered = np.cumsum(stays) - 1
    return NgramModel(orders=tuple(orders), tokens=tokens, uniform_weight=uniform_weight)


def _parents(counts: Sequence[_Counts], length: int) -> int:
    return 1 if length == 1 else len(counts[length - 2].codes)


def _modified_counts(counts: Sequence[_Counts], length: int) -> Ids:
    """How often an n-gram stands there; of shorter ones, after how many different tokens (or once at a start)."""
    each = counts[length - 1]
    if length == len(counts):
        return each.counts
    longer = counts[length]
    after = np.bincount(longer.suffixes, minlength=len(each.codes))
    # One that begins a document has no token before it: there it counts as often as it stands there.
    return np.where(after > 0, after, each.counts)


def _discounted(
    each: _Counts, times: Ids, stays: NDArray[np.bool_], *, parents: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The share of its prefix' count that each n-gram keeps, and of each prefix the share that is left over."""
    of_counts = np.bincount(np.minimum(times, 5), minlength=6).astype(np.float64)
    ratio = of_counts[1] / max(of_counts[1] + 2 * of_counts[2], 1)
    discounts = np.zeros(4)
    for number in (1, 2, 3):
        following = of_counts[number + 1] / max(of_counts[number], 1)
        # Of few texts the counts of counts are no decreasing row; a discount stays between nothing and the count.
        discounts[number] = min(max(number - (number + 1) * ratio * following, 0.1), number - 0.1)
    left = np.maximum(times - discounts[np.minimum(times, 3)], 0.0)
    totals = np.bincount(each.prefixes, weights=times, minlength=parents)
    share = np.divide(left, totals[each.prefixes], out=np.zeros(len(times)), where=totals[each.prefixes] > 0)
    taken = np.bincount(each.prefixes[stays], weights=share[stays], minlength=parents)
    return share, np.clip(1.0 - taken, 0.0, 1.0)


def _nodes(entry: _Order, prefixes: Ids, last: Ids, tokens: int) -> Ids:
    """The number of each n-gram among those of its length, by its prefix' number and its last token; or `ABSENT`."""
    if not len(entry.codes):
        return np.full(len(last), ABSENT, dtype=np.int64)
    codes = prefixes * tokens + last
    found = np.searchsorted(entry.codes, codes)
    present = (prefixes != ABSENT) & (found < len(entry.codes))
    present[present] = entry.codes[found[present]] == codes[present]
    return np.where(present, found, ABSENT)
