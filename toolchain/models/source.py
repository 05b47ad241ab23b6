"""Where the model a recipe names lies, and how transformers reads it from there.

In:  a recipe's `[model]` section: a folder, a hub id, a Python factory, or a folder inside an installed package.
Out: a Hugging Face model, and what its configuration says of it as it came.
Bringing it into Edgewright's own form is `teacher`'s and `image_teacher`'s concern; whether the files beside the
weights are understood is `side_files`'.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgewright.base.quiet import quiet
from edgewright.base.untrusted import parse_json
from edgewright.errors import BadModelError, ToolchainError
from edgewright.models import weights
from edgewright.models.refusals import refuse_own_code, refuse_unread
from edgewright.specs.recipe import ModelSource

CONFIG, MODULES, TOKENIZER_CONFIG = "config.json", "modules.json", "tokenizer_config.json"
TOKENIZER_FILES = ("tokenizer.json", "vocab.txt", "vocab.json", "sentencepiece.bpe.model", "spiece.model", "spm.model")
HEADS_OF_ADAPTERS = {"SEQ_CLS": "ForSequenceClassification", "TOKEN_CLS": "ForTokenClassification"}  # peft's names
SIDE_FILES = ("special_tokens_map.json", "preprocessor_config.json", "generation_config.json")
NO_CODE = {"trust_remote_code": False}  # never asked, never run


@dataclass(frozen=True, kw_only=True)
class Read:
    """A model as transformers has it, and its configuration as it came.

    `unread` are the tensors of its files that were rightly left alone, `new` those that its files lack.
    """

    model: Any
    config: Any
    unread: tuple[str, ...] = ()
    new: tuple[str, ...] = ()


def fingerprint(source: ModelSource) -> str:
    """What identifies the model: a local folder's bytes, a hub id and its revision, or what a factory makes."""
    if source.factory:
        from edgewright.models.user_factory import made_digest

        return f"{source.model_dump_json(exclude_none=True)} {made_digest(source.factory, source.beside)}"
    folder = root_folder(source)
    if folder is None:
        return source.model_dump_json(exclude_none=True)
    digest = hashlib.sha256()
    for path in sorted(file for file in folder.rglob("*") if file.is_file()):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    if base := base_of(source):
        digest.update(fingerprint(base).encode())
    return digest.hexdigest()


def root_folder(source: ModelSource) -> Path | None:
    """The folder a source names, or None for a hub id or a factory. Raises `BadModelError` when it is not there."""
    folder = source.folder or source.package_folder()
    if folder is not None and not folder.is_dir():
        raise BadModelError(
            str(folder),
            "it is a file, and a folder as save_pretrained writes one is wanted"
            if folder.exists()
            else "there is no such folder",
        )
    return folder


def local_folder(source: ModelSource) -> Path | None:
    """The folder of the configuration, weights and tokenizer; None for a hub id or a factory.

    It is the folder a source names, or in the older layout of sentence-transformers the one its `modules.json` puts
    first (`0_Transformer`). Raises `BadModelError` where there is no configuration.
    """
    folder = root_folder(source)
    if folder is None or (folder / CONFIG).is_file() or weights.adapter_of(folder):
        return folder
    within = _first_module(folder)
    if within is not None and (within / CONFIG).is_file():
        return within
    models = sorted(path.parent.name for path in folder.glob(f"*/{CONFIG}"))
    hint = f"; there is one in {', '.join(models[:3])}: name that folder" if models else ""
    raise BadModelError(str(folder), f"there is no config.json in it{hint}")


def base_of(source: ModelSource) -> ModelSource | None:
    """The model that the adapter in a folder is for; None where the folder holds a model."""
    folder = root_folder(source)
    described = weights.adapter_of(folder) if folder else None
    if folder is None or described is None:
        return None
    named = str(described["base_model_name_or_path"])
    for place in (folder / named, Path(named)):
        if place.is_dir():
            return ModelSource(folder=place.resolve())
    try:
        return ModelSource(hub=named, revision=described.get("revision") or None)
    except ValueError as error:
        raise BadModelError(
            str(folder), f"its adapter is for {named}, which is neither a folder here nor an id of the hub"
        ) from error


