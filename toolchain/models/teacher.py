"""Find and read the text model a recipe names.

In:  a recipe's `[model]` section, and what the model is to do: embed, classify texts or tokens, or give one value.
Out: a `Teacher`: the model in Edgewright's own form, its tokenizer, and how large it was as it came.
Images are `image_teacher`'s; fitting a head to labels is `tasks`' concern.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from toolchain.errors import BadModelError, InputError, UnsupportedModelError
from toolchain.models import families
from toolchain.models.encoder import Encoder
from toolchain.models.heads import sequence_head, token_head, value_head
from toolchain.models.loading import from_transformers
from toolchain.models.model import Head, HeadShape, TransformerModel
from toolchain.models.source import (
    call_factory,
    local_folder,
    pretrained,
    pretrained_tokenizer,
    read_side_file,
    side_file,
    weights_bytes,
)
from toolchain.models.source import fingerprint as fingerprint
from toolchain.models.tokenizer import TextTokenizer
from toolchain.recipe import ModelSource

TOKENIZER_FILES = (
    *("tokenizer.json", "vocab.txt", "vocab.json"),
    *("sentencepiece.bpe.model", "spiece.model", "spm.model"),  # which transformers converts
)
# What a model may be for, and the class of transformers that reads it so.
KINDS = {
    "embedding": "AutoModel",
    "classification": "AutoModelForSequenceClassification",
    "regression": "AutoModelForSequenceClassification",
    "token-classification": "AutoModelForTokenClassification",
}
SENTENCE_MODULES = ("Transformer", "Pooling", "Normalize")


@dataclass(frozen=True, kw_only=True)
class Teacher:
    """What compression starts from, and how large it was as it came.

    `size_bytes` is its weights file, or its parameters at four bytes each where there is no one file. One that is
    not `fitted` has a new head, which says nothing before it is trained.
    """

    model: TransformerModel
    tokenizer: TextTokenizer
    parameters_count: int
    size_bytes: int
    fitted: bool


def load(source: ModelSource, *, kind: str | None = None, labels: Sequence[str] = (), max_length: int) -> Teacher:
    """Read the teacher; `labels` are those of its classes in order, of texts or of tokens.

    `kind` is one of `KINDS`; None is classification where there are labels and embedding where there are none. A
    factory's `TransformerModel` is taken as it is, its outputs as being in the order of the labels.
    Raises `BadModelError` for what cannot be read, `UnsupportedModelError` for a family Edgewright does not know,
    `InputError` for a `max_length` that the model has no positions for.
    """
    kind = kind or ("classification" if labels else "embedding")
    classes = _classes(kind, labels)
    original, described, tokenizer = _read(source, kind, classes)
    if isinstance(original, TransformerModel):
        encoder = _encoder_of(original)
        fitted = original.head.shape.classes == classes
        head = original.head if fitted else _new_head(kind, classes, encoder.shape.width)
    else:
        encoder = from_transformers(original)
        head, fitted = _head(original, described, source, kind, labels)
    if max_length > encoder.shape.positions:
        raise InputError(
            f"task.max_length is {max_length}, but the model reads at most {encoder.shape.positions} tokens; lower it"
        )
    read, encoder = _with_tokenizer(encoder, tokenizer, source, max_length)
    parameters_count = sum(parameter.numel() for parameter in original.parameters())
    return Teacher(
        model=TransformerModel(encoder.with_positions(max_length), head).eval(),
        tokenizer=read,
        parameters_count=parameters_count,
        size_bytes=weights_bytes(source, parameters_count),
        fitted=fitted,
    )


def _classes(kind: str, labels: Sequence[str]) -> int:
    """How many outputs the head has; 0 for an embedding."""
    if kind not in KINDS:
        raise UnsupportedModelError(f"a model for {kind}", supported=KINDS)
    if kind.endswith("classification") and not labels:
        raise InputError(f"a model for {kind} needs its labels, and there are none; name them or choose embedding")
    return {"embedding": 0, "regression": 1}.get(kind, len(labels))


def _read(source: ModelSource, kind: str, classes: int) -> tuple[Any, Any, Any]:
    """(model, its configuration as it came, tokenizer), the last two as transformers has them."""
    if source.factory:
        made = call_factory(source.factory)
        if not (isinstance(made, tuple) and len(made) == 2):
            name = type(made).__name__
            raise InputError(f"model.factory {source.factory!r} returned {name}; it must return (model, tokenizer)")
        original, tokenizer = made
        described = getattr(original, "config", None)
        if not isinstance(original, TransformerModel) and not hasattr(described, "model_type"):
            what = f"a {type(original).__name__} from model.factory {source.factory!r}"
            raise families.unsupported(what, "", tuple(families.TEXT))
        return original.eval(), described, tokenizer
    folder = local_folder(source)
    original, described = pretrained(
        source, auto=KINDS[kind], wrapped=lambda name: families.text_family(name).wrapped, classes=classes
    )
    if folder and not any((folder / name).is_file() for name in TOKENIZER_FILES):
        raise BadModelError(str(folder), f"it has no tokenizer, none of {', '.join(TOKENIZER_FILES)}")
    return original, described, pretrained_tokenizer(source)


def _encoder_of(model: TransformerModel) -> Encoder:
    if not isinstance(model.encoder, Encoder):
        raise UnsupportedModelError(f"a {type(model.encoder).__name__} for texts", supported=("Encoder",))
    return model.encoder


def _with_tokenizer(
    encoder: Encoder, tokenizer: Any, source: ModelSource, max_length: int
) -> tuple[TextTokenizer, Encoder]:
    """The tokenizer in our form, and the encoder with a row for each of its pieces, in its order."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise InputError(f"{type(tokenizer).__name__} has no tokenizer.json; give one of the `tokenizers` library")
    place = str(local_folder(source) or source.hub or source.factory)
    read, order = TextTokenizer.from_definition(
        backend.to_str(), max_length=max_length, padding=getattr(tokenizer, "pad_token", None), place=place
    )
    if max(order) >= encoder.shape.vocabulary:
        rows = encoder.shape.vocabulary
        raise BadModelError(place, f"its tokenizer has a piece {max(order)}, but the model only {rows} rows for them")
    return read, encoder.with_vocabulary(order)


