"""How much each channel of a net matters: by weights, by gradients, or by the energy it gives to its readers.

In:  a net, its copy that is to be cut, and calibration data.
Out: what torch-pruning calls an importance: a group of coupled channels → a score for each.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from edgewright.compress.dependency_graph import CoupledGroup
from edgewright.errors import ModelError
from edgewright.models.convnet import ConvNet
from edgewright.models.inputs import Inputs

ChannelImportance = Literal["magnitude", "taylor", "fisher", "activation"]
ChannelScores: TypeAlias = Callable[[CoupledGroup], Tensor | None]
"""A group of coupled channels → a score for each, (channels,); None for a group that is not to be pruned."""
Reader: TypeAlias = nn.Linear | nn.modules.conv._ConvNd
"""A layer that mixes channels."""


def in_order(count: int, size: int) -> Iterator[list[int]]:
    """Indexes in batches of one size, give or take one, and at most `size`."""
    parts = -(-count // size)
    for part in range(parts):
        yield list(range(part * count // parts, (part + 1) * count // parts))


def gradients_of(
    net: ConvNet,
    inputs: Inputs,
    importance: ChannelImportance,
    loss_of: Callable[[Sequence[int]], Tensor] | None,
    batch_size: int,
) -> list[dict[str, Tensor]]:
    """For "taylor" the parameters' mean gradient, for "fisher" each batch's gates' by layer; none for the others."""
    if importance not in ("taylor", "fisher"):
        return []

    def squared_scores(indexes: Sequence[int]) -> Tensor:
        scores: Tensor = net(*inputs.batch(indexes))
        return scores.square().mean()

    wanted = {name: each.requires_grad for name, each in net.named_parameters()}
    modes = {module: module.training for module in net.modules()}
    net.eval().requires_grad_(True)
    gradients: list[dict[str, Tensor]] = []
    try:
        names, parameters = zip(*net.named_parameters(), strict=True)
        for batch in in_order(len(inputs), batch_size):
            loss = (loss_of or squared_scores)(batch)
            slopes = torch.autograd.grad(loss, parameters, allow_unused=True)
            by_name = {
                name: torch.zeros_like(each) if slope is None else slope
                for name, each, slope in zip(names, parameters, slopes, strict=True)
            }
            if importance == "fisher":
                gradients.append(
                    {name: _per_input(layer, layer.weight * by_name[f"{name}.weight"]) for name, layer in _readers(net)}
                )
            elif gradients:
                gradients = [{name: gradients[0][name] + slope for name, slope in by_name.items()}]
            else:
                gradients = [by_name]
    finally:
        for name, parameter in net.named_parameters():
            parameter.requires_grad_(wanted[name])
        for module, training in modes.items():
            module.training = training
    if not all(bool(each.isfinite().all()) for by_name in gradients for each in by_name.values()):
        raise ModelError(f"the loss that {importance} importance is taken from has a gradient that is no number")
    return [{name: each.detach() for name, each in by_name.items()} for by_name in gradients]


def _readers(net: nn.Module) -> Iterator[tuple[str, Reader]]:
    """(name, layer) of each that mixes channels."""
    for name, module in net.named_modules():
        if isinstance(module, nn.Linear | nn.modules.conv._ConvNd) and not is_depthwise(module):
            yield name, module


def is_depthwise(module: nn.Module) -> bool:
    """Whether it filters each channel by itself."""
    return isinstance(module, nn.modules.conv._ConvNd) and 1 < module.groups == module.out_channels


def _per_input(layer: nn.Module, values: Tensor) -> Tensor:
    """Sums of a value for each weight over all that read one input channel: (inputs,)."""
    if getattr(layer, "transposed", False):
        return values.flatten(1).sum(dim=1)
    groups = getattr(layer, "groups", 1)
    return values.reshape(groups, values.shape[0] // groups, values.shape[1], -1).sum(dim=(1, 3)).flatten()


def importance_of(
    importance: ChannelImportance,
    net: ConvNet,
    student: ConvNet,
    inputs: Inputs,
    gradients: list[dict[str, Tensor]],
    batch_size: int,
) -> ChannelScores:
    """What torch-pruning calls an importance: a group of coupled channels → a score for each."""
    import torch_pruning

    if importance == "magnitude":
        magnitude: ChannelScores = torch_pruning.importance.GroupMagnitudeImportance(normalizer=None)
        return magnitude
    if importance == "taylor":
        for name, parameter in student.named_parameters():
            parameter.grad = gradients[0][name].clone()
        taylor: ChannelScores = torch_pruning.importance.GroupTaylorImportance(normalizer=None)
        return taylor
    if importance == "activation":
        energies = _energies(net, inputs, batch_size)
        return _ReaderImportance(student, {name: energy[None] for name, energy in energies.items()}, squared=False)
    by_layer = {name: torch.stack([each[name] for each in gradients]) for name in gradients[0]}
    return _ReaderImportance(student, by_layer, squared=True)


class _ReaderImportance:
    """A channel's score from a table (batches, inputs) for each layer that reads it: summed, squared, mean."""

    def __init__(self, student: nn.Module, table: Mapping[str, Tensor], *, squared: bool) -> None:
        self.table = {module: table[name] for name, module in _readers(student)}
        self.squared = squared

    def __call__(self, group: CoupledGroup) -> Tensor | None:
        total: Tensor | None = None
        for item in group:
            dep, indexes, roots = item.dep, item.idxs, item.root_idxs
            layer = dep.target.module
            if layer not in self.table or dep.handler.__name__ != "prune_in_channels":
                continue
            values = self.table[layer]
            if total is None:
                total = values.new_zeros(len(values), len(group[0].idxs))
            total.index_add_(1, torch.tensor(roots), values[:, indexes])
        if total is None:
            return None
        return (total.square() if self.squared else total).mean(dim=0)


@torch.no_grad()
def _energies(net: ConvNet, inputs: Inputs, batch_size: int) -> dict[str, Tensor]:
    """Mean squared value of each channel that a layer reads, times the squared weights that read it."""
    totals: dict[str, Tensor] = {}
    counts: dict[str, int] = {}

    def observer(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def observe(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            values = inputs[0].movedim(1, -1) if isinstance(layer, nn.modules.conv._ConvNd) else inputs[0]
            values = values.reshape(-1, values.shape[-1])
            totals[name] = totals.get(name, 0) + values.square().sum(dim=0)
            counts[name] = counts.get(name, 0) + len(values)

        return observe

    quiet_copy = copy.deepcopy(net).eval()
    layers = dict(_readers(quiet_copy))
    for name, layer in layers.items():
        layer.register_forward_pre_hook(observer(name))
    for batch in in_order(len(inputs), batch_size):
        quiet_copy(*inputs.batch(batch))
    nothing = {name: _per_input(layer, torch.zeros_like(layer.weight)) for name, layer in layers.items()}
    return nothing | {
        name: total / counts[name] * _per_input(layers[name], layers[name].weight.square())
        for name, total in totals.items()
    }
