"""Text to token ids, and which word each token belongs to.

In:  a Hugging Face `tokenizer.json`: WordPiece as BERT has it, byte-level BPE as RoBERTa has it, or a Unigram model as
     SentencePiece trains it (XLM-RoBERTa, ALBERT, DeBERTa).
Out: `Encoded` texts, cut at a maximum length; padding is token 0, for everything downstream fills up with id 0. A
     special token that a text spells is that token, as transformers has it.
Which pieces a smaller vocabulary keeps is `compress.vocabulary`'s decision.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import ClassVar, ParamSpec, Self, TypeAlias, TypeVar

from tokenizers import Tokenizer

from edgewright.errors import BadModelError, ModelError, UnsupportedModelError
from edgewright.modality.encoded import NO_WORD, Encoded, without_last_padding, word_numbers
from edgewright.modality.tokenizer_definition import (
    PADDING_TOKENS,
    definition_over,
    padding_piece,
    padding_section,
    ready_tokenizer,
    space_of,
    with_spaces,
    written_definition,
)
from edgewright.modality.tokenizer_schema import checked_definition, merges_of

Arguments = ParamSpec("Arguments")
Encodings = TypeVar("Encodings")
Item = TypeVar("Item")

CHUNK = 4096
LEAST_REST = 8  # tokens of what is left of a long text

# Texts as they stand, or as lists of words.
TextSequence: TypeAlias = Sequence[str] | Sequence[Sequence[str]]


class TextTokenizer:
    """A tokenizer of one of the `SUPPORTED` kinds whose padding id is 0, cutting texts at `max_length` tokens.

    `definition` is the `tokenizer.json`, but for a Unigram model's pieces: `model.vocab` has their ids as that of the
    other kinds, `model.scores` their scores, and `model.unk_token` the unknown piece.

    Raises `BadModelError`, which calls the definition `place`, when it is damaged; `UnsupportedModelError` for another
    kind, or when its padding is not token 0: `from_definition` renumbers such a one.
    """

    pads: ClassVar[bool] = True  # whether token 0 is padding, and no token of a text

    def __init__(self, definition: str, *, max_length: int, place: str = "tokenizer.json") -> None:
        self.definition = checked_definition(definition, place)
        self.max_length, self.place = max_length, place
        if self.pads and self.vocabulary[padding := padding_piece(self.definition)] != 0:
            raise UnsupportedModelError(
                f"a tokenizer whose {padding} is not token 0", supported=("those with padding first",)
            )
        if sorted(self.vocabulary.values()) != list(range(len(self.vocabulary))):
            raise BadModelError(place, f"the ids of its {len(self.vocabulary)} pieces have gaps")
        self._tokenizer = ready_tokenizer(self.definition, max_length, place)
        self._for_words: Tokenizer | None = None

    @classmethod
    def load(cls, path: Path, *, max_length: int) -> Self:
        """Read a `tokenizer.json`. Raises `BadModelError` when it is missing or damaged."""
        try:
            definition = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise BadModelError(str(path), str(error)) from error
        return cls(definition, max_length=max_length, place=str(path))

    @classmethod
    def from_definition(
        cls, definition: str, *, max_length: int, padding: str | None = None, place: str = "tokenizer.json"
    ) -> tuple[Self, tuple[int, ...]]:
        """The tokenizer renumbered so that padding is token 0, and the order: its id i is the old id `order[i]`.

        The rows of a model's embedding are to be taken in that order. `padding` names the padding token where it has
        another name than BERT's and RoBERTa's (transformers' `pad_token`). Ids that no piece has are closed up.
        Raises what the class does, and `UnsupportedModelError` where there is no padding token.
        """
        checked = checked_definition(definition, place)
        first = padding_piece(checked, padding)
        ready_tokenizer(checked, max_length, place)  # what is damaged is told before it is renumbered
        vocabulary = checked["model"]["vocab"]
        order = (vocabulary[first], *sorted(set(vocabulary.values()) - {vocabulary[first]}))
        renumbered = checked.copy() if order == tuple(range(len(vocabulary))) else definition_over(checked, order)
        usual = next((piece for piece in PADDING_TOKENS if piece in vocabulary), None)
        if renumbered.get("padding") or first != usual:  # nothing else tells the name to who reads the file
            renumbered["padding"] = padding_section(first)
        return cls(written_definition(renumbered), max_length=max_length, place=place), order

    def cut_at(self, max_length: int) -> Self:
        """The same tokenizer, cutting texts at another length."""
        return type(self)(written_definition(self.definition), max_length=max_length, place=self.place)

    def over(self, kept: Sequence[int]) -> Self:
        """The tokenizer that has only these pieces: its id i is this one's `kept[i]`.

        Merges whose parents or result went are gone, the others stay in their order; scores stay as they are. `kept`
        holds padding first, and all special tokens.
        """
        return type(self)(
            written_definition(definition_over(self.definition, kept)), max_length=self.max_length, place=self.place
        )

    def save(self, path: Path) -> None:
        """Write a `tokenizer.json` that any Hugging Face tool reads."""
        path.write_text(written_definition(self.definition, ensure_ascii=False), encoding="utf-8")

    @property
    def vocabulary(self) -> dict[str, int]:
        """Every piece and its id."""
        return self.definition["model"]["vocab"]

    @property
    def merges(self) -> tuple[tuple[str, str], ...] | None:
        """The pairs of pieces that byte-level BPE joins, the earliest first; None for the other kinds."""
        return tuple(merges_of(self.definition)) if self.definition["model"]["type"] == "BPE" else None

    @property
    def scores(self) -> Mapping[str, float] | None:
        """How likely each piece of a Unigram model is, as a logarithm; None for the other kinds."""
        return self.definition["model"].get("scores")

    @property
    def continuation(self) -> str:
        """What WordPiece writes before a piece that does not begin its word; nothing for the other kinds."""
        if self.definition["model"]["type"] != "WordPiece":
            return ""
        return str(self.definition["model"].get("continuing_subword_prefix", "##"))

    @property
    def beginning(self) -> str:
        """What a Unigram model reads in place of a space, and before a word; nothing for the other kinds."""
        return "" if self.scores is None else space_of(self.definition)

    @property
    def special_ids(self) -> frozenset[int]:
        """Padding, the unknown token, and every token that was added to those the texts were learnt from."""
        added = {token["id"] for token in self.definition["added_tokens"]}
        padding = {0} if self.pads else set()
        return frozenset(added | padding | (set() if self.unknown_id is None else {self.unknown_id}))

    @property
    def unknown_id(self) -> int | None:
        """The id of what no known pieces spell; None for byte-level BPE, which spells everything."""
        unknown = self.definition["model"].get("unk_token")
        return None if unknown is None else self.vocabulary.get(unknown)

    def encode(self, texts: Sequence[str]) -> list[Encoded]:
        """Each text as ids and word numbers, with the special tokens around it.

        A word of byte-level BPE is what its pattern parts: the space before a word belongs to it, punctuation and
        endings such as "'t" are words of their own.
        """
        return [
            self._trimmed(Encoded(ids=tuple(encoding.ids), words=word_numbers(encoding.word_ids)))
            for chunk in _chunks(texts)
            for encoding in _asked(self._tokenizer.encode_batch, chunk)
        ]

    def encode_words(self, texts: Sequence[Sequence[str]]) -> list[Encoded]:
        """Texts given as lists of words, each word being one word however its letters and punctuation look.

        `given` maps each token to its word's index. `words` has no gaps, so that given word i has the number i + 1
        behind one special token only where no word before it leaves no token, as "" does. Byte-level BPE reads a
        space before every word, the first one too, as transformers does with add_prefix_space.
        Raises `UnsupportedModelError` where the tokenizer parts a text before that space could be put.
        """
        if self._for_words is None:
            self._for_words = ready_tokenizer(with_spaces(self.definition), self.max_length, self.place)
        return [
            self._trimmed(
                Encoded(
                    ids=tuple(encoding.ids),
                    words=word_numbers(encoding.word_ids),
                    given=tuple(NO_WORD if word is None else word for word in encoding.word_ids),
                )
            )
            for chunk in _chunks(texts)
            for encoding in _asked(self._for_words.encode_batch, [list(words) for words in chunk], is_pretokenized=True)
        ]

    def _trimmed(self, row: Encoded) -> Encoded:
        return without_last_padding(row) if self.pads else row

    def encode_any(self, texts: TextSequence) -> list[Encoded]:
        """`encode` for texts, `encode_words` for lists of words."""
        strings = [text for text in texts if isinstance(text, str)]
        if len(strings) == len(texts):
            return self.encode(strings)
        return self.encode_words([list(text) for text in texts])

    def rest(self, texts: Sequence[str]) -> list[str]:
        """What `encode` leaves out of texts longer than `max_length`, in texts of at most that length.

        Each begins with a whole word. A last bit of fewer than `LEAST_REST` tokens is not worth a text.
        """
        found = []
        for chunk in _chunks(texts):
            for text, encoding in zip(chunk, _asked(self._tokenizer.encode_batch, chunk), strict=True):
                before = encoding
                for part in encoding.overflowing:
                    last = next((word for word in reversed(before.word_ids) if word is not None), None)
                    spans = [
                        span
                        for span, word in zip(part.offsets, part.word_ids, strict=True)
                        if word is not None and word != last
                    ]
                    if len(spans) >= LEAST_REST:
                        found.append(text[spans[0][0] : spans[-1][1]].strip())
                    before = part
        return found

    def counts(self, texts: TextSequence) -> Counter[int]:
        """How often each token stands in these texts, special tokens too, in the order they are first met."""
        counts: Counter[int] = Counter()
        for chunk in _chunks(texts):
            if isinstance(chunk[0], str):  # the many: their words are not asked for
                for encoding in _asked(self._tokenizer.encode_batch_fast, chunk):
                    counts.update(encoding.ids)
            else:
                for row in self.encode_words(chunk):
                    counts.update(row.ids)
        return counts

    def decode(self, ids: Sequence[int]) -> str:
        """The text these tokens spell, without the special tokens."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True))


def _asked(encode: Callable[Arguments, Encodings], *arguments: Arguments.args, **named: Arguments.kwargs) -> Encodings:
    """What the tokenizer makes of texts. Raises `ModelError` where it panics, as Rust does in no `Exception`."""
    try:
        return encode(*arguments, **named)
    except (Exception, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as panic:
        raise ModelError(
            f"the tokenizer gave up on a text: {str(panic)[:200]}; most likely its pattern takes more steps than are "
            "allowed: give shorter texts, or a model with another tokenizer.json"
        ) from panic


def _chunks(texts: Sequence[Item]) -> Iterator[list[Item]]:
    """So many at a time that no more encodings are held than two cores are busy with."""
    waiting = iter(texts)
    while chunk := list(islice(waiting, CHUNK)):
        yield chunk
