"""Find and read the decoder that a recipe names.

In:  a recipe's `[model]` section: a folder, a hub id, an installed package, a GGUF file or a factory.
Out: a `DecoderTeacher`: the model in Edgewright's own form, its tokenizer, and what it says of how texts end.
Encoders of texts are `teacher`'s concern.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor

from edgewright.errors import BadModelError, InputError, UnsupportedModelError
from edgewright.modality.chat_template import ChatTemplate
from edgewright.modality.decoder_tokenizer import DecoderTokenizer
from edgewright.models.decoder import DecoderModel
from edgewright.models.decoder_capabilities import with_vocabulary
from edgewright.models.decoder_layouts import DECODERS, REMEDY, decoder_family
from edgewright.models.decoder_loading import from_transformers, shape_of
from edgewright.models.decoder_shape import DecoderShape
from edgewright.models.gguf_files import NOTE, gguf_in, read_facts, read_gguf, tokenizer_of
from edgewright.models.inputs import TextInputs
from edgewright.models.pretrained import call_factory, configured, pretrained, pretrained_tokenizer
from edgewright.models.reference import Reference, named
from edgewright.models.refusals import CAUSAL_TEXT
from edgewright.models.source import (
    check,
    check_tokenizer,
    described_in,
    local_folder,
    root_folder,
    side_file,
    weights_bytes,
)
from edgewright.models.transformers_types import CONFIG, config_of
from edgewright.specs.recipe import ModelSource

Own: TypeAlias = Any  # transformers' models and tokenizers, whose attributes differ from type to type
COMPARED_TOKENS = 64  # of each text; all logits of both sides are held at once
INNER = {"llama": "model", "gpt2": "transformer"}  # the attribute by which a model holds all but its output table


@dataclass(frozen=True, kw_only=True)
class DecoderTeacher:
    """What compression starts from, and how large it was as it came.

    `ends` are the tokens that end a text, `before` those that are put before one. `chat_template` makes one text of
    messages, where the tokenizer has such. `notes` say what was decided. `reference` compares
    logits with the model's own library, where it has one.
    """

    model: DecoderModel
    tokenizer: DecoderTokenizer
    parameters_count: int
    size_bytes: int
    ends: tuple[int, ...] = ()
    before: tuple[int, ...] = ()
    chat_template: ChatTemplate | None = None
    notes: tuple[str, ...] = ()
    reference: Reference[str] | None = None


def load(source: ModelSource, *, max_length: int) -> DecoderTeacher:
    """Read the teacher for texts of at most `max_length` tokens, what it goes on with among them.

    Raises `BadModelError` for what cannot be read, `UnsupportedModelError` for a type or a setting Edgewright does not
    know, `InputError` for a `max_length` that the model has no positions for.
    """
    found = _found(source)
    original, tokenizer = found.model, found.tokenizer
    whole = original if isinstance(original, DecoderModel) else from_transformers(original)
    _require_positions({"task.max_length": max_length}, whole.shape.positions)
    own, order = _tokenizer(found, whole.shape, max_length)
    model = with_vocabulary(whole.with_positions(max_length), order).eval()
    parameters_count = sum(parameter.numel() for parameter in original.parameters())
    reference = None if isinstance(original, DecoderModel) else _reference(original, tokenizer, model, own, order)
    return DecoderTeacher(
        model=model,
        tokenizer=own,
        parameters_count=parameters_count,
        size_bytes=found.size_bytes or 4 * parameters_count,
        ends=_ends(original, tokenizer, order),
        before=own.before,
        chat_template=_chat_template(tokenizer),
        notes=(*found.notes, *_notes(whole.shape, order)),
        reference=reference,
    )


def check_source(source: ModelSource, *, lengths: Mapping[str, int]) -> None:
    """Refuse what `load` would, by small files alone where there are such, and by what a factory makes.

    `lengths` are the tokens that a recipe asks for, by the names of its settings. Raises as `load` does.
    """
    if source.factory:
        original = _made(source).model
        if isinstance(original, DecoderModel):
            _require_positions(lengths, original.shape.positions)
            return
        decoder_family(str(original.config.model_type))
        _require_positions(lengths, _positions_of(original.config.to_dict()))
        return
    if path := gguf_in(root_folder(source)):
        read_facts(path)
        return
    check(source, CAUSAL_TEXT)
    check_tokenizer(source)
    _require_positions(lengths, _positions_of(described_in(source, CONFIG) or {}))
    if (file := side_file(source, "tokenizer.json")) is not None:
        DecoderTokenizer.of_model(_text_of(file), max_length=max(lengths.values()), place=str(file))


def planned_shape(source: ModelSource) -> DecoderShape:
    """The sizes of the teacher: by its configuration alone, or of what a factory makes.

    Raises as `load` does, and `InputError` for a GGUF file, whose sizes are known once it is read.
    """
    if source.factory:
        original = _made(source).model
        return original.shape if isinstance(original, DecoderModel) else shape_of(config_of(original))
    if path := gguf_in(root_folder(source)):
        raise InputError(f"sizes of {path} are known once it is read; build it and predict the bundle")
    return shape_of(configured(source, CAUSAL_TEXT))


def _positions_of(described: Mapping[str, object]) -> int | None:
    """The most tokens that a configuration says a model reads; None where it does not say."""
    most = described.get("max_position_embeddings", described.get("n_positions"))
    return most if isinstance(most, int) else None


def _require_positions(lengths: Mapping[str, int], most: int | None) -> None:
    for setting, asked in lengths.items():
        if most is not None and asked > most:
            raise InputError(f"{setting} is {asked}, but the model reads at most {most} tokens; lower it")


def _text_of(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadModelError(str(file), str(error)) from error


@dataclass(frozen=True, kw_only=True)
class _Found:
    """A model as it came, its tokenizer, and what messages call their place."""

    model: Own
    tokenizer: Own
    place: str
    size_bytes: int = 0
    notes: tuple[str, ...] = ()


def _found(source: ModelSource) -> _Found:
    if source.factory:
        return _made(source)
    if path := gguf_in(root_folder(source)):
        file = read_facts(path)
        original, tokenizer = read_gguf(file), tokenizer_of(file)
        size, place = path.stat().st_size, str(path)
        return _Found(model=original, tokenizer=tokenizer, place=place, size_bytes=size, notes=(file.note,))
    check_tokenizer(source)
    read = pretrained(
        source,
        auto="AutoModelForCausalLM",
        modality=CAUSAL_TEXT,
        wrapped=lambda name: INNER[decoder_family(name)],
    )
    place = str(local_folder(source) or source.hub)
    if read.new:
        raise BadModelError(place, f"its weights lack {read.new[0]}")
    size = weights_bytes(source, 0)
    return _Found(model=read.model, tokenizer=pretrained_tokenizer(source), place=place, size_bytes=size)


def _made(source: ModelSource) -> _Found:
    made = call_factory(source)
    if not (isinstance(made, tuple) and len(made) == 2):
        name = type(made).__name__
        raise InputError(f"model.factory {source.factory!r} returned {name}; it must return (model, tokenizer)")
    original, tokenizer = made
    if not isinstance(original, DecoderModel) and not hasattr(getattr(original, "config", None), "model_type"):
        what = f"a {type(original).__name__} from model.factory {source.factory!r}"
        raise UnsupportedModelError(what, tuple(DECODERS), REMEDY)
    notes = tuple(filter(None, [getattr(getattr(original, "config", None), NOTE, "")]))
    return _Found(model=original.float().eval(), tokenizer=tokenizer, place=str(source.factory), notes=notes)


def _tokenizer(found: _Found, shape: DecoderShape, max_length: int) -> tuple[DecoderTokenizer, tuple[int, ...]]:
    """The tokenizer in our form, and which of the model's rows each of its ids has."""
    backend = getattr(found.tokenizer, "backend_tokenizer", None)
    if backend is None:
        name = type(found.tokenizer).__name__
        raise InputError(f"{name} has no tokenizer.json; give one of the `tokenizers` library")
    own, order = DecoderTokenizer.of_model(backend.to_str(), max_length=max_length, place=found.place)
    if max(order) >= shape.vocabulary:
        rows = shape.vocabulary
        raise BadModelError(
            found.place, f"its tokenizer has a piece {max(order)}, but the model only {rows} rows for them"
        )
    return own, order


