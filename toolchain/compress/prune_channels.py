"""Remove whole channels of a convolutional net until a share of its multiply-accumulates is left.

In:  a `ConvNet`, calibration data, the share that stays, and how channels are scored and ranked.
Out: `PrunedChannels`: an ordinary, smaller net of the same family, and what each layer kept; `refit` can better it
     without training.
Which layers are coupled by sums, concatenations and depthwise convolutions is torch-pruning's dependency graph (Fang
et al. 2023, DepGraph). Winning accuracy back by training is `distill`'s concern.
"""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from edgewright.compress.channel_groups import ChannelGroup, groups_of
from edgewright.compress.channel_scores import ChannelImportance, gradients_of, importance_of
from edgewright.compress.dependency_graph import dependency_graph
from edgewright.errors import BadDataError, InputError, ModelError
from edgewright.models.convnet import ConvNet, example_inputs
from edgewright.models.inputs import Inputs
from edgewright.models.macs import ModelSizes, sizes

Ranking = Literal["uniform", "global", "isomorphic"]
SEARCH_STEPS = 4096


@dataclass(frozen=True, kw_only=True)
class KeptChannels:
    """Which output channels of its `of` one layer keeps; its name is that in the net."""

    name: str
    channels: tuple[int, ...]
    of: int


@dataclass(frozen=True, kw_only=True)
class PrunedChannels:
    """The student before training; sizes are for one image. `kept` has a row for each layer whose outputs were cut."""

    model: ConvNet
    sizes_before: ModelSizes
    sizes_after: ModelSizes
    kept: tuple[KeptChannels, ...]


def prune_channels(
    net: ConvNet,
    inputs: Inputs,
    *,
    keep_macs: float,
    importance: ChannelImportance = "magnitude",
    ranking: Ranking = "isomorphic",
    multiple: int = 8,
    floor: float = 0.1,
    loss_of: Callable[[Sequence[int]], Tensor] | None = None,
    batch_size: int = 16,
) -> PrunedChannels:
    """Remove the least important channels until at most the share `keep_macs` of the MACs is left; `net` is unchanged.

    `importance` of a channel is its "magnitude" (the squared weights of all that is coupled to it), "taylor" (their
    first-order effect on the loss, Molchanov et al. 2019), "fisher" (the squared derivative of the loss by a gate on
    the channel, mean over batches, Liu et al. 2021) or "activation" (the energy it gives to the layers that read it).
    `loss_of` is the loss of `net` on a batch of calibration data; where there is none, the squared norm of the scores.

    Channels are ranked within each layer ("uniform": every layer keeps the same share), over all layers ("global"), or
    over layers that are coupled in the same way ("isomorphic", Fang et al. 2024). A layer keeps a multiple of
    `multiple` channels, the size that the device's int8 kernels work in, and at least the share `floor`, or all it has.
    The outputs of the net are never pruned. Raises `InputError` when `keep_macs` is out of reach.
    """
    _validate(keep_macs, multiple, floor, inputs)
    before = sizes(net, example_inputs(net))
    with _tracing():
        student, gradients = copy.deepcopy(net), gradients_of(net, inputs, importance, loss_of, batch_size)
        student.requires_grad_(True)
        graph = dependency_graph(student)
        groups = list(groups_of(graph, student, importance_of(importance, net, student, inputs, gradients, batch_size)))
        removed = _search(groups, student, before, keep_macs * before.macs, (ranking, multiple, floor))
        kept = tuple(_kept(groups, removed, student))
        for group, units in zip(groups, removed, strict=True):
            if len(units):
                gone = [int(unit) + way * group.units for way in range(group.ways) for unit in units]
                graph.get_pruning_group(group.root, group.handler, gone).prune()
    wanted = {name: each.requires_grad for name, each in net.named_parameters()}
    for name, parameter in student.named_parameters():
        parameter.grad = None
        parameter.requires_grad_(wanted[name])
    student.eval()
    after = _measured(student)
    return PrunedChannels(model=student, sizes_before=before, sizes_after=after, kept=kept)


def _validate(keep_macs: float, multiple: int, floor: float, inputs: Inputs) -> None:
    if not 0 < keep_macs <= 1:
        raise InputError(f"keep_macs is {keep_macs:g}; it is the share of MACs that stays, above 0 and at most 1")
    if multiple < 1 or not 0 <= floor <= 1:
        raise InputError(f"multiple is {multiple} and floor {floor:g}; give at least 1, and a share from 0 to 1")
    if not len(inputs):
        raise BadDataError("there is no calibration data to prune with; give at least one image")


