"""Text to token ids, and which word each token belongs to.

In:  a Hugging Face `tokenizer.json`: WordPiece as BERT has it, byte-level BPE as RoBERTa has it, or a Unigram model as
     SentencePiece trains it (XLM-RoBERTa, ALBERT, DeBERTa).
Out: `Encoded` texts, cut at a maximum length; padding is token 0, for everything downstream fills up with id 0. A
     special token that a text spells is that token, as transformers has it.
Which pieces a smaller vocabulary keeps is `compress.vocabulary`'s decision.
"""

import copy
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from math import isfinite
from pathlib import Path
from typing import Any, Self, TypeAlias

from tokenizers import Tokenizer
from tokenizers.pre_tokenizers import ByteLevel

from edgewright.base.untrusted import parse_json
from edgewright.errors import BadModelError, ModelError, UnsupportedModelError

PADDING_TOKENS = ("[PAD]", "<pad>")
SUPPORTED = ("WordPiece (BERT's)", "byte-level BPE (RoBERTa's)", "Unigram (SentencePiece's)")
NO_WORD = -1
CHUNK = 4096
LEAST_REST = 8  # tokens of what is left of a long text

# Texts as they stand, or as lists of words.
TextSequence: TypeAlias = Sequence[str] | Sequence[Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """One text as token ids, and beside each the number of the word it is part of, counted from 0 without gaps.

    Special tokens count as words of their own. Two tokenizers with the same rules for words but other pieces agree
    on the words of a text, which is how a student that splits a rare word differently is still compared.

    A text given as a list of words also tells `given`: for each token the index of its word in that list, `NO_WORD`
    for a special token.
    """

    ids: tuple[int, ...]
    words: tuple[int, ...]
    given: tuple[int, ...] = ()


def first_places(row: Encoded) -> dict[int, int]:
    """Each word of a text that was given as words, and the place of its first piece among the tokens.

    A word behind the maximum length, or one the tokenizer makes nothing of, is not there.
    """
    places: dict[int, int] = {}
    for place, word in enumerate(row.given):
        if word != NO_WORD:
            places.setdefault(word, place)
    return places


class TextTokenizer:
    """A tokenizer of one of the `SUPPORTED` kinds whose padding id is 0, cutting texts at `max_length` tokens.

    `definition` is the `tokenizer.json`, but for a Unigram model's pieces: `model.vocab` has their ids as that of the
    other kinds, `model.scores` their scores, and `model.unk_token` the unknown piece.

    Raises `BadModelError`, which calls the definition `place`, when it is damaged; `UnsupportedModelError` for another
    kind, or when its padding is not token 0: `from_definition` renumbers such a one.
    """

    def __init__(self, definition: str, *, max_length: int, place: str = "tokenizer.json") -> None:
        self.definition = _checked(definition, place)
        self.max_length, self.place = max_length, place
        padding = _padding(self.definition)
        if self.vocabulary[padding] != 0:
            raise UnsupportedModelError(
                f"a tokenizer whose {padding} is not token 0", supported=("those with padding first",)
            )
        if sorted(self.vocabulary.values()) != list(range(len(self.vocabulary))):
            raise BadModelError(place, f"the ids of its {len(self.vocabulary)} pieces have gaps")
        self._tokenizer = _ready(self.definition, max_length, place)
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
        checked = _checked(definition, place)
        first = _padding(checked, padding)
        _ready(checked, max_length, place)  # what is damaged is told before it is renumbered
        vocabulary: dict[str, int] = checked["model"]["vocab"]
        order = (vocabulary[first], *sorted(set(vocabulary.values()) - {vocabulary[first]}))
        renumbered = dict(checked) if order == tuple(range(len(vocabulary))) else _over(checked, order)
        usual = next((piece for piece in PADDING_TOKENS if piece in vocabulary), None)
        if renumbered.get("padding") or first != usual:  # nothing else tells the name to who reads the file
            renumbered["padding"] = _padding_section(first)
        return cls(_written(renumbered), max_length=max_length, place=place), order

    def cut_at(self, max_length: int) -> Self:
        """The same tokenizer, cutting texts at another length."""
        return type(self)(_written(self.definition), max_length=max_length, place=self.place)

    def over(self, kept: Sequence[int]) -> Self:
        """The tokenizer that has only these pieces: its id i is this one's `kept[i]`.

        Merges whose parents or result went are gone, the others stay in their order; scores stay as they are. `kept`
        holds padding first, and all special tokens.
        """
        return type(self)(_written(_over(self.definition, kept)), max_length=self.max_length, place=self.place)

    def save(self, path: Path) -> None:
        """Write a `tokenizer.json` that any Hugging Face tool reads."""
        path.write_text(_written(self.definition, ensure_ascii=False), encoding="utf-8")

    @property
    def vocabulary(self) -> dict[str, int]:
        """Every piece and its id."""
        pieces: dict[str, int] = self.definition["model"]["vocab"]
        return pieces

    @property
    def merges(self) -> tuple[tuple[str, str], ...] | None:
        """The pairs of pieces that byte-level BPE joins, the earliest first; None for the other kinds."""
        return tuple(_merges(self.definition)) if self.definition["model"]["type"] == "BPE" else None

    @property
    def scores(self) -> Mapping[str, float] | None:
        """How likely each piece of a Unigram model is, as a logarithm; None for the other kinds."""
        scores: Mapping[str, float] | None = self.definition["model"].get("scores")
        return scores

    @property
    def continuation(self) -> str:
        """What WordPiece writes before a piece that does not begin its word; nothing for the other kinds."""
        if self.definition["model"]["type"] != "WordPiece":
            return ""
        return str(self.definition["model"].get("continuing_subword_prefix", "##"))

    @property
    def beginning(self) -> str:
        """What a Unigram model reads in place of a space, and before a word; nothing for the other kinds."""
        return "" if self.scores is None else _space(self.definition)

    @property
    def special_ids(self) -> frozenset[int]:
        """Padding, the unknown token, and every token that was added to those the texts were learnt from."""
        added = {int(token["id"]) for token in self.definition["added_tokens"]}
        return frozenset(added | {0} | (set() if self.unknown_id is None else {self.unknown_id}))

    @property
    def unknown_id(self) -> int | None:
        """The id of what no known pieces spell; None for byte-level BPE, which spells everything."""
        return self.vocabulary.get(self.definition["model"].get("unk_token"))

    def encode(self, texts: Sequence[str]) -> list[Encoded]:
        """Each text as ids and word numbers, with the special tokens around it.

        A word of byte-level BPE is what its pattern parts: the space before a word belongs to it, punctuation and
        endings such as "'t" are words of their own.
        """
        return [
            _without_last_padding(Encoded(ids=tuple(encoding.ids), words=_word_numbers(encoding.word_ids)))
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
            self._for_words = _ready(_with_spaces(self.definition), self.max_length, self.place)
        return [
            _without_last_padding(
                Encoded(
                    ids=tuple(encoding.ids),
                    words=_word_numbers(encoding.word_ids),
                    given=tuple(NO_WORD if word is None else word for word in encoding.word_ids),
                )
            )
            for chunk in _chunks(texts)
            for encoding in _asked(self._for_words.encode_batch, [list(words) for words in chunk], is_pretokenized=True)
        ]

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


def _asked(encode: Callable[..., Any], chunk: Any, **options: Any) -> Any:
    """What the tokenizer makes of texts. Raises `ModelError` where it panics, as Rust does in no `Exception`."""
    try:
        return encode(chunk, **options)
    except (Exception, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as panic:
        raise ModelError(
            f"the tokenizer gave up on a text: {str(panic)[:200]}; most likely its pattern takes more steps than are "
            "allowed: give shorter texts, or a model with another tokenizer.json"
        ) from panic


def byte_symbols() -> frozenset[str]:
    """The 256 characters that stand for bytes in the pieces of byte-level BPE."""
    return frozenset(ByteLevel.alphabet())


def _without_last_padding(row: Encoded) -> Encoded:
    """The same without padding tokens at its end, which a text spells and no special token follows.

    A model that is given its text filled up could not tell these from what it is filled up with.
    """
    count = len(row.ids)
    while count > 1 and row.ids[count - 1] == 0:
        count -= 1
    if count == len(row.ids):
        return row
    return Encoded(ids=row.ids[:count], words=row.words[:count], given=row.given[:count])


def _checked(text: str, place: str) -> dict[str, Any]:
    """The definition with every added token in its vocabulary; tokenizers itself panics at some faults told here."""
    definition: dict[str, Any] = parse_json(
        text, name=place, error=lambda at, what: BadModelError(place, f"{at} {what}")
    )
    model = definition.get("model") if isinstance(definition, dict) else None
    if not isinstance(model, dict) or not isinstance(model.get("type"), str):
        raise BadModelError(place, "it says no model.type")
    definition["added_tokens"] = added = definition.get("added_tokens") or []
    if not isinstance(added, list):
        raise BadModelError(place, "its added_tokens are not a list")
    _check_kind(definition)
    if model["type"] == "Unigram":
        _name_pieces(model, place)
    vocabulary = model.get("vocab")
    if not (isinstance(vocabulary, dict) and vocabulary and all(type(token) is int for token in vocabulary.values())):
        raise BadModelError(place, "its model.vocab is not pieces with their ids")
    for token in added:
        if not (isinstance(token, dict) and isinstance(token.get("content"), str) and type(token.get("id")) is int):
            raise BadModelError(place, "an added token lacks its content or its id")
        token["id"] = vocabulary.setdefault(token["content"], token["id"])
    if len(set(vocabulary.values())) < len(vocabulary) or min(vocabulary.values()) < 0:
        raise BadModelError(place, "two pieces of its vocabulary have the same id, or one is below 0")
    unknown = model.get("unk_token")
    if not (unknown is None or isinstance(unknown, str)) or (model["type"] != "BPE" and unknown not in vocabulary):
        raise BadModelError(place, f"its unknown token {unknown!r} is not in its vocabulary")
    if model["type"] == "BPE":
        model["dropout"] = None  # for training the tokenizer's model: it would split a text otherwise each time
        _check_merges(definition, place)
    return definition


def _name_pieces(model: dict[str, Any], place: str) -> None:
    """Give a Unigram model the form of the others: pieces with their ids, and scores apart."""
    try:
        pieces = [(piece, float(score)) for piece, score in model["vocab"]]
        unknown = pieces[model["unk_id"]][0]
        if not all(isinstance(piece, str) and isfinite(score) for piece, score in pieces):
            raise TypeError
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise BadModelError(place, "its model is not pieces with their scores, one of them the unknown") from error
    # Of a piece that is there twice the later counts, as in the library.
    model["vocab"] = {piece: token for token, (piece, _) in enumerate(pieces)}
    model["scores"], model["unk_token"] = dict(pieces), unknown


def _written(definition: Mapping[str, Any], *, ensure_ascii: bool = True) -> str:
    """The definition as a `tokenizer.json` has it, the pieces of a Unigram model in the order of their ids.

    An added token that is none of its pieces has the score of the least likely one: what the unknown costs, which is
    counted from the least, stays as it was.
    """
    model = definition["model"]
    if model["type"] == "Unigram":
        scores, vocabulary = model["scores"], model["vocab"]
        least, order = min(scores.values()), sorted(vocabulary, key=vocabulary.__getitem__)
        model = {name: value for name, value in model.items() if name not in ("scores", "unk_token")}
        model["vocab"] = [[piece, scores.get(piece, least)] for piece in order]
        model["unk_id"] = order.index(definition["model"]["unk_token"])
    return json.dumps({**definition, "model": model}, ensure_ascii=ensure_ascii)


def _check_kind(definition: Mapping[str, Any]) -> None:
    model = definition["model"]
    kind, odd = model["type"], ""
    if kind == "BPE":
        if model.get("byte_fallback"):
            odd = " with byte_fallback (SentencePiece's)"
        elif not any(part.get("type") == "ByteLevel" for part in _pre_tokenizers(definition)):
            odd = " without a ByteLevel pre-tokenizer"
        elif model.get("continuing_subword_prefix") or model.get("end_of_word_suffix"):
            odd = " that marks the beginning or end of words"
    if kind == "Unigram" and not any(
        part.get("type") == "Metaspace" and part.get("split", True) for part in _pre_tokenizers(definition)
    ):
        odd = " without a Metaspace pre-tokenizer that parts words"
    if odd or kind not in ("WordPiece", "BPE", "Unigram"):
        raise UnsupportedModelError(f"a tokenizer of type {kind}{odd}", supported=SUPPORTED)


def _check_merges(definition: Mapping[str, Any], place: str) -> None:
    vocabulary = definition["model"]["vocab"]
    try:
        merges = list(_merges(definition))
        unknown = [pair for pair in merges if not {*pair, "".join(pair)} <= vocabulary.keys()]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadModelError(place, "its model.merges are not pairs of pieces") from error
    if unknown:
        raise BadModelError(place, f"it merges {' and '.join(unknown[0])}, which its vocabulary lacks")


def _merges(definition: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for pair in definition["model"]["merges"]:
        left, right = pair.split(" ") if isinstance(pair, str) else pair  # older files write "left right"
        yield left, right


def _pre_tokenizers(definition: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = definition.get("pre_tokenizer")
    parts = found.get("pretokenizers", [found]) if isinstance(found, dict) else []
    return [part for part in parts if isinstance(part, dict)]


def _space(definition: Mapping[str, Any]) -> str:
    """What a Unigram model has in place of a space."""
    return str(next(part["replacement"] for part in _pre_tokenizers(definition) if part.get("type") == "Metaspace"))


def _with_spaces(definition: dict[str, Any]) -> dict[str, Any]:
    """The tokenizer that reads a space before each word it is given; Unigram's pre-tokenizer does that itself."""
    if definition["model"]["type"] != "BPE":
        return definition
    spaced = copy.deepcopy(definition)
    parts = _pre_tokenizers(spaced)
    (byte_level, *_) = [part for part in parts if part.get("type") == "ByteLevel"]
    if not byte_level.get("add_prefix_space"):
        if parts[0] is not byte_level:
            raise UnsupportedModelError(
                "a list of words for a tokenizer that parts texts before its ByteLevel step, without add_prefix_space",
                supported=("tokenizers made with add_prefix_space=True", "those whose first step is ByteLevel"),
            )
        byte_level["add_prefix_space"] = True
    return spaced


def _padding(definition: Mapping[str, Any], named: str | None = None) -> str:
    """The padding token: the one named, else the one the definition pads with, else BERT's or RoBERTa's."""
    vocabulary = definition["model"]["vocab"]
    section = definition.get("padding")
    told = named or (section.get("pad_token") if isinstance(section, dict) else None)
    for piece in (told,) if told else PADDING_TOKENS:
        if piece in vocabulary:
            return str(piece)
    what = f"a tokenizer that lacks its padding token {told}" if told else "a tokenizer without a padding token"
    raise UnsupportedModelError(what, supported=(f"tokenizers with {' or '.join(PADDING_TOKENS)}", "a named pad_token"))


def _padding_section(piece: str) -> dict[str, Any]:
    return {
        "strategy": "BatchLongest",
        "direction": "Right",
        "pad_to_multiple_of": None,
        "pad_id": 0,
        "pad_type_id": 0,
        "pad_token": piece,
    }


def _over(definition: Mapping[str, Any], kept: Sequence[int]) -> dict[str, Any]:
    changed: dict[str, Any] = copy.deepcopy({name: part for name, part in definition.items() if name != "model"})
    changed["model"] = model = dict(definition["model"])
    pieces = {token: piece for piece, token in model["vocab"].items()}
    model["vocab"] = vocabulary = {pieces[old]: new for new, old in enumerate(kept)}
    if model["type"] == "Unigram":
        least = min(model["scores"].values())
        model["scores"] = {piece: model["scores"].get(piece, least) for piece in vocabulary}
    if model["type"] == "BPE":
        model["merges"] = [
            [left, right]
            for left, right in _merges(definition)
            if left in vocabulary and right in vocabulary and left + right in vocabulary
        ]
    for token in changed["added_tokens"]:
        token["id"] = vocabulary[token["content"]]
    changed["added_tokens"].sort(key=lambda token: token["id"])
    if changed.get("padding"):
        changed["padding"] = {**changed["padding"], "pad_id": vocabulary[changed["padding"]["pad_token"]]}
    _renumber_around(changed.get("post_processor") or {}, vocabulary)
    return changed


def _renumber_around(processor: dict[str, Any], vocabulary: Mapping[str, int]) -> None:
    """Give the tokens put around a text their new ids, in each of the forms that tokenizers write."""
    for token in processor.get("special_tokens", {}).values():  # TemplateProcessing
        token["ids"] = [vocabulary[piece] for piece in token["tokens"]]
    for name in {"sep", "cls"} & set(processor):  # BertProcessing, RobertaProcessing
        processor[name] = [processor[name][0], vocabulary[processor[name][0]]]
    for part in processor.get("processors", ()):  # Sequence
        _renumber_around(part, vocabulary)


def _ready(definition: Mapping[str, Any], max_length: int, place: str) -> Tokenizer:
    try:
        tokenizer = Tokenizer.from_str(_written(definition))
        tokenizer.no_padding()
        tokenizer.enable_truncation(max_length)
    except Exception as error:  # tokenizers raises a bare Exception; all mean the same here
        raise BadModelError(place, str(error)) from error
    lacking = sorted(_around(definition.get("post_processor") or {}) - set(definition["model"]["vocab"]))
    if lacking:
        raise BadModelError(place, f"it puts {lacking[0]} around a text, which its vocabulary or template lacks")
    return tokenizer


def _around(processor: Mapping[str, Any]) -> set[str]:
    """The tokens a post-processor of any form puts around a text; those a template does not explain as "<…?>"."""
    explained = processor.get("special_tokens") or {}
    found = {piece for token in explained.values() for piece in token["tokens"]}
    found |= {processor[name][0] for name in {"sep", "cls"} & set(processor)}
    for part in (*(processor.get("single") or ()), *(processor.get("pair") or ())):
        if "SpecialToken" in part and part["SpecialToken"]["id"] not in explained:
            found.add(f"<{part['SpecialToken']['id']}?>")
    return found.union(*map(_around, processor.get("processors", ())))


def _chunks(texts: Sequence[Any]) -> Iterator[list[Any]]:
    """So many at a time that no more encodings are held than two cores are busy with."""
    waiting = iter(texts)
    while chunk := list(islice(waiting, CHUNK)):
        yield chunk


def _word_numbers(word_ids: Iterable[int | None]) -> tuple[int, ...]:
    numbers: list[int] = []
    previous: int | None = None
    for word in word_ids:
        new = not numbers or word is None or word != previous
        numbers.append((numbers[-1] + 1 if numbers else 0) if new else numbers[-1])
        previous = word
    return tuple(numbers)
