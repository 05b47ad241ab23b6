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
from typing import Any, Literal

import torch
from torch import Tensor, nn

from edgewright.errors import BadDataError, InputError, ModelError
from edgewright.models.convnet import ConvNet, example_inputs
from edgewright.models.inputs import Inputs
from edgewright.models.macs import ModelSizes, sizes

Importance = Literal["magnitude", "taylor", "fisher", "activation"]
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


@dataclass(frozen=True, kw_only=True)
class _Member:
    """One side of a module that a group of channels passes through: how many of its indexes each unit holds."""

    name: str
    outwards: bool
    indexes: Tensor
    units: Tensor


@dataclass(frozen=True, kw_only=True)
class _Group:
    """Channels that must go together. A unit is one channel, or one in each group of a grouped convolution."""

    root: nn.Module
    handler: Any
    alike: tuple[tuple[str, bool], ...]
    ways: int
    scores: Tensor
    members: tuple[_Member, ...]

    @property
    def units(self) -> int:
        return len(self.scores)


def prune_channels(
    net: ConvNet,
    inputs: Inputs,
    *,
    keep_macs: float,
    importance: Importance = "magnitude",
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
        student, gradients = copy.deepcopy(net), _gradients(net, inputs, importance, loss_of, batch_size)
        student.requires_grad_(True)
        graph = _graph(student)
        groups = list(_groups(graph, student, _importance(importance, net, student, inputs, gradients, batch_size)))
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


def in_order(count: int, size: int) -> Iterator[list[int]]:
    """Indexes in batches of one size, give or take one, and at most `size`."""
    parts = -(-count // size)
    for part in range(parts):
        yield list(range(part * count // parts, (part + 1) * count // parts))


# Scoring


def _gradients(
    net: ConvNet,
    inputs: Inputs,
    importance: Importance,
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
    found: list[dict[str, Tensor]] = []
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
                found.append(
                    {name: _per_input(layer, layer.weight * by_name[f"{name}.weight"]) for name, layer in _readers(net)}
                )
            elif found:
                found = [{name: found[0][name] + slope for name, slope in by_name.items()}]
            else:
                found = [by_name]
    finally:
        for name, parameter in net.named_parameters():
            parameter.requires_grad_(wanted[name])
        for module, training in modes.items():
            module.training = training
    if not all(bool(each.isfinite().all()) for by_name in found for each in by_name.values()):
        raise ModelError(f"the loss that {importance} importance is taken from has a gradient that is no number")
    return [{name: each.detach() for name, each in by_name.items()} for by_name in found]


def _readers(net: nn.Module) -> Iterator[tuple[str, Any]]:
    """(name, layer) of each that mixes channels."""
    for name, module in net.named_modules():
        if isinstance(module, nn.Linear | nn.modules.conv._ConvNd) and not _is_depthwise(module):
            yield name, module


def _is_depthwise(module: nn.Module) -> bool:
    return isinstance(module, nn.modules.conv._ConvNd) and 1 < module.groups == module.out_channels


def _per_input(layer: Any, values: Tensor) -> Tensor:
    """Sums of a value for each weight over all that read one input channel: (inputs,)."""
    if getattr(layer, "transposed", False):
        return values.flatten(1).sum(dim=1)
    groups = getattr(layer, "groups", 1)
    return values.reshape(groups, values.shape[0] // groups, values.shape[1], -1).sum(dim=(1, 3)).flatten()


def _importance(
    importance: Importance,
    net: ConvNet,
    student: ConvNet,
    inputs: Inputs,
    gradients: list[dict[str, Tensor]],
    batch_size: int,
) -> Callable[[Any], Tensor | None]:
    """What torch-pruning calls an importance: a group of coupled channels → a score for each."""
    import torch_pruning

    if importance == "magnitude":
        magnitude: Callable[[Any], Tensor | None] = torch_pruning.importance.GroupMagnitudeImportance(normalizer=None)
        return magnitude
    if importance == "taylor":
        for name, parameter in student.named_parameters():
            parameter.grad = gradients[0][name].clone()
        taylor: Callable[[Any], Tensor | None] = torch_pruning.importance.GroupTaylorImportance(normalizer=None)
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

    def __call__(self, group: Any) -> Tensor | None:
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

    def heard(name: str) -> Callable[[nn.Module, Any], None]:
        def hear(layer: nn.Module, given: Any) -> None:
            values = given[0].movedim(1, -1) if isinstance(layer, nn.modules.conv._ConvNd) else given[0]
            values = values.reshape(-1, values.shape[-1])
            totals[name] = totals.get(name, 0) + values.square().sum(dim=0)
            counts[name] = counts.get(name, 0) + len(values)

        return hear

    quiet_copy = copy.deepcopy(net).eval()
    layers = dict(_readers(quiet_copy))
    for name, layer in layers.items():
        layer.register_forward_pre_hook(heard(name))
    for batch in in_order(len(inputs), batch_size):
        quiet_copy(*inputs.batch(batch))
    nothing = {name: _per_input(layer, torch.zeros_like(layer.weight)) for name, layer in layers.items()}
    return nothing | {
        name: total / counts[name] * _per_input(layers[name], layers[name].weight.square())
        for name, total in totals.items()
    }


# Choosing


def _graph(student: ConvNet) -> Any:
    import torch_pruning

    student.eval()
    try:
        return torch_pruning.DependencyGraph().build_dependency(student, example_inputs(student)[0])
    except Exception as error:  # torch-pruning asserts, and the model's own code may raise anything
        raise ModelError(
            f"how the model's channels depend on one another could not be traced: {' '.join(str(error).split())[:200]}"
        ) from error


def _groups(graph: Any, student: ConvNet, importance: Callable[[Any], Tensor | None]) -> Iterator[_Group]:
    """The groups of channels that may be pruned, scored."""
    names = {module: name for name, module in student.named_modules()}
    for group in graph.get_all_groups(root_module_types=(nn.modules.conv._ConvNd, nn.Linear)):
        items = [(item.dep.target, item.dep.handler, item.idxs, item.root_idxs) for item in group]
        count = len(items[0][2])
        outwards = [graph.is_out_channel_pruning_fn(handler) for _, handler, *_ in items]
        # What nothing reads any more is the net's output: its classes stay.
        if any(out and not node.outputs for out, (node, *_) in zip(outwards, items, strict=True)):
            continue
        ways = max(_ways(node.module) for node, *_ in items)
        if any(root is None for *_, roots in items for root in roots) or count % ways or count // ways < 2:
            continue
        if ways > 1 and any(indexes != roots for node, _, indexes, roots in items if _ways(node.module) > 1):
            continue
        scores = importance(group)
        if scores is None or len(scores) < count:
            continue
        units = count // ways
        members = tuple(
            _Member(
                name=names[node.module],
                outwards=out,
                indexes=torch.tensor(indexes),
                units=torch.tensor(roots) % units,
            )
            for out, (node, _, indexes, roots) in zip(outwards, items, strict=True)
            if node.module in names
        )
        yield _Group(
            root=items[0][0].module,
            handler=items[0][1],
            alike=tuple((type(node.module).__name__, out) for out, (node, *_) in zip(outwards, items, strict=True)),
            ways=ways,
            scores=scores[:count].detach().reshape(ways, units).mean(dim=0),
            members=members,
        )


def _ways(module: Any) -> int:
    """How many groups of channels a module keeps apart; a depthwise convolution's channels go one by one."""
    if isinstance(module, nn.modules.conv._ConvNd):
        return 1 if _is_depthwise(module) else module.groups
    return module.num_groups if isinstance(module, nn.GroupNorm) else 1


def _search(
    groups: Sequence[_Group],
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


def _removed(groups: Sequence[_Group], share: float, ranking: Ranking, multiple: int, floor: float) -> list[Tensor]:
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


def _rounded(group: _Group, gone: int, multiple: int, floor: float) -> int:
    """How many units stay: near what is left, of the right multiple, and not below the floor."""
    if not gone:
        return group.units
    step = multiple // math.gcd(multiple, group.ways)
    least = -(-max(1, math.ceil(floor * group.units)) // step) * step
    nearest = (2 * (group.units - gone) + step) // (2 * step) * step
    return min(max(nearest, least), group.units)


def _macs(
    groups: Sequence[_Group],
    removed: Sequence[Tensor],
    student: ConvNet,
    layers: Mapping[str, int],
    whole: int,
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
    return whole - lost


def width(module: Any, outwards: bool) -> int:
    """How many channels a layer writes, or reads."""
    if isinstance(module, nn.Linear):
        return module.out_features if outwards else module.in_features
    return int(module.out_channels if outwards else module.in_channels)


def _kept(groups: Sequence[_Group], removed: Sequence[Tensor], student: ConvNet) -> Iterator[KeptChannels]:
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


# Correcting