@contextmanager
def _tracing() -> Iterator[None]:
    """Autograd is what the dependency graph is traced with; its remarks are for those who wrote the model."""
    with torch.inference_mode(False), torch.enable_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _search(
    groups: Sequence[ChannelGroup],
    student: ConvNet,
    before: ModelSizes,
    wanted_macs: float,
    how: tuple[Ranking, int, float],
) -> list[Tensor]:
    """The units to remove from each group: as few as bring the MACs to `wanted_macs` or below."""
    layers = {layer.name: layer.macs for layer in before.layers if layer.macs}

    def macs_at(step: int) -> float:
        return _macs(groups, _removed(groups, step / SEARCH_STEPS, *how), student, layers, before.macs)

    low, high = 0, SEARCH_STEPS
    if macs_at(high) > wanted_macs * (1 + 1e-9):
        _, multiple, floor = how
        raise InputError(
            f"keep_macs {wanted_macs / before.macs:.3g} is out of reach: {macs_at(high) / before.macs:.3g} of the MACs "
            f"stay where every layer keeps {multiple} channels and the share {floor:g}; raise it, or lower those"
        )
    while low < high:
        middle = (low + high) // 2
        if macs_at(middle) <= wanted_macs * (1 + 1e-9):
            high = middle
        else:
            low = middle + 1
    return _removed(groups, high / SEARCH_STEPS, *how)


def _removed(
    groups: Sequence[ChannelGroup], share: float, ranking: Ranking, multiple: int, floor: float
) -> list[Tensor]:
    """The units that go from each group when this share of each ranking goes, before rounding."""
    rankings: dict[object, list[int]] = {}
    for place, group in enumerate(groups):
        key: object = {"uniform": place, "global": None, "isomorphic": group.alike}[ranking]
        rankings.setdefault(key, []).append(place)
    removed: list[Tensor] = [torch.empty(0, dtype=torch.long)] * len(groups)
    for ranked in rankings.values():
        # Scores of one layer have a scale of their own; each is measured against its layer's mean.
        scores = [groups[place].scores / groups[place].scores.mean().clamp(min=1e-30) for place in ranked]
        owner = torch.cat([torch.full((len(each),), place) for place, each in zip(ranked, scores, strict=True)])
        order = torch.cat(scores).argsort(stable=True)
        gone = owner[order[: round(share * len(order))]]
        for place in ranked:
            group = groups[place]
            left = _rounded(group, int((gone == place).sum()), multiple, floor)
            removed[place] = group.scores.argsort(stable=True)[: group.units - left].sort().values
    return removed


def _rounded(group: ChannelGroup, gone: int, multiple: int, floor: float) -> int:
    """How many units stay: near what is left, of the right multiple, and not below the floor."""
    if not gone:
        return group.units
    step = multiple // math.gcd(multiple, group.ways)
    least = -(-max(1, math.ceil(floor * group.units)) // step) * step
    nearest = (2 * (group.units - gone) + step) // (2 * step) * step
    return min(max(nearest, least), group.units)


def _macs(
    groups: Sequence[ChannelGroup],
    removed: Sequence[Tensor],
    student: ConvNet,
    layers: Mapping[str, int],
    total: int,
) -> float:
    """The MACs that are left, reckoned from those of each layer and the sides it loses."""
    left: dict[tuple[str, bool], int] = {}
    for group, units in zip(groups, removed, strict=True):
        for member in group.members:
            if member.name in layers:
                side = (member.name, member.outwards)
                gone = int(torch.isin(member.units, units).sum())
                left[side] = left.get(side, width(student.get_submodule(member.name), member.outwards)) - gone
    lost = 0.0
    for name, macs in layers.items():
        module = student.get_submodule(name)
        share = 1.0
        for outwards in (True, False):
            if (name, outwards) in left:
                share *= left[name, outwards] / width(module, outwards)
        lost += macs * (1 - share)
    return total - lost


def width(module: nn.Module, outwards: bool) -> int:
    """How many channels a layer writes, or reads."""
    if isinstance(module, nn.Linear):
        return module.out_features if outwards else module.in_features
    channels: int = getattr(module, "out_channels" if outwards else "in_channels")
    return channels


def _kept(groups: Sequence[ChannelGroup], removed: Sequence[Tensor], student: ConvNet) -> Iterator[KeptChannels]:
    """A row for each layer whose outputs are cut, in the net's order."""
    gone: dict[str, set[int]] = {}
    for group, units in zip(groups, removed, strict=True):
        for member in group.members:
            if member.outwards and len(units):
                gone.setdefault(member.name, set()).update(member.indexes[torch.isin(member.units, units)].tolist())
    for name, module in student.named_modules():
        if name in gone and isinstance(module, nn.modules.conv._ConvNd | nn.Linear):
            count = width(module, True)
            yield KeptChannels(
                name=name, channels=tuple(each for each in range(count) if each not in gone[name]), of=count
            )


def _measured(student: ConvNet) -> ModelSizes:
    try:
        return sizes(student, example_inputs(student))
    except Exception as error:  # the model's own code
        raise ModelError(
            "the model does not run with fewer channels, as its code counts on those it had: "
            f"{' '.join(str(error).split())[:200]}; prune another model, or take the counts from the tensors' shapes"
        ) from error
