"""Where the files of the model lie that a recipe names, and what the small ones among them say.

In:  a recipe's `[model]` section: a folder, a hub id, a Python factory, or a folder inside an installed package.
Out: the folder, files beside its weights and their values; what cannot be read is refused by the small files alone.
Reading the model itself is `pretrained`'s concern; whether those files are understood is `side_files`'.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from edgewright.base.json_values import JsonObject, JsonValue, as_list, as_object
from edgewright.base.untrusted import parse_json
from edgewright.errors import BadModelError, InvalidFileError
from edgewright.models import weights
from edgewright.models.refusals import refuse_own_code, refuse_unread
from edgewright.models.transformers_types import CONFIG
from edgewright.specs.recipe import ModelSource

MODULES, TOKENIZER_CONFIG = "modules.json", "tokenizer_config.json"
TOKENIZER_FILES = ("tokenizer.json", "vocab.txt", "vocab.json", "sentencepiece.bpe.model", "spiece.model", "spm.model")
SIDE_FILES = ("special_tokens_map.json", "preprocessor_config.json", "generation_config.json")


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

    cached = cached_file(
        source.hub,
        name,
        revision=source.revision,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
    )
    return Path(cached) if cached else None


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


def described_in(source: ModelSource, name: str) -> JsonObject | None:
    """What a side file in JSON says; None where there is none. Raises `BadModelError` for a damaged one."""
    file = side_file(source, name)
    if file is None:
        return None
    values = read_side_file(file)
    if not isinstance(values, dict):
        raise BadModelError(str(file), f"it holds a {type(values).__name__} and no object")
    return values


def read_side_file(file: Path) -> JsonValue:
    """The values of a model's file in JSON. Raises `BadModelError` for what cannot be read or is no JSON."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise BadModelError(str(file), error.strerror or str(error)) from error
    values: JsonValue = parse_json(
        data, name=str(file), error=lambda place, what: BadModelError(str(file), f"{place} {what}")
    )
    return values


def _first_module(folder: Path) -> Path | None:
    """The folder that `modules.json` puts first, where it lies within."""
    try:
        first, *_ = as_list(read_side_file(folder / MODULES), MODULES)
        within = (folder / str(as_object(first, MODULES, 0)["path"])).resolve()
    except (BadModelError, InvalidFileError, OSError, ValueError, KeyError):
        return None
    return within if within.is_relative_to(folder.resolve()) else None