def side_file(source: ModelSource, name: str) -> Path | None:
    """A file beside the weights or in the folder around them, or one on the hub; None where there is none."""
    folder = local_folder(source)
    if folder is not None:
        places = (folder / name, *((root / name,) if (root := root_folder(source)) else ()))
        return next((place for place in places if place.is_file()), None)
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


def weights_bytes(source: ModelSource, parameters_count: int) -> int:
    """The size of the files of weights, or of the parameters at four bytes each where there are none."""
    folder = None if source.factory else local_folder(source)
    return (weights.size_bytes(folder) if folder else 0) or 4 * parameters_count


def check(source: ModelSource, modality: str, *, weighed: bool = True) -> None:
    """Refuse what cannot be read for examples of this modality, by its small files alone: the configuration first.

    There must be files of weights, too, where the model is to be `weighed` and not only described.

    Raises `BadModelError` for a missing or damaged file, `UnsupportedModelError` for what is not supported.
    """
    if source.factory:
        return
    if base := base_of(source):
        check(base, modality, weighed=weighed)
        return
    folder = local_folder(source)
    place = str(folder or source.hub)
    described = described_in(source, CONFIG)
    if described is None:  # of a hub that cannot be reached: whoever reads it says so
        return
    refuse_unread(described, modality, place)
    for name in (TOKENIZER_CONFIG, "preprocessor_config.json", "processor_config.json"):
        refuse_own_code(described_in(source, name) or {}, f"{place}/{name}")
    if folder:
        for name in SIDE_FILES:  # which transformers reads by readers of its own, that say less of what is wrong
            described_in(source, name)
        if weighed:
            weights.options_for(folder)


def check_tokenizer(source: ModelSource) -> None:
    """Raises `BadModelError` for a folder without a tokenizer."""
    folder = None if source.factory else local_folder(source)
    if folder and not any((folder / name).is_file() for name in TOKENIZER_FILES) and not base_of(source):
        raise BadModelError(str(folder), f"it has no tokenizer, none of {', '.join(TOKENIZER_FILES)}")


def described_in(source: ModelSource, name: str) -> dict[str, Any] | None:
    """What a side file in JSON says; None where there is none. Raises `BadModelError` for a damaged one."""
    file = side_file(source, name)
    if file is None:
        return None
    found = read_side_file(file)
    if not isinstance(found, dict):
        raise BadModelError(str(file), f"it holds a {type(found).__name__} and no object")
    return found


