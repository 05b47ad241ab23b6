"""What a `tokenizer.json` holds, as typed values; what of it is damaged or not supported is refused.

In:  the text of a definition.
Out: its `Definition`, in one form for WordPiece, byte-level BPE and Unigram: `model.vocab` has pieces with their ids,
     and for Unigram `model.scores` their scores. Changing it is `tokenizer_definition`'s concern.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from typing import Literal, NotRequired, Required, TypedDict, cast

from edgewright.base.json_values import JsonObject, JsonValue, as_integer, as_list
from edgewright.base.untrusted import parse_json
from edgewright.errors import BadModelError, InvalidFileError, UnsupportedModelError

SUPPORTED = ("WordPiece (BERT's)", "byte-level BPE (RoBERTa's)", "Unigram (SentencePiece's)")
AROUND: tuple[Literal["sep", "cls"], ...] = ("sep", "cls")


class AddedToken(TypedDict):
    """A token that was added to those the model was trained with."""

    content: str
    id: int
    special: NotRequired[bool]


class TokenizerModel(TypedDict, total=False):
    """What parts words into pieces. `vocab` has the pieces with their ids; a Unigram model's scores lie beside them."""

    type: Required[str]
    vocab: Required[dict[str, int]]
    scores: dict[str, float]
    unk_token: str | None
    merges: list[list[str] | str]
    byte_fallback: bool
    continuing_subword_prefix: str | None
    end_of_word_suffix: str | None


class SpecialToken(TypedDict):
    """One name of a template, and the tokens that stand for it."""

    tokens: list[str]
    ids: list[int]


class NamedToken(TypedDict):
    """A place of a template where a special token goes."""

    id: str


class PostProcessor(TypedDict, total=False):
    """What puts tokens around a text: a template, BERT's or RoBERTa's pair of them, or a sequence of such."""

    special_tokens: dict[str, SpecialToken]
    single: list[dict[str, NamedToken]]
    pair: list[dict[str, NamedToken]]
    sep: list[str | int]
    cls: list[str | int]
    processors: list["PostProcessor"]


class Padding(TypedDict, total=False):
    """How texts of a batch are made equally long."""

    strategy: str
    direction: str
    pad_to_multiple_of: int | None
    pad_id: int
    pad_type_id: int
    pad_token: str


class Definition(TypedDict, total=False):
    """A `tokenizer.json`, as far as it is read or changed here; what else it has stays as it is."""

    model: Required[TokenizerModel]
    added_tokens: Required[list[AddedToken]]
    post_processor: PostProcessor | None
    padding: Padding | None


def checked_definition(text: str, place: str) -> Definition:
    """The definition with every added token in its vocabulary; tokenizers itself panics at some faults told here."""
    values: JsonValue = parse_json(text, name=place, error=lambda at, what: BadModelError(place, f"{at} {what}"))
    model = values.get("model") if isinstance(values, dict) else None
    if not (isinstance(values, dict) and isinstance(model, dict) and isinstance(model.get("type"), str)):
        raise BadModelError(place, "it says no model.type")
    values["added_tokens"] = added = values.get("added_tokens") or []
    if not isinstance(added, list):
        raise BadModelError(place, "its added_tokens are not a list")
    definition = cast(Definition, values)
    _check_kind(definition)
    if model["type"] == "Unigram":
        _name_pieces(model, place)
    vocabulary = _vocabulary_of(model, added, place)
    unknown = model.get("unk_token")
    if not (unknown is None or isinstance(unknown, str)) or (model["type"] != "BPE" and unknown not in vocabulary):
        raise BadModelError(place, f"its unknown token {unknown!r} is not in its vocabulary")
    if model["type"] == "BPE":
        model["dropout"] = None  # for training the tokenizer's model: it would split a text otherwise each time
        _check_merges(definition, place)
    return definition


