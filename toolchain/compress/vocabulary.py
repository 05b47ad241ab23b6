"""Drop the word pieces that a task's texts do not need.

In:  a tokenizer, the texts the task will see, and how many pieces may stay or how many tokens must stay one piece.
Out: the ids that stay and the tokenizer over them: its id i is the old id `kept[i]`.
Special tokens and single characters (byte-level BPE: the 256 bytes) always stay, so that every word still splits into
known pieces; a text whose pieces all stay is split as before. Of a vocabulary of many languages the characters stay
that these texts' scripts have: one that no text is written in costs its letters, too.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from itertools import islice
from unicodedata import name as character_name

from edgewright.errors import BadDataError, InputError
from edgewright.modality.tokenizer import TextSequence, TextTokenizer
from edgewright.modality.tokenizer_definition import byte_symbols

CHUNK = 4096
BYTE = re.compile("<0x[0-9A-F]{2}>")
ALPHABET = 1_000  # characters; a script of more (Chinese, Hangul syllables) has those stay that the texts use


@dataclass(frozen=True, kw_only=True)
class Trimmed:
    """A smaller vocabulary; `coverage` is the share of the counted tokens that are still one piece."""

    tokenizer: TextTokenizer
    kept: tuple[int, ...]
    coverage: float


def trim(
    tokenizer: TextTokenizer, texts: TextSequence, *, size: int | None = None, coverage: float | None = None
) -> Trimmed:
    """Keep the pieces that `texts` use, the most frequent ones where there are more than `size`.

    With `coverage`, a share of the texts' tokens, keep the fewest pieces with which so many are still one piece; `size`
    is then the ceiling. Byte-level BPE builds a piece from two others and these from others again: they all stay with
    it. There the piece that brings most tokens for each piece it needs goes first, which is near to the fewest.

    Raises `BadDataError` when no known piece is left to tell texts apart, when `size` is below the pieces that must
    stay, or when `coverage` cannot be reached with it; `InputError` for a `coverage` that is no share.
    """
    if coverage is not None and not 0 < coverage <= 1:
        raise InputError(f"stages.vocabulary.coverage is {coverage:g}; give a share above 0 and not above 1")
    counts = tokenizer.counts(texts)
    _check_known(tokenizer, counts)
    required = frozenset(tokenizer.special_ids | _characters(tokenizer, counts) | _least_likely(tokenizer))
    limit = len(tokenizer.vocabulary) if size is None else size
    if limit < len(required):
        what = "single characters" if tokenizer.merges is None else "bytes"
        raise BadDataError(
            f"stages.vocabulary.size is {limit}, but {len(required)} special tokens and {what} must stay; raise it"
        )
    needs = _needs(tokenizer, counts, required)
    kept = _chosen(counts, needs, required, limit=limit, floor=coverage)
    reached = _share(counts, kept)
    if coverage is not None and reached < coverage:
        enough = _chosen(counts, needs, required, limit=len(tokenizer.vocabulary), floor=coverage)
        raise BadDataError(
            f"stages.vocabulary.size {limit} keeps {reached:.3%} of the training texts' tokens one piece, but "
            f"stages.vocabulary.coverage asks for {coverage:.3%}; raise size to {len(enough)} or lower coverage"
        )
    order = tuple(sorted(kept))
    return Trimmed(tokenizer=tokenizer.over(order), kept=order, coverage=reached)


def untrimmed(tokenizer: TextTokenizer) -> Trimmed:
    """No trimming: every piece stays."""
    return Trimmed(tokenizer=tokenizer, kept=tuple(range(len(tokenizer.vocabulary))), coverage=1.0)


def affected(before: TextTokenizer, after: Trimmed, texts: TextSequence) -> float:
    """The share of `texts`' tokens that stand in words which the smaller vocabulary splits otherwise."""
    changed = total = 0
    waiting = iter(texts)
    while chunk := list(islice(waiting, CHUNK)):
        for old, new in zip(before.encode_any(chunk), after.tokenizer.encode_any(chunk), strict=True):
            mapped = _words(tuple(after.kept[token] for token in new.ids), new.words)
            words = _words(old.ids, old.words)
            total += len(old.ids)
            changed += sum(len(pieces) for number, pieces in words.items() if mapped.get(number) != pieces)
    return changed / max(total, 1)


def _words(ids: Sequence[int], numbers: Sequence[int]) -> dict[int, tuple[int, ...]]:
    words: dict[int, tuple[int, ...]] = {}
    for token, number in zip(ids, numbers, strict=True):
        words[number] = (*words.get(number, ()), token)
    return words


def _check_known(tokenizer: TextTokenizer, counts: Counter[int]) -> None:
    if set(counts) - tokenizer.special_ids:
        return
    if tokenizer.unknown_id is not None and counts[tokenizer.unknown_id]:
        raise BadDataError("every token of the training texts is unknown to the tokenizer; is this its language?")
    raise BadDataError("the training texts are empty: there is no token to count in them; check the text column")


