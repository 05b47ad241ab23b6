"""Drop the word pieces that a task's texts do not need.

In:  a tokenizer, the texts the task will see, and how many pieces may stay.
Out: the ids that stay and the tokenizer over them: its id i is the old id `kept[i]`.
Special tokens and single characters always stay, so that every word still splits into known pieces; a text whose
pieces all stay is split as before.
"""

import copy
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from toolchain.errors import BadDataError
from toolchain.models.tokenizer import TextTokenizer

CONTINUATION = "##"


@dataclass(frozen=True, kw_only=True)
class Trimmed:
    """A smaller vocabulary; `coverage` is the share of the counted tokens that are still one piece."""

    tokenizer: TextTokenizer
    kept: tuple[int, ...]
    coverage: float


def trim(tokenizer: TextTokenizer, texts: Sequence[str], *, size: int | None) -> Trimmed:
    """Keep the pieces that `texts` use, the most frequent ones where there are more than `size`.

    Raises `BadDataError` when no known piece is left to tell texts apart, or when `size` is below the pieces that
    must stay.
    """
    counts = Counter(token for text in tokenizer.encode(texts) for token in text.ids)
    special = _special_ids(tokenizer)
    if not set(counts) - special:
        raise BadDataError("every token of the training texts is unknown to the tokenizer; is this its language?")
    required = special | _characters(tokenizer.vocabulary, counts)
    limit = len(tokenizer.vocabulary) if size is None else size
    if limit < len(required):
        raise BadDataError(
            f"stages.vocabulary.size is {limit}, but {len(required)} special tokens and single characters must stay; "
            "raise it"
        )
    wanted = [token for token, _ in counts.most_common() if token not in required]
    kept = tuple(sorted(required | set(wanted[: limit - len(required)])))
    return Trimmed(
        tokenizer=_over(tokenizer, kept),
        kept=kept,
        coverage=sum(counts[token] for token in kept) / counts.total(),
    )


def whole(tokenizer: TextTokenizer) -> Trimmed:
    """No trimming: every piece stays."""
    return Trimmed(tokenizer=tokenizer, kept=tuple(range(len(tokenizer.vocabulary))), coverage=1.0)


def affected(before: TextTokenizer, after: Trimmed, texts: Sequence[str]) -> float:
    """The share of `texts`' tokens that stand in words which the smaller vocabulary splits otherwise."""
    changed = total = 0
    for old, new in zip(before.encode(texts), after.tokenizer.encode(texts), strict=True):
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


def _special_ids(tokenizer: TextTokenizer) -> set[int]:
    special = {int(token["id"]) for token in tokenizer.definition["added_tokens"]}
    return special | {0, tokenizer.unknown_id}


def _characters(vocabulary: dict[str, int], used: Iterable[int]) -> set[int]:
    """Single characters in both their forms: all of ASCII, and any other that the texts use."""
    seen = set(used)
    characters = set()
    for piece, token in vocabulary.items():
        bare = piece.removeprefix(CONTINUATION)
        if len(bare) == 1 and (bare.isascii() or token in seen):
            characters.add(token)
    return characters


def _over(tokenizer: TextTokenizer, kept: Sequence[int]) -> TextTokenizer:
    definition = copy.deepcopy(tokenizer.definition)
    pieces = {token: piece for piece, token in tokenizer.vocabulary.items()}
    vocabulary = {pieces[old]: new for new, old in enumerate(kept)}
    definition["model"]["vocab"] = vocabulary
    for token in definition["added_tokens"]:
        token["id"] = vocabulary[token["content"]]
    _renumber_around(definition.get("post_processor") or {}, vocabulary)
    return TextTokenizer(json.dumps(definition), max_length=tokenizer.max_length)


def _renumber_around(processor: dict[str, Any], vocabulary: Mapping[str, int]) -> None:
    """Give the tokens put around a text their new ids, in each of the forms that tokenizers write for BERT."""
    for token in processor.get("special_tokens", {}).values():  # TemplateProcessing
        token["ids"] = [vocabulary[piece] for piece in token["tokens"]]
    for name in {"sep", "cls"} & set(processor):  # BertProcessing
        processor[name] = [processor[name][0], vocabulary[processor[name][0]]]
    for part in processor.get("processors", ()):  # Sequence
        _renumber_around(part, vocabulary)
