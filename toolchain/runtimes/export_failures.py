"""Why a model cannot be exported, in terms of its own parts and lines rather than an exporter's.

In:  what an exporter raised, and the module it was given.
Out: one sentence: the operator that a runtime lacks or the line that depends on values, the part of the model it is
     in, and what to do. Of any other reason the exporter's own words.
"""

from __future__ import annotations

import linecache
import re
import textwrap
import traceback
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn

from edgewright.runtimes.export_input import ExportInput, exported

NO_KERNEL = "No kernel"  # how `executorch` itself begins
LACKING = re.compile(
    rf"(?:Lowering not found|No ONNX function found|Missing out variants|{NO_KERNEL}).{{0,60}}?"
    r"(?:aten|prims)(?:\.|::)(\w+)"
)
DEPENDS = "GuardOnDataDependentSymNode"  # torch's name of the error
SHOWN = 80  # characters of a line
OUTER = ("model.", "network.")  # what we put around a user's model


def explained(error: Exception, source: ExportInput) -> str:
    """The sentence; `source` is what was to be exported, as it is now."""
    chain = list(_chain(error))
    if any(type(each).__name__ == DEPENDS for each in chain):
        return (
            f"what it computes depends on the values it is given{_running(chain, source.module)}; choose between "
            "results with torch.where, or by shapes alone"
        )
    for each in chain:
        if found := LACKING.search(str(each)):
            operator = found[1]
            return (
                f"the runtime has no operator {operator}{_calling(operator, source)}; make that of other "
                "operators, or leave the runtime out of stages.export.runtimes"
            )
    return str(error)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _running(chain: list[BaseException], module: nn.Module) -> str:
    """The innermost line of a part's own that was running."""
    names = {part: name for name, part in module.named_modules()}
    for error in reversed(chain):
        frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
        for frame in reversed(frames):
            part = frame.f_locals.get("self")
            if isinstance(part, nn.Module) and part in names:
                file = frame.f_code.co_filename
                return _told(names[part], type(part).__name__, file, frame.f_lineno)
    return ""


def _calling(operator: str, source: ExportInput) -> str:
    """Where the model first calls it; nothing where that cannot be found."""
    try:
        with torch.no_grad():
            program = exported(source.module, source.forward)
    except Exception:  # the sentence is as true without the place
        return ""
    for node in program.graph.nodes:
        # An exporter may name what it made of the operator: prims.bessel_j0 of aten.special_bessel_j0.
        called = "".join(str(node.target).split(".")[1:2])
        if called.endswith(operator) and (stack := node.meta.get("nn_module_stack")):
            path, kind = list(stack.values())[-1]
            lines = re.findall(r'File "(.+?)", line (\d+)', node.meta.get("stack_trace") or "")
            file, line = lines[-1] if lines else ("", "0")
            return _told(path, str(kind).rpartition(".")[2], file, int(line))
    return ""


def _told(path: str, kind: str, file: str, line: int) -> str:
    for outer in OUTER:
        path = path.removeprefix(outer)
    part = f"{path} ({kind})" if path and not path.startswith("L[") else kind
    code = textwrap.shorten(linecache.getline(file, line), SHOWN, placeholder=" …")
    return f", in {part}" + (f" at {Path(file).name}:{line}: {code}" if code else "")
