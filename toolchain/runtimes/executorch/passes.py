"""XNNPACK's passes over each piece of a graph, without those that would find nothing to change.

In:  the list of passes that ExecuTorch's delegate runs, seventeen by default.
Out: within `only_needed_passes`, the delegate leaves out those whose operators a piece does not have.
A pass traces its piece anew even where it changes nothing, which is most of the time that the export of a deep model
takes: a decoder of 30 layers has 62 pieces a method. Files are the same bytes either way.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

# What a pass acts on, as parts of operators' names. One that is not named here always runs.
OPERATORS: dict[str, tuple[str, ...]] = {
    "DimOrderOpsRevertPass": ("dim_order",),
    "ConvertToUpsampleBilinear2d": ("index", "upsample"),
    "ConvertToSDPAPass": ("softmax",),
    "FuseBatchNormPass": ("batch_norm",),
    "DecomposeBatchNorm": ("batch_norm",),
    "FuseActivationPass": ("relu", "hardtanh"),
    "DecomposeConcatenate": ("cat",),
    "RemoveGetItemPass": ("max",),
    "Conv1dUnsqueezePass": ("conv",),
    "PReLUReshapePass": ("prelu",),
    "RemoveRedundantCopyPass": ("_to_copy",),
}


@contextmanager
def only_needed_passes() -> Iterator[None]:
    """Let XNNPACK's delegate leave out, for as long as this lasts, the passes that change nothing."""
    from executorch.backends.xnnpack import xnnpack_preprocess

    every = xnnpack_preprocess.XNNPACKPassManager

    class Needed(xnnpack_preprocess.XNNPACKPassManager):  # type: ignore[misc]  # ExecuTorch is not typed
        """Asks before each pass, as those before it change the graph."""

        def transform(self) -> object:
            program, passes = self.exported_program, self.passes
            for each in passes:
                if changes(each.__name__, program.graph):
                    program = every(program, [each]).transform()
            return program

    xnnpack_preprocess.XNNPACKPassManager = Needed
    try:
        yield
    finally:
        xnnpack_preprocess.XNNPACKPassManager = every


def changes(name: str, graph: torch.fx.Graph) -> bool:
    """Whether a pass of this name may change a graph."""
    calls = [node for node in graph.nodes if node.op == "call_function"]
    if name == "PropagateCustomMetaPass":
        return any("custom" in node.meta for node in graph.nodes)
    if name == "ConstPropPass":
        return any(all(each.op == "get_attr" for each in node.all_input_nodes) for node in calls)
    operators = {str(node.target) for node in calls}
    return name not in OPERATORS or any(part in operator for part in OPERATORS[name] for operator in operators)
