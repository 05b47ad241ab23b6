"""Channels of a net that only go together: coupled by sums, concatenations and depthwise convolutions.

In:  a net, its dependency graph, and what scores a group of channels.
Out: the groups of the graph whose channels may go, scored.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from edgewright.compress.channel_scores import ChannelScores, is_depthwise
from edgewright.compress.dependency_graph import DependencyGraph, Handler
from edgewright.models.convnet import ConvNet


@dataclass(frozen=True, kw_only=True)
class Member:
    """One side of a module that a group of channels passes through: how many of its indexes each unit holds."""

    name: str
    outwards: bool
    indexes: Tensor
    units: Tensor


@dataclass(frozen=True, kw_only=True)
class ChannelGroup:
    """Channels that must go together. A unit is one channel, or one in each group of a grouped convolution."""

    root: nn.Module
    handler: Handler
    alike: tuple[tuple[str, bool], ...]
    ways: int
    scores: Tensor
    members: tuple[Member, ...]

    @property
    def units(self) -> int:
        """How many there are."""
        return len(self.scores)


def groups_of(graph: DependencyGraph, student: ConvNet, importance: ChannelScores) -> Iterator[ChannelGroup]:
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
            Member(
                name=names[node.module],
                outwards=out,
                indexes=torch.tensor(indexes),
                units=torch.tensor(roots) % units,
            )
            for out, (node, _, indexes, roots) in zip(outwards, items, strict=True)
            if node.module in names
        )
        yield ChannelGroup(
            root=items[0][0].module,
            handler=items[0][1],
            alike=tuple((type(node.module).__name__, out) for out, (node, *_) in zip(outwards, items, strict=True)),
            ways=ways,
            scores=scores[:count].detach().reshape(ways, units).mean(dim=0),
            members=members,
        )


def _ways(module: nn.Module) -> int:
    """How many groups of channels a module keeps apart; a depthwise convolution's channels go one by one."""
    if isinstance(module, nn.modules.conv._ConvNd):
        return 1 if is_depthwise(module) else module.groups
    return module.num_groups if isinstance(module, nn.GroupNorm) else 1
