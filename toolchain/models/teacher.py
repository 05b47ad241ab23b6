"""Find and read the model a recipe names.

In:  a recipe's `[model]` section: a folder, a hub id, a Python factory, or a folder inside an installed package.
Out: a `Teacher`: the model in Edgewright's own form, its tokenizer, and how large it was as it came.
Fitting it to labels is `tasks`' concern.
"""

from __future__ import annotations

import hashlib
import importlib
import json
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


def load(source: ModelSource, *, classes: int, max_length: int) -> Teacher:
    """Read the teacher; `classes` is 0 for a sentence embedding.

    Raises `BadModelError` for what cannot be read, `UnsupportedModelError` for a family Edgewright does not know.
    """
    if source.factory:
        original, tokenizer = _call_factory(source.factory)
        folder, size_bytes = None, 0
    else:
        folder = local_folder(source)
        original, tokenizer = _from_pretrained(source, folder, classes)
        weights = folder / "model.safetensors" if folder else None
        size_bytes = weights.stat().st_size if weights and weights.is_file() else 0
    encoder = from_transformers(original).with_positions(max_length)
    head, fitted = _head(original, folder, encoder, classes)
    model = TextModel(encoder, head).eval()
    parameters_count = sum(parameter.numel() for parameter in original.parameters())
    definition = tokenizer.backend_tokenizer.to_str()
    return Teacher(
        model=model,
        tokenizer=TextTokenizer(definition, max_length=min(max_length, encoder.shape.positions)),
        parameters_count=parameters_count,
        size_bytes=size_bytes or 4 * parameters_count,
        fitted=fitted,
    )


def _from_pretrained(source: ModelSource, folder: Path | None, classes: int) -> tuple[Any, Any]:
    with quiet():
        import transformers

        transformers.utils.logging.disable_progress_bar()
        kind = transformers.AutoModelForSequenceClassification if classes else transformers.AutoModel
    place = str(folder or source.hub)
    options: dict[str, Any] = {"revision": source.revision} if source.revision else {}
    try:
        config = transformers.AutoConfig.from_pretrained(place, **options)
        if config.model_type != "bert":
            raise UnsupportedModelError(f"a model of type {config.model_type}", supported=("bert",))
        if classes:
            options["num_labels"] = classes
        model = kind.from_pretrained(place, use_safetensors=True, **options)
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


def _head(original: Any, folder: Path | None, encoder: Encoder, classes: int) -> tuple[Head, bool]:
    """The head, and whether it came with the model rather than being new."""
    width = encoder.shape.width
    if not classes:
        return Head(_pooling(folder), width), True
    head = Head(HeadShape(pooling="first", classes=classes), width)
    state: dict[str, Tensor] = original.state_dict()
    ours = {"pooler.weight": "bert.pooler.dense.weight", "pooler.bias": "bert.pooler.dense.bias"}
    ours |= {"classifier.weight": "classifier.weight", "classifier.bias": "classifier.bias"}
    if set(ours.values()) <= set(state) and state["classifier.weight"].shape[0] == classes:
        head.load_state_dict({name: state[theirs] for name, theirs in ours.items()})
    return head, _is_classifier(folder, classes)


def _is_classifier(folder: Path | None, classes: int) -> bool:
    """Whether a folder's own configuration says that it was fitted to this many classes."""
    if folder is None:
        return False
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    trained = any("SequenceClassification" in name for name in config.get("architectures") or ())
    return trained and len(config.get("id2label", {})) == classes


def _pooling(folder: Path | None) -> HeadShape:
    """How a sentence-transformers folder says its model pools; the mean, normalised, where nothing is said."""
    described = folder / "1_Pooling" / "config.json" if folder else None
    if folder is None or described is None or not described.is_file():
        return HeadShape(pooling="mean")
    config = json.loads(described.read_text(encoding="utf-8"))
    if config.get("pooling_mode_cls_token"):
        pooling = "first"
    elif config.get("pooling_mode_mean_tokens", True):
        pooling = "mean"
    else:
        raise UnsupportedModelError(f"the pooling that {described} asks for", supported=("mean tokens", "cls token"))
    modules = folder / "modules.json"
    normalised = not modules.is_file() or "Normalize" in modules.read_text(encoding="utf-8")
    return HeadShape(pooling=pooling, normalised=normalised)