def _ends(original: Own, tokenizer: Own, order: Sequence[int]) -> tuple[int, ...]:
    """The tokens that end a text, as the model's settings and its tokenizer name them."""
    found: set[int] = set()
    for holder in (getattr(original, "generation_config", None), getattr(original, "config", None), tokenizer):
        named_ends = getattr(holder, "eos_token_id", None)
        listed = named_ends if isinstance(named_ends, list | tuple) else [named_ends]
        found |= {each for each in listed if isinstance(each, int)}
    places = {old: new for new, old in enumerate(order)}
    return tuple(sorted(places[each] for each in found if each in places))


def _chat_template(tokenizer: Own) -> ChatTemplate | None:
    """The tokenizer's one template. Raises as `ChatTemplate` does."""
    found = getattr(tokenizer, "chat_template", None)
    tokens = {name: str(each) for name, each in getattr(tokenizer, "special_tokens_map", {}).items()}
    return ChatTemplate(found, tokens) if isinstance(found, str) and found else None


def _notes(shape: DecoderShape, order: Sequence[int]) -> tuple[str, ...]:
    """What is said of rows that no piece of the tokenizer has."""
    unused = shape.vocabulary - len(order)
    return (f"left out of the token table: {unused} rows that no piece of the tokenizer has",) if unused else ()


def _reference(
    original: Own, their_tokenizer: Own, model: DecoderModel, tokenizer: DecoderTokenizer, order: Sequence[int]
) -> Reference[str]:
    """Logits of each token: theirs with padding before texts, ours with padding behind."""
    own = tokenizer.cut_at(min(tokenizer.max_length, COMPARED_TOKENS))

    def theirs(texts: Sequence[str]) -> Tensor:
        rows = [their_tokenizer(text)["input_ids"][: own.max_length] for text in texts]
        longest = max(map(len, rows))
        ids = torch.tensor([[0] * (longest - len(row)) + row for row in rows])
        mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows])
        places = (mask.cumsum(-1) - 1).clamp(min=0)
        logits: Tensor = original(input_ids=ids, attention_mask=mask, position_ids=places).logits
        found = logits[mask.bool()]
        return (found if len(order) == found.shape[-1] else found[:, list(order)]).flatten()

    def ours(texts: Sequence[str]) -> Tensor:
        ids, mask = TextInputs(own.encode(texts)).batch(range(len(texts)))
        return model(ids, mask)[mask.bool()].flatten()  # type: ignore[no-any-return]

    return Reference(library=named("transformers"), what="logits", theirs=theirs, ours=ours, allowed=1e-4)
