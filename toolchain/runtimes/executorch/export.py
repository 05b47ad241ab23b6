"""ExecuTorch: a module of texts or images to a `.pte` file, a text's length being free, run by XNNPACK.

In:  a float module, or one with int8 embeddings and a function that rewrites its graph.
Out: a file with a method for one input and, where the form has a batch, one for so many; and how much of the graph
     of one XNNPACK took.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from edgewright.base.quiet import quiet
from edgewright.errors import ExportError
from edgewright.runtimes.export_failures import NO_KERNEL, explained
from edgewright.runtimes.forms import METHOD, Form, exported
from edgewright.runtimes.subject import Subject


@dataclass(frozen=True, kw_only=True)
class Delegation:
    """How many calls of a program go to XNNPACK, and which operators run in ExecuTorch's own kernels."""

    delegated: int
    fallbacks: dict[str, int]


def export(
    module: nn.Module, destination: Path, *, form: Form, rewrite: Callable[[nn.Module, Form], nn.Module] | None = None
) -> Delegation:
    """Write a `.pte` that takes what the form says.

    `rewrite` may replace the exported graph of a call by a quantised one. Raises `ExportError` with the exporter's own
    reason.
    """
    try:
        with quiet(), torch.no_grad():
            programs = {}
            for call in form.calls():
                program = exported(module, call)
                if rewrite:
                    program = exported(rewrite(program.module(), call), call)
                programs[call.method] = program
            lowered = _lowered(programs)
            finished = lowered.to_executorch()
            for name in programs:
                _require_kernels(finished.exported_program(name).graph_module)
            destination.write_bytes(finished.buffer)
    except Exception as error:  # torch.export, torchao and ExecuTorch raise errors of many unrelated kinds
        raise ExportError("ExecuTorch", explained(error, module, form)) from error
    return _delegation(lowered.exported_program(METHOD).graph_module)


def write_float(subject: Subject, file: Path) -> None:
    """Export the float model."""
    export(subject.module(), file, form=subject.form)


def runtime() -> Any:
    """ExecuTorch's own runtime in this process."""
    import executorch.kernels.quantized  # noqa: F401  registers int8 embeddings
    from executorch.runtime import Runtime

    return Runtime.get()


def _require_kernels(graph: torch.fx.GraphModule) -> None:
    """Raise for an operator that would only be missed on the device, when the program is loaded."""
    known = set(runtime().operator_registry.operator_names)
    for node in graph.graph.nodes:
        if isinstance(node.target, torch._ops.OpOverload) and node.target.name() not in known:
            raise NotImplementedError(f"{NO_KERNEL} for {node.target.name()}")


def _lowered(programs: Mapping[str, Any]) -> Any:
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import EdgeCompileConfig, to_edge_transform_and_lower

    return to_edge_transform_and_lower(
        dict(programs),
        partitioner=[XnnpackPartitioner()],
        compile_config=EdgeCompileConfig(_check_ir_validity=False),  # int8 embedding is not in the core operator set
    )


def _delegation(graph: torch.fx.GraphModule) -> Delegation:
    calls = Counter(
        node.target.__name__ if callable(node.target) else str(node.target)
        for node in graph.graph.nodes
        if node.op == "call_function"
    )
    delegated = calls.pop("executorch_call_delegate", 0)
    for name in ("getitem", "alloc"):  # no kernels
        calls.pop(name, None)
    return Delegation(delegated=delegated, fallbacks=dict(sorted(calls.items())))
