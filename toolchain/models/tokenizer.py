"""Text to token ids, and which word each token belongs to.

In:  a Hugging Face `tokenizer.json`.
Out: `Encoded` texts, cut at a maximum length.
Which pieces a smaller vocabulary keeps is `compress.vocabulary`'s decision.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tokenizers import Tokenizer

from toolchain.errors import BadModelError, UnsupportedModelError

PADDING_TOKEN = "[PAD]"


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """One text as token ids, and beside each the number of the word it is part of, counted from 0.

    Special tokens count as words of their own. Two tokenizers with the same rules for words but other pieces agree
    on the words of a text, which is how a student that splits a rare word differently is still compared.
    """

    ids: tuple[int, ...]
    words: tuple[int, ...]


class TextTokenizer:
    """A WordPiece tokenizer whose padding id is 0, cutting texts at `max_length` tokens."""

    def __init__(self, definition: str, *, max_length: int) -> None:
        self.definition: dict[str, Any] = json.loads(definition)
        self.max_length = max_length
        kind = self.definition["model"]["type"]
        if kind != "WordPiece":
            raise UnsupportedModelError(f"a tokenizer of type {kind}", supported=("WordPiece",))
        self._tokenizer = Tokenizer.from_str(definition)
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_length)
        if self._tokenizer.token_to_id(PADDING_TOKEN) != 0:
            raise UnsupportedModelError(f"a tokenizer whose {PADDING_TOKEN} is not token 0", supported=("BERT's",))

    @classmethod
    def load(cls, path: Path, *, max_length: int) -> Self:
        """Read a `tokenizer.json`. Raises `BadModelError` when it is missing or damaged."""
        try:
            return cls(path.read_text(encoding="utf-8"), max_length=max_length)
        except UnsupportedModelError:
            raise
        except Exception as error:  # tokenizers raises a bare Exception; all mean the same here
            raise BadModelError(str(path), str(error)) from error

    def cut_at(self, max_length: int) -> Self:
        """The same tokenizer, cutting texts at another length."""
        return type(self)(json.dumps(self.definition), max_length=max_length)

    def save(self, path: Path) -> None:
        """Write a `tokenizer.json` that any Hugging Face tool reads."""
        path.write_text(json.dumps(self.definition, ensure_ascii=False), encoding="utf-8")

    @property
    def vocabulary(self) -> dict[str, int]:
        """Every piece and its id."""
        pieces: dict[str, int] = self.definition["model"]["vocab"]
        return pieces

    @property
    def unknown_id(self) -> int:
        """The id of a word that no known pieces spell."""
        return self.vocabulary[self.definition["model"]["unk_token"]]

    def encode(self, texts: Sequence[str]) -> list[Encoded]:
        """Each text as ids and word numbers, with the special tokens around it."""
        return [
            Encoded(ids=tuple(encoding.ids), words=_word_numbers(encoding.word_ids))
            for encoding in self._tokenizer.encode_batch(list(texts))
        ]


def _word_numbers(word_ids: Iterable[int | None]) -> tuple[int, ...]:
    numbers: list[int] = []
    previous: int | None = None
    for word in word_ids:
        new = not numbers or word is None or word != previous
        numbers.append((numbers[-1] + 1 if numbers else 0) if new else numbers[-1])
        previous = word
    return tuple(numbers)
