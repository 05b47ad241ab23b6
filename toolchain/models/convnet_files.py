"""Nets of convolutions in folders: the tensors, where the architecture came from, and the sizes that differ from it.

In:  a `ConvNet`, or a folder that `save` wrote.
Out: the same net, rebuilt at its smaller sizes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TypeAlias

from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from edgewright.errors import BadModelError, ModelError, ToolchainError
from edgewright.models.convnet import ConvNet, Image, Origin
from edgewright.models.convnet_sources import rebuilt
from edgewright.models.families import mark

DESCRIPTION = "convnet.json"
Size: TypeAlias = int | list[int]
"""A number of channels, features or groups; or a shape."""
# What a module that pruning makes smaller keeps of its sizes, beside the tensors themselves.
SIZE_ATTRIBUTES: tuple[tuple[type[nn.Module], tuple[str, ...]], ...] = (
    (nn.modules.conv._ConvNd, ("in_channels", "out_channels", "groups")),
    (nn.Linear, ("in_features", "out_features")),
    (nn.modules.batchnorm._NormBase, ("num_features",)),
    (nn.GroupNorm, ("num_channels", "num_groups")),
    (nn.LayerNorm, ("normalized_shape",)),
    (nn.PReLU, ("num_parameters",)),
)


def save(net: ConvNet, folder: Path) -> None:
    """Write `convnet.json` and `convnet.safetensors` into an existing folder.

    Raises `ModelError` for a net that has other modules than the architecture it came from.
    """
    original = rebuilt(net.origin)
    sizes = {name: _sizes_of(module) for name, module in original.named_modules()}
    if other := sorted(sizes.keys() ^ {name for name, _ in net.network.named_modules()}):
        raise ModelError(
            f"the net's module {other[0]} and its architecture's differ, so that it could not be rebuilt; "
            "what is written may have other sizes, not other modules"
        )
    changed = {name: own for name, module in net.network.named_modules() if (own := _sizes_of(module)) != sizes[name]}
    described = {"origin": asdict(net.origin), "sizes": changed}
    state = {name: tensor.detach().clone().contiguous() for name, tensor in net.network.state_dict().items()}
    (folder / DESCRIPTION).write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
    save_file(state, folder / "convnet.safetensors")
    mark(folder, net.family)


def load(folder: Path, *, factory: str = "") -> ConvNet:
    """Read what `save` wrote. Raises `BadModelError` when a file is missing, damaged or at odds with the other.

    A net that came from a factory needs that `factory` named again: a folder alone never says what code is run.
    """
    try:
        described = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        stated = described["origin"]
        origin = Origin(**{**stated, "image": Image(**stated["image"])})
        if origin.factory != factory:
            raise BadModelError(
                str(folder),
                f"it was made by the factory {origin.factory!r} and not by {factory!r}; name it, as its code is run"
                if origin.factory
                else f"it was made by no factory, but {factory!r} is named",
            )
        network = rebuilt(origin)
        state = load_file(folder / "convnet.safetensors")
        _resize(network, described["sizes"], state)
        network.load_state_dict(state, strict=True)
    except ToolchainError:
        raise
    except Exception as error:  # safetensors, json, transformers and torch each raise their own; all mean the same here
        raise BadModelError(str(folder), " ".join(str(error).split())[:300]) from error
    return ConvNet(network, origin).eval()


def _sizes_of(module: nn.Module) -> dict[str, Size]:
    """A module's own sizes: its attributes, and the shapes of tensors that no attribute tells."""
    for kind, names in SIZE_ATTRIBUTES:
        if isinstance(module, kind):
            values = {name: getattr(module, name) for name in names}
            return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
    return {name: list(each.shape) for name, each in module.named_parameters(recurse=False)}


def _resize(network: nn.Module, table: Mapping[str, Mapping[str, Size]], state: Mapping[str, Tensor]) -> None:
    """Give the modules in `table` their sizes, and empty tensors of those sizes to be filled from `state`."""
    modules = dict(network.named_modules())
    for place, wanted in table.items():
        module = modules[place]
        before = _sizes_of(module)
        if before.keys() != wanted.keys():
            raise ValueError(f"{place} has no sizes {', '.join(wanted)}")
        if any(kind for kind, _ in SIZE_ATTRIBUTES if isinstance(module, kind)):
            for name, value in wanted.items():
                setattr(module, name, tuple(value) if isinstance(value, list) else value)
        for name, old in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]:
            tensor = state[f"{place}.{name}" if place else name]
            expected = _expected_shape(module, name, wanted) or tuple(old.shape)
            if tuple(tensor.shape) != expected:
                raise ValueError(f"{place}.{name} is {tuple(tensor.shape)}, but convnet.json says {expected}")
            empty = old.new_empty(expected)
            setattr(module, name, nn.Parameter(empty, old.requires_grad) if isinstance(old, nn.Parameter) else empty)


def _expected_shape(module: nn.Module, name: str, wanted: Mapping[str, Size]) -> tuple[int, ...] | None:
    """The shape that a resized module's tensor has; None for one that does not depend on sizes."""
    if name == "num_batches_tracked":
        return None
    if isinstance(module, nn.modules.conv._ConvNd):
        if name == "bias":
            return (module.out_channels,)
        ends = (
            (module.in_channels, module.out_channels)
            if module.transposed
            else (module.out_channels, module.in_channels)
        )
        return (ends[0], ends[1] // module.groups, *module.kernel_size)
    if isinstance(module, nn.Linear):
        return (module.out_features,) if name == "bias" else (module.out_features, module.in_features)
    if isinstance(module, nn.LayerNorm):
        return tuple(module.normalized_shape)
    if isinstance(module, nn.GroupNorm):
        return (module.num_channels,)
    if any(kind for kind, _ in SIZE_ATTRIBUTES if isinstance(module, kind)):
        return _as_shape(next(iter(wanted.values())))
    return _as_shape(wanted[name]) if name in wanted else None


def _as_shape(size: Size) -> tuple[int, ...]:
    return (size,) if isinstance(size, int) else tuple(size)
