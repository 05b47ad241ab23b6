"""Find and read the text model a recipe names.

In:  a recipe's `[model]` section, and what the model is to do: embed, classify texts or tokens, or give one value.
Out: a `Teacher`: the model in Edgewright's own form, its tokenizer, and how large it was as it came.
Images are `image_teacher`'s; fitting a head to labels is `tasks`' concern.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from torch import nn

from edgewright.errors import InputError, UnsupportedModelError
from edgewright.modality.tokenizer import TextTokenizer
from edgewright.models import layouts
from edgewright.models.capabilities import OwnModel
from edgewright.models.encoder import Encoder
from edgewright.models.heads import AS_IT_IS, NEW, FoundHead, sequence_head, token_head, value_head
from edgewright.models.loading import from_transformers
from edgewright.models.model import Head, HeadShape, TransformerModel
from edgewright.models.own_family import in_order, is_own_family, require_outputs, require_rows
from edgewright.models.pretrained import Read, call_factory, pretrained, pretrained_tokenizer
from edgewright.models.reference import Reference, sentence_reference, text_reference
from edgewright.models.side_files import SentenceModel, check_tokenizer_config, sentence_model
from edgewright.models.source import (
    MODULES,
    base_of,
    check_tokenizer,
    root_folder,
    side_file,
    weights_bytes,
)
from edgewright.models.source import fingerprint as fingerprint
from edgewright.models.teacher_tokenizer import tokenizer_of
from edgewright.models.transformers_types import PretrainedTokenizer, TransformersConfig, config_of
from edgewright.specs.recipe import ModelSource


@dataclass(frozen=True, kw_only=True)
class HeadKind:
    """A kind of head: the class of transformers that reads a model with one, how it is found there, and a new one.

    `find` is given the model, its configuration as it came, the labels and the width; None where there is none to find.
    """

    auto: str
    find: Callable[[nn.Module, TransformersConfig, Sequence[str], int], FoundHead] | None
    new: Callable[[int, int], HeadShape]
    labelled: bool = False


def _of_first(outputs: int, width: int) -> HeadShape:
    return HeadShape(pooling="first", classes=outputs, inner=width)


HEADS: Mapping[str, HeadKind] = {
    "vector": HeadKind(auto="AutoModel", find=None, new=lambda outputs, width: HeadShape(pooling="mean")),
    "labels": HeadKind(auto="AutoModelForSequenceClassification", find=sequence_head, new=_of_first, labelled=True),
    "value": HeadKind(
        auto="AutoModelForSequenceClassification",
        find=lambda original, config, labels, width: value_head(original, config, width),
        new=_of_first,
    ),
    "token labels": HeadKind(
        auto="AutoModelForTokenClassification",
        find=token_head,
        new=lambda outputs, width: HeadShape(pooling="each", classes=outputs),
        labelled=True,
    ),
}


@dataclass(frozen=True, kw_only=True)
class Teacher:
    """What compression starts from, and how large it was as it came.

    `size_bytes` is its weights file, or its parameters at four bytes each where there is no one file. One that is
    not `fitted` has a new head, which says nothing before it is trained. `notes` say what was decided: of the head, or
    of how an embedding is pooled. `reference` compares it with its own library, where it has one.
    """

    model: OwnModel
    tokenizer: TextTokenizer
    parameters_count: int
    size_bytes: int
    fitted: bool
    notes: tuple[str, ...] = ()
    special_tokens: tuple[str, ...] = ()
    reference: Reference[str] | None = None


def load(
    source: ModelSource,
    *,
    head: str | None = None,
    outputs: int | None = None,
    labels: Sequence[str] = (),
    max_length: int,
) -> Teacher:
    """Read the teacher; `labels` are those of its classes in order, of texts or of tokens.

    `head` is one of `HEADS`; None is that of labels where there are any, and a vector where there are none. It has as
    many `outputs` as there are labels where nothing else is said; with another number it is always a new one. A
    factory's `TransformerModel` is taken as it is, its outputs as being in the order of the labels.
    Raises `BadModelError` for what cannot be read, `UnsupportedModelError` for a family or a setting Edgewright does
    not know, `InputError` for a `max_length` that the model has no positions for.
    """
    request = _request(head, outputs, labels)
    read, tokenizer = _read(source, request)
    beside = base_of(source) or source if not source.factory else source
    check_tokenizer_config(beside, max_length=max_length)
    sentence = sentence_model(beside, max_length=max_length) if not request.outputs else SentenceModel()
    original = read.model
    if is_own_family(original):
        return _of_own_family(source, original, tokenizer, request, max_length)
    if isinstance(original, TransformerModel):
        encoder = _encoder_of(original)
        own_head = _own_head(original, request)
    else:
        encoder = from_transformers(original)
        own_head = _head(read, sentence, request)
    if max_length > encoder.shape.positions:
        raise InputError(
            f"task.max_length is {max_length}, but the model reads at most {encoder.shape.positions} tokens; lower it"
        )
    own, order = tokenizer_of(tokenizer, source, max_length, lower_case=sentence.lower_case)
    require_rows(order, encoder.shape.vocabulary, own.place)
    encoder = encoder.with_vocabulary(order)
    model = TransformerModel(encoder.with_positions(max_length), own_head.head).eval()
    parameters_count = sum(parameter.numel() for parameter in original.parameters())
    return Teacher(
        model=model,
        tokenizer=own,
        parameters_count=parameters_count,
        size_bytes=weights_bytes(source, parameters_count),
        fitted=own_head.fitted,
        notes=(own_head.note, *_left(read.unread)),
        special_tokens=tuple(getattr(tokenizer, "all_special_tokens", ())),
        reference=_reference(beside, read, own_head, model, tokenizer, own),
    )


@dataclass(frozen=True, kw_only=True)
class HeadRequest:
    """What head is wanted of a model; one without `outputs` gives a vector of the model's width."""

    kind: HeadKind
    outputs: int
    labels: tuple[str, ...]

    def new(self, width: int) -> Head:
        """A head with random numbers."""
        return Head(self.kind.new(self.outputs, width), width)