def _share(counts: Counter[int], kept: set[int]) -> float:
    return sum(count for token, count in counts.items() if token in kept) / counts.total()


def _characters(tokenizer: TextTokenizer, used: Mapping[int, int]) -> set[int]:
    """Single characters in both their forms: all of ASCII, and any other that the texts use; for BPE all bytes.

    Of a Unigram model all of each script that the texts use, unless it has more than `ALPHABET`; and its bytes, if it
    has any.
    """
    if tokenizer.merges is not None:
        symbols = byte_symbols()
        return {token for piece, token in tokenizer.vocabulary.items() if piece in symbols}
    mark, spaced = tokenizer.continuation, tokenizer.beginning
    bares = {token: piece.removeprefix(mark) for piece, token in tokenizer.vocabulary.items()}
    seen = {character for token in used for character in bares[token]}  # also those inside a longer piece that may go
    single = {token: bare for token, bare in bares.items() if len(bare) == 1}
    if spaced:
        seen |= _alphabets(single.values(), seen)
    kept = {token for token, bare in single.items() if bare.isascii() or bare in seen or bare == spaced}
    return kept | {token for token, bare in bares.items() if spaced and BYTE.fullmatch(bare)}


def _alphabets(known: Iterable[str], seen: set[str]) -> set[str]:
    """The known characters of each script that some are seen of; scripts by the first word of a character's name."""
    scripts: dict[str, set[str]] = {}
    for character in known:
        scripts.setdefault(character_name(character, "").partition(" ")[0], set()).add(character)
    return {each for script in scripts.values() if len(script) <= ALPHABET and script & seen for each in script}


def _least_likely(tokenizer: TextTokenizer) -> set[int]:
    """The least likely piece of a Unigram model: what the unknown costs is counted from it, and is to stay so."""
    scores = tokenizer.scores
    return {tokenizer.vocabulary[min(scores, key=scores.__getitem__)]} if scores else set()


def _needs(tokenizer: TextTokenizer, counts: Counter[int], required: frozenset[int]) -> dict[int, frozenset[int]]:
    """For each piece that is counted and not required: itself and all pieces, not required, that it is built from.

    A piece that several merges make keeps the parents of all of them: which of them makes it depends on the word.
    """
    vocabulary = tokenizer.vocabulary
    parents: dict[int, list[int]] = {}
    for left, right in tokenizer.merges or ():
        parents.setdefault(vocabulary[left + right], []).extend((vocabulary[left], vocabulary[right]))
    needs: dict[int, frozenset[int]] = {}
    for piece in counts:
        needed: set[int] = set()
        waiting = [piece]
        while waiting:
            token = waiting.pop()
            if token not in needed and token not in required:
                needed.add(token)
                waiting.extend(parents.get(token, ()))
        if needed:
            needs[piece] = frozenset(needed)
    return needs


def _chosen(
    counts: Counter[int],
    needs: Mapping[int, frozenset[int]],
    required: frozenset[int],
    *,
    limit: int,
    floor: float | None,
) -> set[int]:
    """`required` and what is best beside it, until the floor is reached, none is left or none fits the limit."""
    kept, total = set(required), counts.total()
    covered = sum(counts[token] for token in required)
    for group in _best_first(counts, needs, kept, limit):
        if floor is not None and covered / total >= floor:
            break
        kept |= group
        covered += sum(counts[token] for token in group)
    return kept


def _best_first(
    counts: Counter[int], needs: Mapping[int, frozenset[int]], kept: set[int], limit: int
) -> Iterator[frozenset[int]]:
    """Groups of pieces to keep, the one with the most tokens for each piece first; `kept` grows by what is taken.

    Taking a group makes those that share pieces with it cheaper, so that these are ranked anew. Equals go in the order
    in which the texts first use them.
    """
    users: dict[int, list[int]] = {}
    for piece, needed in needs.items():
        for token in needed:
            users.setdefault(token, []).append(piece)
    place = {piece: index for index, piece in enumerate(needs)}

    def ranked(piece: int) -> tuple[float, int, int, int]:
        missing = needs[piece] - kept
        return -sum(counts[token] for token in missing) / len(missing), place[piece], piece, len(missing)

    heap = [ranked(piece) for piece in needs]
    heapify(heap)
    while heap:
        _, _, piece, cost = heappop(heap)
        group = needs[piece] - kept
        if len(group) != cost or len(kept) + cost > limit:  # ranked anew since, or it does not fit
            continue
        yield group
        for other in {other for token in group for other in users[token]}:
            if not needs[other] <= kept:
                heappush(heap, ranked(other))
