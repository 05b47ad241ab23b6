"""Find and read the model a recipe names.

In:  a recipe's `[model]` section: a folder, a hub id, a Python factory, or a folder inside an installed package.
Out: a `Teacher`: the model in Edgewright's own form, its tokenizer, and how large it was as it came.
Fitting it to labels is `tasks`' concern.
"""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from toolchain.errors import BadModelError, InputError, ToolchainError, UnsupportedModelError
from toolchain.models.encoder import Encoder, from_transformers
from toolchain.models.text import Head, HeadShape, TextModel
from toolchain.models.tokenizer import TextTokenizer
from toolchain.quiet import quiet
from toolchain.recipe import ModelSource

TOKENIZER_FILES = ("tokenizer.json", "vocab.txt")
NEW_PARTS = ("classifier.", "pooler.", "bert.pooler.")


@dataclass(frozen=True, kw_only=True)
class Teacher:
    """What compression starts from, and how large it was as it came.

    `size_bytes` is its weights file, or its parameters at four bytes each where there is no one file.
    """

    model: TextModel
    tokenizer: TextTokenizer
    parameters_count: int
    size_bytes: int
    fitted: bool


def fingerprint(source: ModelSource) -> str:
    """What identifies the model: a local folder's bytes, a hub id and its revision, a factory's name."""
    folder = local_folder(source)
    if folder is None:
        return source.model_dump_json(exclude_none=True)
    digest = hashlib.sha256()
    for path in sorted(file for file in folder.rglob("*") if file.is_file()):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def local_folder(source: ModelSource) -> Path | None:
    """The folder to read from, or None for a hub id or a factory. Raises `BadModelError` when it is not there."""
    folder = source.folder or source.package_folder()
    if folder is not None and not (folder / "config.json").is_file():
        raise BadModelError(
            str(folder), "there is no config.json in it" if folder.is_dir() else "there is no such folder"
        )
    return folder


def load(source: ModelSource, *, labels: Sequence[str], max_length: int) -> Teacher:
    """Read the teacher; `labels` are those of its classes in order, none for a sentence embedding.

    Raises `BadModelError` for what cannot be read, `UnsupportedModelError` for a family Edgewright does not know,
    `InputError` for a `max_length` that the model has no positions for.
    """
    if source.factory:
        original, tokenizer = _call_factory(source.factory)
        folder, size_bytes = None, 0
    else:
        folder = local_folder(source)
        original, tokenizer = _from_pretrained(source, folder, len(labels))
        weights = folder / "model.safetensors" if folder else None
        size_bytes = weights.stat().st_size if weights and weights.is_file() else 0
    encoder = from_transformers(original)
    if max_length > encoder.shape.positions:
        raise InputError(
            f"task.max_length is {max_length}, but the model reads at most {encoder.shape.positions} tokens; lower it"
        )
    encoder = encoder.with_positions(max_length)
    head, fitted = _head(original, folder, encoder, labels)
    model = TextModel(encoder, head).eval()
    parameters_count = sum(parameter.numel() for parameter in original.parameters())
    definition = tokenizer.backend_tokenizer.to_str()
    return Teacher(
        model=model,
        tokenizer=TextTokenizer(definition, max_length=max_length),
        parameters_count=parameters_count,
        size_bytes=size_bytes or 4 * parameters_count,
        fitted=fitted,
    )


