"""Which channels of a net depend on one another, as torch-pruning traces it (Fang et al. 2023, DepGraph).

In:  a net that can be traced.
Out: its `DependencyGraph`. The protocols here say what is used of torch-pruning's classes, which have no types.
Which groups of channels may go is `channel_groups`' concern.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from torch import nn

from edgewright.errors import ModelError
from edgewright.models.convnet import ConvNet, example_inputs


class Node(Protocol):
    """A module, or an operation, as a place of the graph; nothing reads the outputs of the last ones."""

    @property
    def module(self) -> nn.Module: ...  # noqa: D102
    @property
    def outputs(self) -> Sequence[object]: ...  # noqa: D102


class Handler(Protocol):
    """The function that prunes one side of a module."""

    @property
    def __name__(self) -> str: ...


class Dependency(Protocol):
    """That one side of a module is pruned with another's."""

    @property
    def target(self) -> Node: ...  # noqa: D102
    @property
    def handler(self) -> Handler: ...  # noqa: D102


class GroupItem(Protocol):
    """One side of a module in a group: its channels, and that of the group's root for each, where it is known."""

    @property
    def dep(self) -> Dependency: ...  # noqa: D102
    @property
    def idxs(self) -> list[int]: ...  # noqa: D102
    @property
    def root_idxs(self) -> list[int | None]: ...  # noqa: D102


class CoupledGroup(Protocol):
    """Channels of several modules that can only be pruned together; its first item is the root."""

    def __iter__(self) -> Iterator[GroupItem]: ...
    def __getitem__(self, place: int, /) -> GroupItem: ...
    def prune(self) -> None: ...  # noqa: D102


class DependencyGraph(Protocol):
    """The dependencies of a net."""

    def get_all_groups(self, *, root_module_types: Sequence[type[nn.Module]]) -> Iterable[CoupledGroup]: ...  # noqa: D102
    def get_pruning_group(self, module: nn.Module, handler: Handler, channels: list[int], /) -> CoupledGroup: ...  # noqa: D102
    def is_out_channel_pruning_fn(self, handler: Handler, /) -> bool: ...  # noqa: D102


def dependency_graph(student: ConvNet) -> DependencyGraph:
    """torch-pruning's graph of the net. Raises `ModelError` for one that cannot be traced."""
    import torch_pruning

    student.eval()
    try:
        graph: DependencyGraph = torch_pruning.DependencyGraph().build_dependency(student, example_inputs(student)[0])
    except Exception as error:  # torch-pruning asserts, and the model's own code may raise anything
        raise ModelError(
            f"how the model's channels depend on one another could not be traced: {' '.join(str(error).split())[:200]}"
        ) from error
    return graph
