"""Remove whole channels of a convolutional net until a share of its multiply-accumulates is left.

In:  a `ConvNet`, calibration data, the share that stays, and how channels are scored and ranked.
Out: `PrunedChannels`: an ordinary, smaller net of the same family, and what each layer kept. `corrected` then refits
     what reads the pruned channels, and `recalibrated` its batch norms, both without training.
Which layers are coupled by sums, concatenations and depthwise convolutions is torch-pruning's dependency graph (Fang
et al. 2023, DepGraph). Winning accuracy back by training is `distill`'s concern.
"""

from __future__ import annotations

import copy
import math
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from toolchain.errors import BadDataError, InputError, ModelError
from toolchain.models.convnet import ConvNet, example_inputs
from toolchain.models.inputs import Inputs
from toolchain.models.sizes import ModelSizes, sizes

Importance = Literal["magnitude", "taylor", "fisher", "activation"]
Ranking = Literal["uniform", "global", "isomorphic"]
SEARCH_STEPS = 4096
TARGET_BYTES = 256 * 2**20  # what the original's outputs may take while layers are corrected


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


@torch.inference_mode(False)
@torch.no_grad()
def recalibrated(net: ConvNet, inputs: Inputs, *, batch_size: int = 64) -> ConvNet:
    """A copy whose batch norms hold the means and variances of these inputs; everything else is as it was."""
    fresh = copy.deepcopy(net).eval()
    norms = [module for module in fresh.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over batches
        norm.train()
    for batch in _batches(len(inputs), batch_size):
        fresh(*inputs.batch(batch))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return fresh.eval()


@torch.inference_mode(False)
@torch.no_grad()
def corrected(
    pruned: PrunedChannels,
    original: ConvNet,
    inputs: Inputs,
    *,
    ridge: float = 1e-3,
    rows: int = 16384,
    batch_size: int = 32,
    seed: int = 0,
) -> ConvNet:
    """A copy of the pruned net whose layers are refitted, first to last, to give what the original's give.

    Each convolution and linear layer solves a least-squares problem: from what it reads in the net pruned and refitted
    so far, the outputs that the same layer has in the `original` at the channels that stayed (He et al. 2017; the
    second-order update of ZipLM for a whole layer at once). `ridge`, relative to the inputs' mean energy, holds the
    weights to those they had. About `rows` positions of the images are sampled for each layer. The constant part of
    the fit goes into the layer's bias, or into the mean of the batch norm that reads it.
    """
    result = copy.deepcopy(pruned.model).eval()
    teacher = copy.deepcopy(original).eval()
    channels = {each.name: torch.tensor(each.channels) for each in pruned.kept}
    batches = list(_batches(len(inputs), batch_size))
    places, norms = _run_order(result, inputs.batch(batches[0][:1]))
    sample = _Sample(inputs=inputs, batches=batches, rows=rows, seed=seed)
    # The first layer reads the image itself: nothing of it is missing.
    for chunk in _chunks(places[1:], result, rows):
        targets = sample.outputs(teacher, result, chunk, channels)
        for name in chunk:
            layer = cast(nn.Conv2d | nn.Linear, result.get_submodule(name))
            norm = norms.get(name)
            fit = _Fit(constant=layer.bias is not None or norm is not None)
            for place, patches in enumerate(sample.patches(result, name)):
                fit.add(patches, targets[name][place])
            _refit(layer, norm, fit, ridge)
            del targets[name]
    return result


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


def _batches(count: int, size: int) -> Iterator[list[int]]:
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
        for batch in _batches(len(inputs), batch_size):
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
    for batch in _batches(len(inputs), batch_size):
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
                left[side] = left.get(side, _width(student.get_submodule(member.name), member.outwards)) - gone
    lost = 0.0
    for name, macs in layers.items():
        module = student.get_submodule(name)
        share = 1.0
        for outwards in (True, False):
            if (name, outwards) in left:
                share *= left[name, outwards] / _width(module, outwards)
        lost += macs * (1 - share)
    return whole - lost


def _width(module: Any, outwards: bool) -> int:
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
            count = _width(module, True)
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


class _Reached(Exception):
    """What was to be seen has been seen; the rest of the run is not needed."""


def _run_order(
    net: ConvNet, example: tuple[Tensor, ...]
) -> tuple[list[str], dict[str, nn.modules.batchnorm._BatchNorm]]:
    """Names of the layers that can be refitted, as they are run, and the batch norm that reads each one directly."""
    names = {module: name for name, module in net.named_modules()}
    order: list[str] = []
    outputs: list[tuple[Tensor, str]] = []
    norms: dict[str, nn.modules.batchnorm._BatchNorm] = {}

    def after(module: nn.Module, given: Any, output: Tensor) -> None:
        order.append(names[module])
        outputs.append((output, names[module]))

    def before(module: nn.modules.batchnorm._BatchNorm, given: Any) -> None:
        for output, name in outputs:
            if output is given[0] and module.running_mean is not None:
                norms[name] = module

    hooks = []
    for module in names:
        if isinstance(module, nn.Conv2d | nn.Linear):
            hooks.append(module.register_forward_hook(after))
        elif isinstance(module, nn.modules.batchnorm._BatchNorm):
            hooks.append(module.register_forward_pre_hook(before))
    net(*example)
    for hook in hooks:
        hook.remove()
    return [name for name in order if order.count(name) == 1], norms


def _chunks(names: Sequence[str], net: nn.Module, rows: int) -> Iterator[list[str]]:
    """Layers in runs whose sampled outputs fit in `TARGET_BYTES` together."""
    chunk: list[str] = []
    used = 0
    for name in names:
        needed = 4 * rows * _width(net.get_submodule(name), True)
        if chunk and used + needed > TARGET_BYTES:
            yield chunk
            chunk, used = [], 0
        chunk.append(name)
        used += needed
    if chunk:
        yield chunk


@dataclass(frozen=True, kw_only=True)
class _Sample:
    """Calibration data, and the positions in it that are looked at: the same in the original and in the pruned net."""

    inputs: Inputs
    batches: Sequence[list[int]]
    rows: int
    seed: int

    def outputs(
        self, teacher: nn.Module, student: nn.Module, names: Sequence[str], channels: Mapping[str, Tensor]
    ) -> dict[str, list[Tensor]]:
        """What these layers of the original give, at the channels that stayed: (groups, rows, outputs) a batch."""
        found: dict[str, list[Tensor]] = {name: [] for name in names}

        def heard(name: str, groups: int) -> Callable[[nn.Module, Any, Tensor], None]:
            def hear(layer: nn.Module, given: Any, output: Tensor) -> None:
                if isinstance(layer, nn.Conv2d):
                    output = output.flatten(2).transpose(1, 2)
                    output = output[:, self._positions(name, len(found[name]), output.shape[1])]
                rows = output.reshape(-1, output.shape[-1])
                rows = rows[:, channels[name]] if name in channels else rows
                found[name].append(rows.reshape(len(rows), groups, -1).transpose(0, 1))

            return hear

        hooks = [
            teacher.get_submodule(name).register_forward_hook(
                heard(name, getattr(student.get_submodule(name), "groups", 1))
            )
            for name in names
        ]
        for batch in self.batches:
            teacher(*self.inputs.batch(batch))
        for hook in hooks:
            hook.remove()
        return found

    def patches(self, net: nn.Module, name: str) -> Iterator[Tensor]:
        """What a layer reads at the same positions: (groups, rows, inputs × kernel) a batch."""
        layer = cast(nn.Conv2d | nn.Linear, net.get_submodule(name))
        seen: list[Tensor] = []

        def hear(module: nn.Module, given: Any) -> None:
            seen.append(given[0])
            raise _Reached

        hook = layer.register_forward_pre_hook(hear)
        try:
            for number, batch in enumerate(self.batches):
                try:
                    net(*self.inputs.batch(batch))
                except _Reached:
                    yield self._cut(layer, seen.pop(), name, number)
        finally:
            hook.remove()

    def _cut(self, layer: nn.Conv2d | nn.Linear, given: Tensor, name: str, number: int) -> Tensor:
        if isinstance(layer, nn.Linear):
            return given.reshape(1, -1, given.shape[-1])
        mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
        padded = functional.pad(given, layer._reversed_padding_repeated_twice, mode=mode)
        kernel, stride, dilation = layer.kernel_size, layer.stride, layer.dilation
        patches = functional.unfold(padded, kernel_size=kernel, stride=stride, dilation=dilation)
        patches = patches[:, :, self._positions(name, number, patches.shape[2])]
        images, width, positions = patches.shape
        grouped = patches.reshape(images, layer.groups, width // layer.groups, positions)
        return grouped.permute(1, 0, 3, 2).reshape(layer.groups, images * positions, -1)

    def _positions(self, name: str, number: int, available: int) -> Tensor:
        """The positions that every image of one batch is sampled at."""
        wanted = -(-self.rows // sum(len(batch) for batch in self.batches))
        if wanted >= available:
            return torch.arange(available)
        generator = torch.Generator().manual_seed(zlib.crc32(f"{self.seed} {name} {number}".encode()))
        return torch.randperm(available, generator=generator)[:wanted]


class _Fit:
    """The sums that least squares needs, gathered batch by batch."""

    def __init__(self, *, constant: bool) -> None:
        self.constant = constant
        self.rows = 0
        self.sums: list[Tensor] = []

    def add(self, given: Tensor, wanted: Tensor) -> None:
        """(groups, rows, inputs) and (groups, rows, outputs)."""
        turned = given.transpose(1, 2)
        parts = (turned @ given, turned @ wanted, given.sum(dim=1), wanted.sum(dim=1))
        new = [part.double() for part in parts]
        self.sums = [old + each for old, each in zip(self.sums, new, strict=True)] if self.sums else new
        self.rows += given.shape[1]

    def solved(self, weights: Tensor, ridge: float) -> tuple[Tensor, Tensor]:
        """From weights (groups, inputs, outputs) to better ones, and the constant (groups, outputs) beside them."""
        squares, products, given, wanted = self.sums
        if self.constant:
            squares = squares - given[:, :, None] * given[:, None, :] / self.rows
            products = products - given[:, :, None] * wanted[:, None, :] / self.rows
        energy = squares.diagonal(dim1=1, dim2=2)
        held = torch.diag_embed((ridge * energy.mean(dim=1, keepdim=True)).clamp(min=1e-12).expand_as(energy))
        better = torch.linalg.solve(squares + held, products + held @ weights)
        rest = (wanted - (given[:, None, :] @ better)[:, 0]) / self.rows
        return better, rest if self.constant else torch.zeros_like(rest)


def _refit(layer: nn.Conv2d | nn.Linear, norm: nn.modules.batchnorm._BatchNorm | None, fit: _Fit, ridge: float) -> None:
    """Give a layer the weights that fit."""
    groups = getattr(layer, "groups", 1)
    weight = layer.weight
    old = weight.reshape(groups, weight.shape[0] // groups, -1).transpose(1, 2).double()
    better, constant = fit.solved(old, ridge)
    if not bool(better.isfinite().all() and constant.isfinite().all()):
        return
    weight.copy_(better.transpose(1, 2).reshape(weight.shape))
    if layer.bias is not None:
        layer.bias.copy_(constant.flatten())
    elif norm is not None and norm.running_mean is not None:
        norm.running_mean.sub_(constant.flatten())
