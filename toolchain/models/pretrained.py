"""A model as transformers reads it from where a recipe says that it lies.

In:  a recipe's `[model]` section: a folder, a hub id, or a Python factory.
Out: the model and its tokenizer as transformers has them, and the configuration as it came.
Where the files lie is `source`'s concern; bringing a model into Edgewright's own form is `teacher`'s and
`image_teacher`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgewright.base.json_values import as_list
from edgewright.base.quiet import quiet
from edgewright.errors import BadModelError, ToolchainError
from edgewright.models import weights
from edgewright.models.refusals import refuse_unread
from edgewright.models.source import TOKENIZER_FILES, base_of, check, described_in, local_folder, root_folder
from edgewright.models.transformers_types import CONFIG, PretrainedTokenizer, TransformersConfig, config_of
from edgewright.specs.recipe import ModelSource

if TYPE_CHECKING:
    from torch import nn

HEADS_OF_ADAPTERS = {"SEQ_CLS": "ForSequenceClassification", "TOKEN_CLS": "ForTokenClassification"}  # peft's names
NO_CODE = {"trust_remote_code": False}  # never asked, never run


@dataclass(frozen=True, kw_only=True)
class Read:
    """A model as transformers has it, and its configuration as it came.

    `unread` are the tensors of its files that were rightly left alone, `new` those that its files lack.
    """

    model: nn.Module
    config: TransformersConfig
    unread: tuple[str, ...] = ()
    new: tuple[str, ...] = ()


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


def configured(source: ModelSource, modality: str = "text") -> TransformersConfig:
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
            return TransformersConfig(transformers.AutoConfig.from_pretrained(place, **options))
    except Exception as error:  # hub and JSON errors have no common base
        raise BadModelError(place, " ".join(str(error).split())[:300]) from error


def family_of(source: ModelSource, modality: str) -> str:
    """The model type of a folder or a hub id, wanted for examples of this modality. Raises as `configured` does."""
    return configured(source, modality).model_type


def pretrained_tokenizer(source: ModelSource) -> PretrainedTokenizer:
    """The tokenizer of a folder or a hub id, as transformers has it. Raises `BadModelError` where there is none."""
    import transformers

    folder, base = root_folder(source), base_of(source)
    if base and not (folder and any((folder / name).is_file() for name in TOKENIZER_FILES)):
        return pretrained_tokenizer(base)
    place, options = _place(source)
    try:
        with quiet():
            tokenizer: PretrainedTokenizer = transformers.AutoTokenizer.from_pretrained(place, use_fast=True, **options)
    except Exception as error:  # as above
        raise BadModelError(place, " ".join(str(error).split())[:300]) from error
    return tokenizer


def call_factory(source: ModelSource) -> object:
    """A copy of what the source's factory returns. Raises `InputError` where it cannot be called."""
    from edgewright.models.user_factory import call_factory as called  # which imports torch

    assert source.factory
    return called(source.factory, source.beside)


def _place(source: ModelSource) -> tuple[str, dict[str, object]]:
    options: dict[str, object] = {"revision": source.revision} if source.revision else {}
    return str(local_folder(source) or source.hub), {**options, **NO_CODE}


def _adapted(read: Read, folder: Path) -> Read:
    """The base model with an adapter merged into it; a head that the adapter brings is one that came fitted."""
    described = weights.adapter_of(folder) or {}
    model, config = weights.merged(read.model, folder), read.config
    saved = [str(name) for name in as_list(described.get("modules_to_save") or [], str(folder / weights.ADAPTER))]
    ending = HEADS_OF_ADAPTERS.get(str(described.get("task_type")))
    if ending and saved:
        config = config.with_head(ending, config_of(model).integer("num_labels"))
    new = tuple(name for name in read.new if not any(part in name.split(".") for part in saved))
    return Read(model=model, config=config, unread=read.unread, new=new)


def _unreadable(error: Exception, options: dict[str, object]) -> str:
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