def _vocabulary_of(model: JsonObject, added: Sequence[JsonValue], place: str) -> dict[str, int]:
    """The pieces with their ids, each added token among them, whose own ids are made the same."""
    pieces = model.get("vocab")
    if not (isinstance(pieces, dict) and pieces and all(type(token) is int for token in pieces.values())):
        raise BadModelError(place, "its model.vocab is not pieces with their ids")
    vocabulary = cast(dict[str, int], pieces)
    for token in added:
        content, number = (token.get("content"), token.get("id")) if isinstance(token, dict) else (None, None)
        if not (isinstance(token, dict) and isinstance(content, str) and type(number) is int):
            raise BadModelError(place, "an added token lacks its content or its id")
        token["id"] = vocabulary.setdefault(content, number)
    if len(set(vocabulary.values())) < len(vocabulary) or min(vocabulary.values()) < 0:
        raise BadModelError(place, "two pieces of its vocabulary have the same id, or one is below 0")
    return vocabulary


def _name_pieces(model: dict[str, JsonValue], place: str) -> None:
    """Give a Unigram model the form of the others: pieces with their ids, and scores apart."""
    try:
        pieces = [_scored_piece(entry) for entry in as_list(model["vocab"], place, "model", "vocab")]
        unknown = pieces[as_integer(model["unk_id"], place, "model", "unk_id")][0]
    except (InvalidFileError, KeyError, TypeError, IndexError) as error:
        raise BadModelError(place, "its model is not pieces with their scores, one of them the unknown") from error
    # Of a piece that is there twice the later counts, as in the library.
    model["vocab"] = {piece: token for token, (piece, _) in enumerate(pieces)}
    model["scores"], model["unk_token"] = dict(pieces), unknown


def _scored_piece(entry: JsonValue) -> tuple[str, float]:
    if isinstance(entry, list) and len(entry) == 2:
        piece, score = entry
        if isinstance(piece, str) and isinstance(score, int | float) and isfinite(score):
            return piece, float(score)
    raise TypeError("no piece with its score")


def _check_kind(definition: Definition) -> None:
    model = definition["model"]
    kind, odd = model["type"], ""
    if kind == "BPE":
        if model.get("byte_fallback"):
            odd = " with byte_fallback (SentencePiece's)"
        elif not any(part.get("type") == "ByteLevel" for part in pre_tokenizers(definition)):
            odd = " without a ByteLevel pre-tokenizer"
        elif model.get("continuing_subword_prefix") or model.get("end_of_word_suffix"):
            odd = " that marks the beginning or end of words"
    if kind == "Unigram" and not any(
        part.get("type") == "Metaspace" and part.get("split", True) for part in pre_tokenizers(definition)
    ):
        odd = " without a Metaspace pre-tokenizer that parts words"
    if odd or kind not in ("WordPiece", "BPE", "Unigram"):
        raise UnsupportedModelError(f"a tokenizer of type {kind}{odd}", supported=SUPPORTED)


def _check_merges(definition: Definition, place: str) -> None:
    vocabulary = definition["model"]["vocab"]
    try:
        merges = list(merges_of(definition))
        unknown = [pair for pair in merges if not {*pair, "".join(pair)} <= vocabulary.keys()]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadModelError(place, "its model.merges are not pairs of pieces") from error
    if unknown:
        raise BadModelError(place, f"it merges {' and '.join(unknown[0])}, which its vocabulary lacks")


def merges_of(definition: Definition) -> Iterator[tuple[str, str]]:
    """The pairs of pieces that byte-level BPE joins, the earliest first."""
    for pair in definition["model"]["merges"]:
        left, right = pair.split(" ") if isinstance(pair, str) else pair  # older files write "left right"
        yield left, right


def pre_tokenizers(definition: Definition) -> list[dict[str, JsonValue]]:
    """The steps that part a text into words."""
    values: Mapping[str, object] = definition
    found = values.get("pre_tokenizer")
    parts = found.get("pretokenizers", [found]) if isinstance(found, dict) else []
    return [part for part in parts if isinstance(part, dict)]
