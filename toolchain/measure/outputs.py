"""Run an artifact on this machine to see what it gives, by its runtime in this process or by the runner of devices.

In:  a runtime's name, a file, and examples.
Out: its outputs. Nothing is timed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from edgewright.measure.deployment import HERE, deploy
from edgewright.measure.measuring import infer
from edgewright.modality.input_spec import Examples, InputSpec
from edgewright.runtimes.example_calls import rows_of
from edgewright.runtimes.export_input import OUTPUT
from edgewright.runtimes.table import RUNTIMES
from edgewright.specs.signature import BATCH, FORWARD, Call, Method, Signature
from edgewright.specs.signature import Tensor as TensorSpec
from edgewright.targets import open_target


def outputs_of(
    runtime: str, file: Path, spec: InputSpec, examples: Examples, on_progress: Callable[[int], None]
) -> Tensor:
    """What an artifact gives for each example here, `joined` by the spec, asked for as many at once as that says.

    `on_progress` is called with how many are done.
    """
    descriptor = RUNTIMES[runtime]
    method = Method(
        name=FORWARD if spec.batch == 1 else BATCH,
        inputs=spec.tensors(fixed_shapes=descriptor.fixed_shapes, index_dtype=descriptor.index_dtype),
        outputs=(TensorSpec(name=OUTPUT, dtype="float32"),),
    )
    calls = (method.call(arrays) for arrays in spec.batches(examples, descriptor.index_dtype))
    if descriptor.session is None or spec.batch > 1:
        rows = _by_runner(runtime, file, tuple(calls), spec.batch)[: len(examples)]
        on_progress(len(examples))
        return spec.joined([torch.tensor(row) for row in rows], examples)
    run, outputs = descriptor.session(file, Signature(methods=(method,))), list[Tensor]()
    for call in calls:
        outputs.append(torch.from_numpy(np.asarray(run(call)[OUTPUT][0], dtype=np.float32)))
        on_progress(len(outputs))
    return spec.joined(outputs, examples)


def _by_runner(runtime: str, file: Path, calls: tuple[Call, ...], batch: int) -> tuple[tuple[float, ...], ...]:
    target = open_target(HERE)
    try:
        place = deploy(target, file, runtime=runtime)
        return rows_of(infer(target, place.artifact, place.runtime, calls), batch=batch)
    finally:
        target.close()