def _head(original: Any, described: Any, source: ModelSource, kind: str, labels: Sequence[str]) -> tuple[Head, bool]:
    """The head, and whether it came fitted with the model rather than being new."""
    width = original.config.hidden_size
    if kind == "embedding":
        return Head(_pooling(source), width), True
    if kind == "regression":
        return value_head(original, described, width)
    make = token_head if kind == "token-classification" else sequence_head
    return make(original, described, labels, width)


def _new_head(kind: str, classes: int, width: int) -> Head:
    if kind == "embedding":
        return Head(HeadShape(pooling="mean"), width)
    if kind == "token-classification":
        return Head(HeadShape(pooling="each", classes=classes), width)
    return Head(HeadShape(pooling="first", classes=classes, inner=width), width)


def _pooling(source: ModelSource) -> HeadShape:
    """How a sentence-transformers model says that it pools; the mean, normalised, where nothing is said."""
    described = side_file(source, "1_Pooling/config.json")
    if described is None:
        return HeadShape(pooling="mean")
    modules = side_file(source, "modules.json")
    try:
        config = read_side_file(described)
        kinds = [str(each["type"]) for each in read_side_file(modules)] if modules else []
    except (ValueError, KeyError, TypeError) as error:
        raise BadModelError(str(described), f"it or modules.json is damaged: {error}") from error
    for kind in kinds:
        if kind.rpartition(".")[2] not in SENTENCE_MODULES:
            raise UnsupportedModelError(f"the layer {kind} that {modules} asks for", supported=SENTENCE_MODULES)
    if config.get("pooling_mode_cls_token"):
        pooling = "first"
    elif config.get("pooling_mode_mean_tokens", True):
        pooling = "mean"
    else:
        raise UnsupportedModelError(f"the pooling that {described} asks for", supported=("mean tokens", "cls token"))
    return HeadShape(pooling=pooling, normalised=not kinds or any("Normalize" in kind for kind in kinds))
