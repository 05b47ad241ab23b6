"""A tokenizer as a `tokenizer.json` defines it: checked, renumbered, cut to fewer pieces and written again.

In:  the text of a definition.
Out: its values, in one form for WordPiece, byte-level BPE and Unigram: `model.vocab` has pieces with their ids, and
     for Unigram `model.scores` their scores. What it makes of texts is `tokenizer`'s concern.
"""

import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from typing import Any

from tokenizers import Tokenizer
from tokenizers.pre_tokenizers import ByteLevel

from edgewright.base.untrusted import parse_json
from edgewright.errors import BadModelError, UnsupportedModelError

PADDING_TOKENS = ("[PAD]", "<pad>")
SUPPORTED = ("WordPiece (BERT's)", "byte-level BPE (RoBERTa's)", "Unigram (SentencePiece's)")


def checked_definition(text: str, place: str) -> dict[str, Any]:
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


def written_definition(definition: Mapping[str, Any], *, ensure_ascii: bool = True) -> str:
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
        merges = list(merges_of(definition))
        unknown = [pair for pair in merges if not {*pair, "".join(pair)} <= vocabulary.keys()]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadModelError(place, "its model.merges are not pairs of pieces") from error
    if unknown:
        raise BadModelError(place, f"it merges {' and '.join(unknown[0])}, which its vocabulary lacks")


def merges_of(definition: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The pairs of pieces that byte-level BPE joins, the earliest first."""
    for pair in definition["model"]["merges"]:
        left, right = pair.split(" ") if isinstance(pair, str) else pair  # older files write "left right"
        yield left, right


def _pre_tokenizers(definition: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = definition.get("pre_tokenizer")
    parts = found.get("pretokenizers", [found]) if isinstance(found, dict) else []
    return [part for part in parts if isinstance(part, dict)]


def space_of(definition: Mapping[str, Any]) -> str:
    """What a Unigram model has in place of a space."""
    return str(next(part["replacement"] for part in _pre_tokenizers(definition) if part.get("type") == "Metaspace"))


def with_spaces(definition: dict[str, Any]) -> dict[str, Any]:
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


def padding_piece(definition: Mapping[str, Any], named: str | None = None) -> str:
    """The padding token: the one named, else the one the definition pads with, else BERT's or RoBERTa's."""
    vocabulary = definition["model"]["vocab"]
    section = definition.get("padding")
    told = named or (section.get("pad_token") if isinstance(section, dict) else None)
    for piece in (told,) if told else PADDING_TOKENS:
        if piece in vocabulary:
            return str(piece)
    what = f"a tokenizer that lacks its padding token {told}" if told else "a tokenizer without a padding token"
    raise UnsupportedModelError(what, supported=(f"tokenizers with {' or '.join(PADDING_TOKENS)}", "a named pad_token"))


def padding_section(piece: str) -> dict[str, Any]:
    """What a `tokenizer.json` says of padding with a piece that is token 0."""
    return {
        "strategy": "BatchLongest",
        "direction": "Right",
        "pad_to_multiple_of": None,
        "pad_id": 0,
        "pad_type_id": 0,
        "pad_token": piece,
    }


def definition_over(definition: Mapping[str, Any], kept: Sequence[int]) -> dict[str, Any]:
    """The definition that has only these pieces: its id i is the old one's `kept[i]`."""
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
            for left, right in merges_of(definition)
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


def ready_tokenizer(definition: Mapping[str, Any], max_length: int, place: str) -> Tokenizer:
    """The library's tokenizer, cutting at `max_length`, without padding. Raises `BadModelError` for a damaged one."""
    try:
        tokenizer = Tokenizer.from_str(written_definition(definition))
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


def byte_symbols() -> frozenset[str]:
    """The 256 characters that stand for bytes in the pieces of byte-level BPE."""
    return frozenset(ByteLevel.alphabet())