def read_side_file(file: Path) -> Any:
    """The values of a model's file in JSON. Raises `BadModelError` for what cannot be read or is no JSON."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise BadModelError(str(file), error.strerror or str(error)) from error
    return parse_json(data, name=str(file), error=lambda place, what: BadModelError(str(file), f"{place} {what}"))


def pretrained(
    source: ModelSource, *, auto: str, modality: str, wrapped: Callable[[str], str], classes: int = 0
) -> Read:
    """The model, read by the class of transformers that `auto` names, in float32.

    `wrapped` gives, for a model type, the attribute by which a model with a head holds the one within; it raises for
    a type that is not supported before any weights are read. With `classes` the head has so many outputs, new ones
    where the file has others. An adapter is merged into its base model.
    Raises `BadModelError` for what cannot be read, lacks weights, or has weights for more than it describes.
    """
    if base := base_of(source):
        read = pretrained(base, auto=auto, modality=modality, wrapped=wrapped, classes=classes)
        folder = root_folder(source)
        assert folder is not None
        return _adapted(read, folder)
    check(source, modality)
    place, options = _place(source)
    config = configured(source, modality)
    folder = local_folder(source)
    options |= weights.options_for(folder) if folder else {"weights_only": True}
    if classes:
        options["num_labels"] = classes
    try:
        inner = wrapped(config.model_type)
        import transformers

        with quiet():
            model, report = getattr(transformers, auto).from_pretrained(
                place, ignore_mismatched_sizes=True, output_loading_info=True, **options
            )
    except ToolchainError:
        raise
    except Exception as error:  # hub, JSON, safetensors and torch errors have no common base
        raise BadModelError(place, _unreadable(error, options)) from error
    headed = hasattr(model, inner)
    unread, new = weights.check_read(
        place, report, config, may_be_new=lambda name: _may_be_new(name, inner, headed=headed)
    )
    return Read(model=model.float().eval(), config=config, unread=unread, new=new)


def configured(source: ModelSource, modality: str = "text") -> Any:
    """The configuration of a folder or a hub id, as transformers has it, wanted for examples of this modality.

    Raises `BadModelError` where there is none, `UnsupportedModelError` for what is not read.
    """
    if base := base_of(source):
        return configured(base, modality)
    if described := described_in(source, CONFIG):  # before transformers is imported, let alone asked
        refuse_unread(described, modality, str(local_folder(source) or source.hub))
    import transformers

    transformers.utils.logging.disable_progress_bar()
    place, options = _place(source)
    try:
        with quiet():
            return transformers.AutoConfig.from_pretrained(place, **options)
    except Exception as error:  # hub and JSON errors have no common base
        raise BadModelError(place, " ".join(str(error).split())[:300]) from error


def family_of(source: ModelSource, modality: str) -> str:
    """The model type of a folder or a hub id, wanted for examples of this modality. Raises as `configured` does."""
    return str(configured(source, modality).model_type)


def pretrained_tokenizer(source: ModelSource) -> Any:
    """The tokenizer of a folder or a hub id, as transformers has it. Raises `BadModelError` where there is none."""
    import transformers

    folder, base = root_folder(source), base_of(source)
    if base and not (folder and any((folder / name).is_file() for name in TOKENIZER_FILES)):
        return pretrained_tokenizer(base)
    place, options = _place(source)
    try:
        with quiet():
            return transformers.AutoTokenizer.from_pretrained(place, use_fast=True, **options)
    except Exception as error:  # as above
        raise BadModelError(place, " ".join(str(error).split())[:300]) from error


def call_factory(source: ModelSource) -> Any:
    """A copy of what the source's factory returns. Raises `InputError` where it cannot be called."""
    from edgewright.models.user_factory import call_factory as called  # which imports torch

    assert source.factory
    return called(source.factory, source.beside)


def _place(source: ModelSource) -> tuple[str, dict[str, Any]]:
    options: dict[str, Any] = {"revision": source.revision} if source.revision else {}
    return str(local_folder(source) or source.hub), {**options, **NO_CODE}


def _adapted(read: Read, folder: Path) -> Read:
    """The base model with an adapter merged into it; a head that the adapter brings is one that came fitted."""
    described = weights.adapter_of(folder) or {}
    model, config = weights.merged(read.model, folder), copy.deepcopy(read.config)
    saved = tuple(described.get("modules_to_save") or ())
    ending = HEADS_OF_ADAPTERS.get(str(described.get("task_type")))
    if ending and saved:
        config.architectures = [ending]
        if config.num_labels != model.config.num_labels:
            config.num_labels = model.config.num_labels
    new = tuple(name for name in read.new if not any(part in name.split(".") for part in saved))
    return Read(model=model, config=config, unread=read.unread, new=new)


def _first_module(folder: Path) -> Path | None:
    """The folder that `modules.json` puts first, where it lies within."""
    try:
        first, *_ = read_side_file(folder / MODULES)
        within = (folder / str(first["path"])).resolve()
    except (BadModelError, OSError, ValueError, KeyError, TypeError):
        return None
    return within if within.is_relative_to(folder.resolve()) else None


def _unreadable(error: Exception, options: dict[str, Any]) -> str:
    reason = " ".join(str(error).split())[:300]
    if options.get("use_safetensors") or "weights_only" not in options:
        return reason
    return (
        f"{weights.PICKLED[0]} is read as plain tensors alone (weights_only), and that failed: {reason[:200]}; load it "
        "where you trust it and save it by save_pretrained, which writes safetensors"
    )


def _may_be_new(name: str, wrapped: str, *, headed: bool) -> bool:
    """Random numbers are right for a head that is to be fitted, and only there."""
    if name.startswith(("pooler.", f"{wrapped}.pooler.")):
        return True
    return headed and not name.startswith(f"{wrapped}.")
