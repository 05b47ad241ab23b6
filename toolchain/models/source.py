"""Where the model a recipe names lies, and how transformers reads it from there.

In:  a recipe's `[model]` section: a folder, a hub id, a Python factory, or a folder inside an installed package.
Out: a Hugging Face model, and what its configuration says of it as it came.
Bringing it into Edgewright's own form is `teacher`'s and `image_teacher`'s concern.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from toolchain.errors import BadModelError, InputError, ToolchainError
from toolchain.quiet import quiet
from toolchain.recipe import ModelSource
from toolchain.untrusted import parse_json

WEIGHTS = "model.safetensors"
SIDE_FILES = (
    "config.json", "tokenizer_config.json", "special_tokens_map.json", "preprocessor_config.json",
    "generation_config.json",
)  # fmt: skip


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
    if folder is not None:
        _check_side_files(folder)
    return folder


def _check_side_files(folder: Path) -> None:
    """Look at what transformers is going to read by readers of its own, which say less of what is wrong."""
    for name in SIDE_FILES:
        if (folder / name).is_file() and not isinstance(read_side_file(folder / name), dict):
            raise BadModelError(str(folder / name), "it is no JSON object")


def side_file(source: ModelSource, name: str) -> Path | None:
    """A file beside the weights, in a folder or on the hub; None where there is none."""
    folder = local_folder(source)
    if folder is not None:
        return folder / name if (folder / name).is_file() else None
    if source.hub is None:
        return None
    from transformers.utils import cached_file

    found = cached_file(
        source.hub,
        name,
        revision=source.revision,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
    )
    return Path(found) if found else None


def read_side_file(file: Path) -> Any:
    """The values of a JSON file beside a model's weights. Raises `BadModelError` with the place of the first fault."""

    def fault(place: str, what: str) -> BadModelError:
        return BadModelError(str(file), f"{place} {what}")

    try:
        return parse_json(file.read_bytes(), name=str(file), error=fault)
    except OSError as error:
        raise BadModelError(str(file), str(error.strerror)) from error


def weights_bytes(source: ModelSource, parameters_count: int) -> int:
    """The size of the weights file, or of the parameters at four bytes each where there is no one file."""
    folder = None if source.factory else local_folder(source)
    file = folder / WEIGHTS if folder else None
    return file.stat().st_size if file and file.is_file() and file.stat().st_size else 4 * parameters_count


def pretrained(source: ModelSource, *, auto: str, wrapped: Callable[[str], str], classes: int = 0) -> tuple[Any, Any]:
    """(model, its configuration as it came), read by the class of transformers that `auto` names.

    `wrapped` gives, for a model type, the attribute by which a model with a head holds the one within; it raises for
    a type that is not supported before any weights are read. With `classes` the head has so many outputs, new ones
    where the file has others. Raises `BadModelError` for what cannot be read or lacks weights.
    """
    import transformers

    transformers.utils.logging.disable_progress_bar()
    place, options = _place(source)
    try:
        config = transformers.AutoConfig.from_pretrained(place, **options)
        inner = wrapped(config.model_type)
        if classes:
            options["num_labels"] = classes
        with quiet():
            model, told = getattr(transformers, auto).from_pretrained(
                place, use_safetensors=True, ignore_mismatched_sizes=True, output_loading_info=True, **options
            )
    except ToolchainError:
        raise
    except Exception as error:  # hub, JSON, safetensors and torch errors have no common base
        raise BadModelError(place, " ".join(str(error).split())[:300]) from error
    new = sorted({*told["missing_keys"], *(name for name, *_ in told["mismatched_keys"])})
    if lacking := [name for name in new if not _may_be_new(name, inner, headed=hasattr(model, inner))]:
        raise BadModelError(place, f"its weights lack {lacking[0]} as config.json describes it")
    return model.eval(), config


def configured(source: ModelSource) -> Any:
    """The configuration of a folder or a hub id, as transformers has it. Raises `BadModelError` where there is none."""
    import transformers

    place, options = _place(source)
    try:
        return transformers.AutoConfig.from_pretrained(place, **options)
    except Exception as error:  # hub and JSON errors have no common base
        raise BadModelError(place, " ".join(str(error).split())[:300]) from error


def family_of(source: ModelSource) -> str:
    """The model type of a folder or a hub id. Raises as `configured` does."""
    return str(configured(source).model_type)


def pretrained_tokenizer(source: ModelSource) -> Any:
    """The tokenizer of a folder or a hub id, as transformers has it. Raises `BadModelError` where there is none."""
    import transformers

    place, options = _place(source)
    try:
        return transformers.AutoTokenizer.from_pretrained(place, use_fast=True, **options)
    except Exception as error:  # as above
        raise BadModelError(place, " ".join(str(error).split())[:300]) from error


def call_factory(name: str) -> Any:
    """What the function returns. Raises `InputError` where it cannot be called."""
    module, _, function = name.partition(":")
    try:
        return getattr(importlib.import_module(module), function)()
    except (ImportError, AttributeError, ValueError) as error:  # ValueError: an empty module name
        raise InputError(
            f"model.factory {name!r} cannot be called: {error}; give an importable 'module:function'"
        ) from error


def _place(source: ModelSource) -> tuple[str, dict[str, Any]]:
    options: dict[str, Any] = {"revision": source.revision} if source.revision else {}
    return str(local_folder(source) or source.hub), options


def _may_be_new(name: str, wrapped: str, *, headed: bool) -> bool:
    """Random numbers are right for a head that is to be fitted, and only there."""
    if name.startswith(("pooler.", f"{wrapped}.pooler.")):
        return True
    return headed and not name.startswith(f"{wrapped}.")
