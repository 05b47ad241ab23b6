"""Memory of a `.pte`: methods share the buffers that they write, and what is written in place has no copy planned.

In:  graphs whose operators write in place already.
Out: plans in which the outputs that stand for buffers are those buffers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from executorch.exir.passes import MemoryPlanningPass


class SharedBuffers(MemoryPlanningPass):  # type: ignore[misc]  # ExecuTorch is not typed
    """Plans as ExecuTorch does, which sets aside memory as large as all buffers for outputs that are none.

    Once an operator writes in place, its graph's outputs still have the descriptions of its former results.
    """

    def __init__(self) -> None:
        super().__init__(share_mutable_buffers=True)

    def run(self, graph_module: torch.fx.GraphModule, graph_signature: object = None) -> object:
        """Plan one method."""
        output = graph_module.graph.output_node()
        specs = output.meta.get("spec")
        if isinstance(specs, list | tuple):
            written = zip(cast(Sequence[object], output.args[0]), specs, strict=True)
            output.meta["spec"] = type(specs)(_written(node) or spec for node, spec in written)
        return super().run(graph_module, graph_signature)


def _written(node: object) -> object:
    """The description of the tensor that an operator writes in place; None where it does not."""
    if not isinstance(node, torch.fx.Node):
        return None
    target = getattr(node.target, "_op", None)
    if not isinstance(target, torch._ops.OpOverload) or not target._schema.name.endswith("_"):
        return None
    written = node.args[0]
    return written.meta.get("spec") if isinstance(written, torch.fx.Node) else None