def _request(head: str | None, outputs: int | None, labels: Sequence[str]) -> HeadRequest:
    name = head or ("labels" if labels else "vector")
    if name not in HEADS:
        raise UnsupportedModelError(f"a head for {name}", supported=HEADS)
    kind = HEADS[name]
    if kind.labelled and not labels:
        raise InputError(f"a head for {name} needs its labels, and there are none; name them or choose a vector")
    usual = len(labels) if kind.labelled else 0 if kind.find is None else 1
    return HeadRequest(kind=kind, outputs=usual if outputs is None else outputs, labels=tuple(labels))


def _read(source: ModelSource, request: HeadRequest) -> tuple[Read, PretrainedTokenizer]:
    """(the model as it came, its tokenizer), both as transformers has them."""
    if source.factory:
        model, tokenizer = made_by_factory(source)
        return Read(model=model.eval(), config=config_of(model)), tokenizer
    check_tokenizer(source)
    read = pretrained(
        source,
        auto=request.kind.auto,
        modality="text",
        wrapped=lambda name: layouts.text_family(name).wrapped,
        classes=request.outputs,
    )
    return read, pretrained_tokenizer(source)


def made_by_factory(source: ModelSource) -> tuple[nn.Module, PretrainedTokenizer]:
    """(model, tokenizer) as the source's factory makes them; refuses what is no such pair."""
    returned = call_factory(source)
    if not (isinstance(returned, tuple) and len(returned) == 2):
        name = type(returned).__name__
        raise InputError(f"model.factory {source.factory!r} returned {name}; it must return (model, tokenizer)")
    original, tokenizer = returned
    known = (
        isinstance(original, TransformerModel)
        or hasattr(getattr(original, "config", None), "model_type")
        or is_own_family(original)
    )
    if not (known and isinstance(original, nn.Module)):
        what = f"a {type(original).__name__} from model.factory {source.factory!r}"
        raise layouts.unsupported(what, "", tuple(layouts.TEXT))
    return original, tokenizer


