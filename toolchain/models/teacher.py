"""Find and read the text model a recipe names.

In:  a recipe's `[model]` section, and what the model is to do: embed, classify texts or tokens, or give one value.
Out: a `Teacher`: the model in Edgewright's own form, its tokenizer, and how large it was as it came.
Images are `image_teacher`'s; fitting a head to labels is `tasks`' concern.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from edgewright.errors import BadModelError, InputError, UnsupportedModelError
from edgewright.modality.tokenizer import TextTokenizer
from edgewright.models import layouts
from edgewright.models.encoder import Encoder
from edgewright.models.heads import AS_IT_IS, NEW, FoundHead, sequence_head, token_head, value_head
from edgewright.models.loading import from_transformers
from edgewright.models.model import Head, HeadShape, TransformerModel
from edgewright.models.reference import Reference, sentence_reference, text_reference
from edgewright.models.side_files import SentenceModel, check_tokenizer_config, sentence_model
from edgewright.models.source import (
    MODULES,
    Read,
    base_of,
    call_factory,
    check_tokenizer,
    local_folder,
    pretrained,
    pretrained_tokenizer,
    root_folder,
    side_file,
    weights_bytes,
)
from edgewright.models.source import fingerprint as fingerprint
from edgewright.specs.recipe import ModelSource

# What a model may be for, and the class of transformers that reads it so.
KINDS = {
    "embedding": "AutoModel",
    "classification": "AutoModelForSequenceClassification",
    "regression": "AutoModelForSequenceClassification",
    "token-classification": "AutoModelForTokenClassification",
}
LOWERCASE = "Lowercase"


@dataclass(frozen=True, kw_only=True)
class Teacher:
    """What compression starts from, and how large it was as it came.

    `size_bytes` is its weights file, or its parameters at four bytes each where there is no one file. One that is
    not `fitted` has a new head, which says nothing before it is trained. `notes` say what was decided: of the head, or
    of how an embedding is pooled. `reference` compares it with its own library, where it has one.
    """

    model: TransformerModel
    tokenizer: TextTokenizer
    parameters_count: int
    size_bytes: int
    fitted: bool
    notes: tuple[str, ...] = ()
    special_tokens: tuple[str, ...] = ()
    reference: Reference | None = None


def load(source: ModelSource, *, kind: str | None = None, labels: Sequence[str] = (), max_length: int) -> Teacher:
    """Read the teacher; `labels` are those of its classes in order, of texts or of tokens.

    `kind` is one of `KINDS`; None is classification where there are labels and embedding where there are none. A
    factory's `TransformerModel` is taken as it is, its outputs as being in the order of the labels.
    Raises `BadModelError` for what cannot be read, `UnsupportedModelError` for a family or a setting Edgewright does
    not know, `InputError` for a `max_length` that the model has no positions for.
    """
    kind = kind or ("classification" if labels else "embedding")
    classes = _classes(kind, labels)
    read, tokenizer = _read(source, kind, classes)
    beside = base_of(source) or source if not source.factory else source
    check_tokenizer_config(beside, max_length=max_length)
    sentence = sentence_model(beside, max_length=max_length) if kind == "embedding" else SentenceModel()
    original = read.model
    if isinstance(original, TransformerModel):
        encoder = _encoder_of(original)
        found = _own_head(original, kind, labels, classes)
    else:
        encoder = from_transformers(original)
        found = _head(read, sentence, kind, labels)
    if max_length > encoder.shape.positions:
        raise InputError(
            f"task.max_length is {max_length}, but the model reads at most {encoder.shape.positions} tokens; lower it"
        )
    own, encoder = _with_tokenizer(encoder, tokenizer, source, max_length, lower_case=sentence.lower_case)
    model = TransformerModel(encoder.with_positions(max_length), found.head).eval()
    parameters_count = sum(parameter.numel() for parameter in original.parameters())
    return Teacher(
        model=model,
        tokenizer=own,
        parameters_count=parameters_count,
        size_bytes=weights_bytes(source, parameters_count),
        fitted=found.fitted,
        notes=(found.note, *_left(read.unread)),
        special_tokens=tuple(getattr(tokenizer, "all_special_tokens", ())),
        reference=_reference(beside, read, found, model, tokenizer, own, kind),
    )


def _classes(kind: str, labels: Sequence[str]) -> int:
    """How many outputs the head has; 0 for an embedding."""
    if kind not in KINDS:
        raise UnsupportedModelError(f"a model for {kind}", supported=KINDS)
    if kind.endswith("classification") and not labels:
        raise InputError(f"a model for {kind} needs its labels, and there are none; name them or choose embedding")
    return {"embedding": 0, "regression": 1}.get(kind, len(labels))


def _read(source: ModelSource, kind: str, classes: int) -> tuple[Read, Any]:
    """(the model as it came, its tokenizer), both as transformers has them."""
    if source.factory:
        model, tokenizer = made_by_factory(source)
        return Read(model=model.eval(), config=getattr(model, "config", None)), tokenizer
    check_tokenizer(source)
    read = pretrained(
        source, auto=KINDS[kind], kind=kind, wrapped=lambda name: layouts.text_family(name).wrapped, classes=classes
    )
    return read, pretrained_tokenizer(source)


def made_by_factory(source: ModelSource) -> tuple[Any, Any]:
    """(model, tokenizer) as the source's factory makes them; refuses what is no such pair."""
    made = call_factory(source)
    if not (isinstance(made, tuple) and len(made) == 2):
        name = type(made).__name__
        raise InputError(f"model.factory {source.factory!r} returned {name}; it must return (model, tokenizer)")
    original, tokenizer = made
    if not isinstance(original, TransformerModel) and not hasattr(getattr(original, "config", None), "model_type"):
        what = f"a {type(original).__name__} from model.factory {source.factory!r}"
        raise layouts.unsupported(what, "", tuple(layouts.TEXT))
    return original, tokenizer