def _from_pretrained(source: ModelSource, folder: Path | None, classes: int) -> tuple[Any, Any]:
    import transformers

    transformers.utils.logging.disable_progress_bar()
    place = str(folder or source.hub)
    options: dict[str, Any] = {"revision": source.revision} if source.revision else {}
    try:
        config = transformers.AutoConfig.from_pretrained(place, **options)
        if config.model_type != "bert":
            raise UnsupportedModelError(f"a model of type {config.model_type}", supported=("bert",))
        if classes:
            options["num_labels"] = classes
        if folder and not any((folder / name).is_file() for name in TOKENIZER_FILES):
            raise BadModelError(place, f"it has no tokenizer, neither {' nor '.join(TOKENIZER_FILES)}")
        with quiet():
            kind = transformers.AutoModelForSequenceClassification if classes else transformers.AutoModel
            model, told = kind.from_pretrained(
                place, use_safetensors=True, ignore_mismatched_sizes=True, output_loading_info=True, **options
            )
        # What is not in the file is filled with random numbers: right for a head that is to be fitted, and only there.
        new = sorted({*told["missing_keys"], *(name for name, *_ in told["mismatched_keys"])})
        if lacking := [name for name in new if not name.startswith(NEW_PARTS)]:
            raise BadModelError(place, f"its weights lack {lacking[0]} as config.json describes it")
        return model.eval(), transformers.AutoTokenizer.from_pretrained(place, use_fast=True)
    except ToolchainError:
        raise
    except Exception as error:  # hub, JSON, safetensors and torch errors have no common base
        raise BadModelError(place, " ".join(str(error).split())[:300]) from error


def _call_factory(name: str) -> tuple[Any, Any]:
    module, _, function = name.partition(":")
    try:
        made = getattr(importlib.import_module(module), function)()
    except (ImportError, AttributeError) as error:
        raise InputError(
            f"model.factory {name!r} cannot be called: {error}; give an importable 'module:function'"
        ) from error
    if not (isinstance(made, tuple) and len(made) == 2):
        raise InputError(f"model.factory {name!r} returned {type(made).__name__}; it must return (model, tokenizer)")
    return made[0].eval(), made[1]


def _head(original: Any, folder: Path | None, encoder: Encoder, labels: Sequence[str]) -> tuple[Head, bool]:
    """The head, and whether it came fitted with the model rather than being new."""
    width = encoder.shape.width
    if not labels:
        return Head(_pooling(folder), width), True
    head = Head(HeadShape(pooling="first", classes=len(labels)), width)
    state: dict[str, Tensor] = original.state_dict()
    ours = {"pooler.weight": "bert.pooler.dense.weight", "pooler.bias": "bert.pooler.dense.bias"}
    ours |= {"classifier.weight": "classifier.weight", "classifier.bias": "classifier.bias"}
    if set(ours.values()) <= set(state) and state["classifier.weight"].shape[0] == len(labels):
        head.load_state_dict({name: state[theirs] for name, theirs in ours.items()})
    order = _order_of(labels, folder)
    if order is not None:
        for part in (head.classifier.weight, head.classifier.bias):
            part.data = part.data[order]
    return head, order is not None


def _order_of(labels: Sequence[str], folder: Path | None) -> list[int] | None:
    """Which of the folder's own classes each label is; None where it was fitted to others or to none."""
    if folder is None:
        return None
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if not any("SequenceClassification" in name for name in config.get("architectures") or ()):
        return None
    # Unnamed classes are called LABEL_0, LABEL_1, …, and stand in data as 0, 1, ….
    places = {str(name).removeprefix("LABEL_"): int(place) for place, name in (config.get("id2label") or {}).items()}
    wanted = [label.removeprefix("LABEL_") for label in labels]
    return [places[label] for label in wanted] if sorted(wanted) == sorted(places) else None


def _pooling(folder: Path | None) -> HeadShape:
    """How a sentence-transformers folder says its model pools; the mean, normalised, where nothing is said."""
    described = folder / "1_Pooling" / "config.json" if folder else None
    if folder is None or described is None or not described.is_file():
        return HeadShape(pooling="mean")
    try:
        config = json.loads(described.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadModelError(str(described), str(error)) from error
    if config.get("pooling_mode_cls_token"):
        pooling = "first"
    elif config.get("pooling_mode_mean_tokens", True):
        pooling = "mean"
    else:
        raise UnsupportedModelError(f"the pooling that {described} asks for", supported=("mean tokens", "cls token"))
    modules = folder / "modules.json"
    normalised = not modules.is_file() or "Normalize" in modules.read_text(encoding="utf-8")
    return HeadShape(pooling=pooling, normalised=normalised)
