"""ExecuTorch: a module to a `.pte` file, in which axes are free, run by XNNPACK.

In:  a float module, or one with int8 embeddings and a function that rewrites its graph; its signature.
Out: a file with the methods of the signature, and how much of the graph of the first XNNPACK took.
"""

from __future__ import annotations

import ctypes
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from edgewright.base.quiet import quiet
from edgewright.errors import ExportError
from edgewright.runtimes.executorch.compact import compact
from edgewright.runtimes.executorch.native import operators
from edgewright.runtimes.executorch.passes import only_needed_passes
from edgewright.runtimes.export_failures import NO_KERNEL, explained
from edgewright.runtimes.export_input import ExportInput, exported
from edgewright.specs.signature import Method, Signature

OWN = "edgewright"  # the namespace of the operators that our runner has


@dataclass(frozen=True, kw_only=True)
class Delegation:
    """How many calls of a program go to XNNPACK, and which operators run in ExecuTorch's own kernels."""

    delegated: int
    fallbacks: dict[str, int]


def export(
    source: ExportInput, destination: Path, *, rewrite: Callable[[nn.Module, Method], nn.Module] | None = None
) -> Delegation:
    """Write a `.pte` with the methods of the signature; return the delegation of the first.

    `rewrite` may replace the exported graph of a method by a quantised one. Raises `ExportError` with the exporter's
    own reason.
    """
    try:
        with quiet(), torch.no_grad():
            programs = {}
            for method in source.signature.methods:
                program = exported(source.module, method, source.state(method))
                if rewrite:
                    program = exported(rewrite(program.module(), method), method, source.state(method))
                programs[method.name] = program
            lowered = _lowered(programs)
            finished = lowered.to_executorch(_config(source.signature))
            for name in programs:
                _require_kernels(finished.exported_program(name).graph_module)
            destination.write_bytes(compact(finished.buffer))
    except Exception as error:  # torch.export, torchao and ExecuTorch raise errors of many unrelated kinds
        raise ExportError("ExecuTorch", explained(error, source)) from error
    return _delegation(lowered.exported_program(source.forward.name).graph_module)


def write_float(source: ExportInput, file: Path) -> None:
    """Export the float model."""
    export(source, file)


def runtime() -> Any:
    """ExecuTorch's own runtime in this process."""
    import executorch.kernels.quantized  # noqa: F401  registers int8 embeddings
    from executorch.runtime import Runtime

    return Runtime.get()


@cache
def load_operators() -> None:
    """Make Edgewright's own operators known to ExecuTorch in this process."""
    runtime()  # its library, which they register themselves with
    ctypes.CDLL(str(operators()))


def _require_kernels(graph: torch.fx.GraphModule) -> None:
    """Raise for an operator that would only be missed on the device, when the program is loaded."""
    known = set(runtime().operator_registry.operator_names)
    for node in graph.graph.nodes:
        operator = node.target
        if not isinstance(operator, torch._ops.OpOverload):
            operator = getattr(operator, "_op", None)  # one that was made to work in place is wrapped
        if isinstance(operator, torch._ops.OpOverload) and operator.name() not in known and operator.namespace != OWN:
            raise NotImplementedError(f"{NO_KERNEL} for {operator.name()}")


def _lowered(programs: Mapping[str, Any]) -> Any:
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import EdgeCompileConfig, to_edge_transform_and_lower

    with only_needed_passes():
        return to_edge_transform_and_lower(
            dict(programs),
            partitioner=[XnnpackPartitioner()],
            compile_config=EdgeCompileConfig(_check_ir_validity=False),  # int8 embedding is not in the core operators
        )


def _config(signature: Signature) -> Any:
    """Buffers are one piece of memory for all methods, and what is written to them is written in place."""
    from executorch.exir import ExecutorchBackendConfig

    from edgewright.runtimes.executorch.planned import SharedBuffers

    if not signature.buffers:
        return ExecutorchBackendConfig()
    return ExecutorchBackendConfig(memory_planning_pass=SharedBuffers(), run_reinplace_pass=True)


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