def _encoder_of(model: TransformerModel) -> Encoder:
    if not isinstance(model.encoder, Encoder):
        raise UnsupportedModelError(f"a {type(model.encoder).__name__} for texts", supported=("Encoder",))
    return model.encoder


def _with_tokenizer(
    encoder: Encoder, tokenizer: Any, source: ModelSource, max_length: int, *, lower_case: bool
) -> tuple[TextTokenizer, Encoder]:
    """The tokenizer in our form, and the encoder with a row for each of its pieces, in its order."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise InputError(f"{type(tokenizer).__name__} has no tokenizer.json; give one of the `tokenizers` library")
    place = str((None if source.factory else local_folder(source)) or source.hub or source.factory)
    definition = _lower_case(backend.to_str()) if lower_case else backend.to_str()
    read, order = TextTokenizer.from_definition(
        definition, max_length=max_length, padding=getattr(tokenizer, "pad_token", None), place=place
    )
    if max(order) >= encoder.shape.vocabulary:
        rows = encoder.shape.vocabulary
        raise BadModelError(place, f"its tokenizer has a piece {max(order)}, but the model only {rows} rows for them")
    return read, encoder.with_vocabulary(order)


def _lower_case(definition: str) -> str:
    """The tokenizer that makes texts lower case before all else, as sentence-transformers' `do_lower_case` does."""
    read = json.loads(definition)
    first = read.get("normalizer")
    parts = first["normalizers"] if first and first["type"] == "Sequence" else [first] if first else []
    read["normalizer"] = {"type": "Sequence", "normalizers": [{"type": LOWERCASE}, *parts]}
    return json.dumps(read)


def _head(read: Read, sentence: SentenceModel, kind: str, labels: Sequence[str]) -> FoundHead:
    """The head, and whether it came fitted with the model rather than being new."""
    original, width = read.model, read.model.config.hidden_size
    if kind == "embedding":
        shape = HeadShape(pooling=sentence.pooling, normalised=sentence.normalised)
        return FoundHead(head=Head(shape, width), fitted=True, note=sentence.note)
    if kind == "regression":
        found = value_head(original, read.config, width)
    elif kind == "token-classification":
        found = token_head(original, read.config, labels, width)
    else:
        found = sequence_head(original, read.config, labels, width)
    return unfitted(found, read)


def unfitted(found: FoundHead, read: Read) -> FoundHead:
    """The same head, new where the weights lack a part of it."""
    if not (found.fitted and read.new):
        return found
    return replace(found, fitted=False, note=f"{NEW} the model's weights lack {read.new[0]}")


def _own_head(original: TransformerModel, kind: str, labels: Sequence[str], classes: int) -> FoundHead:
    """The head of a model that a factory made in our own form, or a new one."""
    shape = original.head.shape
    if shape.classes == classes:
        listed = f", its outputs in the order {', '.join(labels[:6])}" if labels else ""
        return FoundHead(head=original.head, fitted=True, note=f"{AS_IT_IS} by the factory{listed}")
    note = f"{NEW} the factory's has {shape.classes} outputs, and the task asks for {classes}"
    return FoundHead(head=_new_head(kind, classes, original.encoder.shape.width), fitted=False, note=note)


def _new_head(kind: str, classes: int, width: int) -> Head:
    if kind == "embedding":
        return Head(HeadShape(pooling="mean"), width)
    if kind == "token-classification":
        return Head(HeadShape(pooling="each", classes=classes), width)
    return Head(HeadShape(pooling="first", classes=classes, inner=width), width)


def _left(names: Sequence[str]) -> tuple[str, ...]:
    """What is said of tensors that were rightly left unread."""
    if not names:
        return ()
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return (f"left unread, as they belong to another task's head: {names[0]}{more}",)


def _reference(
    source: ModelSource,
    read: Read,
    found: FoundHead,
    model: TransformerModel,
    their_tokenizer: Any,
    tokenizer: TextTokenizer,
    kind: str,
) -> Reference | None:
    """How the model is run by its own library; None for one in our own form, which has no other."""
    if isinstance(read.model, TransformerModel):
        return None
    if kind == "embedding" and not source.factory and side_file(source, MODULES):
        place = root_folder(source) or source.hub
        if place and (known := sentence_reference(place, source.revision, model, tokenizer)):
            return known
    return text_reference(
        read.model,
        model.encoder,
        their_tokenizer,
        tokenizer,
        wrapped=layouts.text_family(read.config.model_type).wrapped,
        head=model.head if found.fitted and kind != "embedding" else None,
        order=found.places,
    )