def _encoder_of(model: TransformerModel) -> Encoder:
    if not isinstance(model.encoder, Encoder):
        raise UnsupportedModelError(f"a {type(model.encoder).__name__} for texts", supported=("Encoder",))
    return model.encoder


def _of_own_family(
    source: ModelSource, original: OwnModel, tokenizer: PretrainedTokenizer, request: HeadRequest, max_length: int
) -> Teacher:
    """The teacher of a factory's model that is of a plug-in's family: taken as it is, with the outputs that it has."""
    own, order = tokenizer_of(tokenizer, source, max_length, lower_case=False)
    model = in_order(original, order, own.place).eval()
    require_outputs(model, str(source.factory), count=request.outputs, max_length=max_length)
    parameters_count = sum(parameter.numel() for parameter in original.parameters())
    valued = (
        request.kind is HEADS["value"]
    )  # whose scale is the data's, and nothing tells a head that could be put on it
    return Teacher(
        model=model,
        tokenizer=own,
        parameters_count=parameters_count,
        size_bytes=weights_bytes(source, parameters_count),
        fitted=not valued,
        notes=("its value is fitted anew" if valued else f"{AS_IT_IS} by the factory",),
        special_tokens=tuple(getattr(tokenizer, "all_special_tokens", ())),
    )


def _head(read: Read, sentence: SentenceModel, request: HeadRequest) -> FoundHead:
    """The head, and whether it came fitted with the model rather than being new."""
    original, width = read.model, config_of(read.model).integer("hidden_size")
    if request.kind.find is None:
        shape = HeadShape(pooling=sentence.pooling, normalised=sentence.normalised)
        return FoundHead(head=Head(shape, width), fitted=True, note=sentence.note)
    if request.kind.labelled and request.outputs != len(request.labels):
        note = f"{NEW} the task asks for {request.outputs} outputs for {len(request.labels)} labels"
        return FoundHead(head=request.new(width), fitted=False, note=note)
    return unfitted(request.kind.find(original, read.config, request.labels, width), read)


def unfitted(found: FoundHead, read: Read) -> FoundHead:
    """The same head, new where the weights lack a part of it."""
    if not (found.fitted and read.new):
        return found
    return replace(found, fitted=False, note=f"{NEW} the model's weights lack {read.new[0]}")


def _own_head(original: TransformerModel, request: HeadRequest) -> FoundHead:
    """The head of a model that a factory made in our own form, or a new one."""
    shape = original.head.shape
    if shape.classes == request.outputs:
        listed = f", its outputs in the order {', '.join(request.labels[:6])}" if request.labels else ""
        return FoundHead(head=original.head, fitted=True, note=f"{AS_IT_IS} by the factory{listed}")
    note = f"{NEW} the factory's has {shape.classes} outputs, and the task asks for {request.outputs}"
    return FoundHead(head=request.new(original.encoder.shape.width), fitted=False, note=note)


def _left(names: Sequence[str]) -> tuple[str, ...]:
    """A note on tensors that were rightly left unread."""
    if not names:
        return ()
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return (f"left unread, as they belong to another task's head: {names[0]}{more}",)


def _reference(
    source: ModelSource,
    read: Read,
    own_head: FoundHead,
    model: TransformerModel,
    their_tokenizer: PretrainedTokenizer,
    tokenizer: TextTokenizer,
) -> Reference[str] | None:
    """How the model is run by its own library; None for one in our own form, which has no other."""
    if isinstance(read.model, TransformerModel):
        return None
    if not model.head.shape.classes and not source.factory and side_file(source, MODULES):
        place = root_folder(source) or source.hub
        if place and (known := sentence_reference(place, source.revision, model, tokenizer)):
            return known
    return text_reference(
        read.model,
        model.encoder,
        their_tokenizer,
        tokenizer,
        wrapped=layouts.text_family(read.config.model_type).wrapped,
        head=model.head if own_head.fitted and model.head.shape.classes else None,
        order=own_head.places,
    )
