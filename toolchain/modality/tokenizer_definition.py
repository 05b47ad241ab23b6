"""A tokenizer's definition renumbered, cut to fewer pieces, written again, and made the library's tokenizer.

In:  a `Definition`, as `tokenizer_schema` checks it.
Out: another one, a `tokenizer.json`, or a tokenizer. What it makes of texts is `tokenizer`'s concern.
"""

import copy
import json
from collections.abc import Mapping, Sequence
from typing import cast

from tokenizers import Tokenizer
from tokenizers.pre_tokenizers import ByteLevel

from edgewright.errors import BadModelError, UnsupportedModelError
from edgewright.modality.tokenizer_schema import (
    AROUND,
    Definition,
    Padding,
    PostProcessor,
    merges_of,
    pre_tokenizers,
)

PADDING_TOKENS = ("[PAD]", "<pad>")


def written_definition(definition: Definition, *, ensure_ascii: bool = True) -> str:
    """The definition as a `tokenizer.json` has it, the pieces of a Unigram model in the order of their ids.

    An added token that is none of its pieces has the score of the least likely one: what the unknown costs, which is
    counted from the least, stays as it was.
    """
    model = definition["model"]
    if model["type"] == "Unigram":
        scores, vocabulary = model["scores"], model["vocab"]
        least, order = min(scores.values()), sorted(vocabulary, key=vocabulary.__getitem__)
        unknown = order.index(model["unk_token"] or "")
        others = {name: value for name, value in model.items() if name not in ("scores", "unk_token")}
        pieces = [[piece, scores.get(piece, least)] for piece in order]
        return _written(definition, {**others, "vocab": pieces, "unk_id": unknown}, ensure_ascii=ensure_ascii)
    return _written(definition, model, ensure_ascii=ensure_ascii)


def _written(definition: Definition, model: Mapping[str, object], *, ensure_ascii: bool) -> str:
    return json.dumps({**definition, "model": model}, ensure_ascii=ensure_ascii)


def space_of(definition: Definition) -> str:
    """What a Unigram model has in place of a space."""
    return str(next(part["replacement"] for part in pre_tokenizers(definition) if part.get("type") == "Metaspace"))


def with_spaces(definition: Definition) -> Definition:
    """The tokenizer that reads a space before each word it is given; Unigram's pre-tokenizer does that itself."""
    if definition["model"]["type"] != "BPE":
        return definition
    spaced = copy.deepcopy(definition)
    parts = pre_tokenizers(spaced)
    (byte_level, *_) = [part for part in parts if part.get("type") == "ByteLevel"]
    if not byte_level.get("add_prefix_space"):
        if parts[0] is not byte_level:
            raise UnsupportedModelError(
                "a list of words for a tokenizer that parts texts before its ByteLevel step, without add_prefix_space",
                supported=("tokenizers made with add_prefix_space=True", "those whose first step is ByteLevel"),
            )
        byte_level["add_prefix_space"] = True
    return spaced


def padding_piece(definition: Definition, named: str | None = None) -> str:
    """The padding token: the one named, else the one the definition pads with, else BERT's or RoBERTa's."""
    vocabulary = definition["model"]["vocab"]
    section = definition.get("padding")
    wanted = named or (section.get("pad_token") if isinstance(section, dict) else None)
    for piece in (wanted,) if wanted else PADDING_TOKENS:
        if piece in vocabulary:
            return str(piece)
    what = f"a tokenizer that lacks its padding token {wanted}" if wanted else "a tokenizer without a padding token"
    raise UnsupportedModelError(what, supported=(f"tokenizers with {' or '.join(PADDING_TOKENS)}", "a named pad_token"))


def padding_section(piece: str) -> Padding:
    """What a `tokenizer.json` says of padding with a piece that is token 0."""
    return {
        "strategy": "BatchLongest",
        "direction": "Right",
        "pad_to_multiple_of": None,
        "pad_id": 0,
        "pad_type_id": 0,
        "pad_token": piece,
    }


def definition_over(definition: Definition, kept: Sequence[int]) -> Definition:
    """The definition that has only these pieces: its id i is the old one's `kept[i]`."""
    changed = cast(Definition, copy.deepcopy({name: part for name, part in definition.items() if name != "model"}))
    changed["model"] = model = definition["model"].copy()
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
    if padding := changed.get("padding"):
        changed["padding"] = {**padding, "pad_id": vocabulary[padding["pad_token"]]}
    _renumber_around(changed.get("post_processor") or {}, vocabulary)
    return changed


def _renumber_around(processor: PostProcessor, vocabulary: Mapping[str, int]) -> None:
    """Give the tokens put around a text their new ids, in each of the forms that tokenizers write."""
    for token in processor.get("special_tokens", {}).values():  # TemplateProcessing
        token["ids"] = [vocabulary[piece] for piece in token["tokens"]]
    for name in AROUND:  # BertProcessing, RobertaProcessing
        if name in processor:
            piece, *_ = processor[name]
            processor[name] = [piece, vocabulary[str(piece)]]
    for part in processor.get("processors", ()):  # Sequence
        _renumber_around(part, vocabulary)


def ready_tokenizer(definition: Definition, max_length: int, place: str) -> Tokenizer:
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


def _around(processor: PostProcessor) -> set[str]:
    """The tokens a post-processor of any form puts around a text; those a template does not explain as "<…?>"."""
    explained = processor.get("special_tokens") or {}
    found = {piece for token in explained.values() for piece in token["tokens"]}
    found |= {str(processor[name][0]) for name in AROUND if name in processor}
    for part in (*(processor.get("single") or ()), *(processor.get("pair") or ())):
        if "SpecialToken" in part and part["SpecialToken"]["id"] not in explained:
            found.add(f"<{part['SpecialToken']['id']}?>")
    return found.union(*map(_around, processor.get("processors", ())))


def byte_symbols() -> frozenset[str]:
    """The 256 characters that stand for bytes in the pieces of byte-level BPE."""
    return frozenset(ByteLevel.alphabet())
