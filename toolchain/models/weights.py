"""A model's files of weights: which there are, whether they and the configuration agree, and adapters merged.

In:  a folder, and what transformers says of the tensors it read and did not read from it.
Out: the format, the size, or an error that names the tensor.
Which model is read from where is `source`'s concern.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from edgewright.base.extras import need
from edgewright.base.json_values import JsonObject, as_object
from edgewright.base.quiet import quiet
from edgewright.base.untrusted import parse_json
from edgewright.errors import BadModelError, EnvironmentFaultError, InvalidFileError
from edgewright.models.transformers_types import TransformersConfig

if TYPE_CHECKING:
    from torch import nn

SAFETENSORS = ("model.safetensors", "model.safetensors.index.json")
PICKLED = ("pytorch_model.bin", "pytorch_model.bin.index.json")
SUFFIXES = (".safetensors", ".bin")
OTHERS: Mapping[str, str] = {
    "tf_model.h5": "TensorFlow",
    "flax_model.msgpack": "Flax",
    "model.onnx": "ONNX",
    "model.gguf": "GGUF",
}
ADAPTER = "adapter_config.json"
PEFT = ("peft",)
# Tensors that a checkpoint may hold without a place for them: counters, and heads of tasks other than the one asked.
HARMLESS = re.compile(
    r"(^|\.)(position_ids|token_type_ids|num_batches_tracked|rotary_emb\.inv_freq)$|(^|\.)pooler\.|(^|\.)mask_token$"
    r"|^(cls|lm_head|classifier|pre_classifier|qa_outputs|predictions|sop_classifier|vocab_transform"
    r"|vocab_layer_norm|vocab_projector|discriminator_predictions|generator_predictions|generator_lm_head"
    r"|lm_predictions|mask_predictions|cls_classifier|distillation_classifier|decoder|head)(\.|$)"
)
LAYER = re.compile(r"(?:^|\.)layers?\.(\d+)\.")
LAYER_COUNTS = ("num_hidden_layers", "n_layers")


class LoadingReport(TypedDict):
    """What transformers says of the tensors it read, as far as it is used: its `output_loading_info`."""

    missing_keys: Collection[str]
    unexpected_keys: Collection[str]
    mismatched_keys: Collection[tuple[str, ...]]


def options_for(folder: Path) -> dict[str, bool]:
    """How transformers is to read the weights of a folder: safetensors, or PyTorch's pickles by `weights_only`.

    Raises `BadModelError` where there are none, naming how to convert those of another format.
    """
    if any((folder / name).is_file() for name in SAFETENSORS):
        return {"use_safetensors": True}
    if any((folder / name).is_file() for name in PICKLED):
        return {"use_safetensors": False, "weights_only": True}
    other = next((f"{name} ({what})" for name, what in OTHERS.items() if (folder / name).is_file()), None)
    if other is None:
        other = next((path.name for path in sorted(folder.glob("*.gguf"))), None)
    if other:
        reason = f"its weights are in {other} alone; load them in their own library and save them by save_pretrained"
        raise BadModelError(str(folder), f"{reason}, which writes {SAFETENSORS[0]}")
    raise BadModelError(str(folder), f"it has no weights, neither {SAFETENSORS[0]} nor {PICKLED[0]}")


def size_bytes(folder: Path) -> int:
    """The bytes of the weights: of safetensors, of pickles where there are none; 0 where there are no files."""
    for suffix, first in zip(SUFFIXES, ("model*", "pytorch_model*"), strict=True):
        if files := [path for path in folder.glob(f"{first}{suffix}") if path.is_file()]:
            return sum(path.stat().st_size for path in files)
    return 0


def check_read(
    place: str, report: LoadingReport, config: TransformersConfig, *, may_be_new: Callable[[str], bool]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(tensors left unread that change nothing, those that are new); `report` is transformers' `output_loading_info`.

    Raises `BadModelError` for one that the model lacks and that is not `may_be_new`, and for one that the checkpoint
    holds beyond what its configuration describes.
    """
    new = sorted({*report["missing_keys"], *(name for name, *_ in report["mismatched_keys"])})
    if lacking := [name for name in new if not may_be_new(name)]:
        raise BadModelError(place, f"its weights lack {lacking[0]} as config.json describes it")
    unread = sorted(report["unexpected_keys"])
    if harmful := [name for name in unread if not HARMLESS.search(name)]:
        raise BadModelError(place, _beyond(harmful, config))
    return tuple(unread), tuple(new)


def _beyond(names: Collection[str], config: TransformersConfig) -> str:
    """The fault of tensors that the configuration has no place for."""
    first, *others = names
    rest = f" and {len(others)} more tensors" if len(others) > 1 else " and one more tensor" if others else ""
    layers = [int(match[1]) for name in names if (match := LAYER.search(name))]
    counts = (config.value(name) for name in LAYER_COUNTS)
    count = next((count for count in counts if isinstance(count, int)), None)
    if layers and count is not None and max(layers) >= count:
        return (
            f"its weights hold {max(layers) + 1} layers ({first}{rest}), but config.json's number of layers is "
            f"{count}, so that the model would not be the one that was trained; correct config.json"
        )
    return (
        f"its weights hold {first}{rest}, which config.json has no place for, so that the model would not be the one "
        "that was trained; correct config.json, or save the model by its own class"
    )


def adapter_of(folder: Path) -> JsonObject | None:
    """What a folder's `adapter_config.json` says, where it holds an adapter and no model of its own."""
    file = folder / ADAPTER
    if not file.is_file() or (folder / "config.json").is_file():
        return None
    try:
        described: JsonObject = as_object(parse_json(file.read_bytes(), name=str(file)), str(file))
        named = described["base_model_name_or_path"]
    except InvalidFileError as error:
        raise BadModelError(str(file), ": ".join(error.faults[0])) from error
    except (OSError, KeyError, TypeError) as error:
        raise BadModelError(str(file), f"it names no base_model_name_or_path ({error})") from error
    if not isinstance(named, str) or not named:
        raise BadModelError(str(file), "its base_model_name_or_path names no model")
    return described


def merged(model: nn.Module, folder: Path) -> nn.Module:
    """The base model with an adapter's weights merged into its own, as peft does it.

    Raises `EnvironmentFaultError` without peft, `BadModelError` for an adapter that does not fit the model.
    """
    try:
        need(PEFT, purpose="merge the adapter into its base model", extra="adapters")
    except EnvironmentFaultError as error:
        raise EnvironmentFaultError(
            "the Python package peft",
            f"merge the adapter in {folder} into its base model",
            "pip install 'edgewright[adapters]', or merge it yourself by peft's merge_and_unload and save the result "
            "by save_pretrained",
        ) from error
    try:
        with quiet():
            import peft

            joined: nn.Module = peft.PeftModel.from_pretrained(model, str(folder)).merge_and_unload().eval()
    except Exception as error:  # peft, torch and JSON errors have no common base
        raise BadModelError(str(folder), f"its adapter: {' '.join(str(error).split())[:300]}") from error
    return joined
