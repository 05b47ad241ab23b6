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
from edgewright.runtimes.example_calls import calls_of, rows_of
from edgewright.runtimes.export_input import OUTPUT
from edgewright.runtimes.forms import Form, Given
from edgewright.runtimes.table import RUNTIMES
from edgewright.specs.signature import FORWARD, Method, Signature
from edgewright.specs.signature import Tensor as TensorSpec
from edgewright.targets import open_target


def outputs_of(runtime: str, file: Path, form: Form, given: Given, on_progress: Callable[[int], None]) -> Tensor:
    """What an artifact says of each input here, `joined` by the form, asked as this call of it wants it.

    `on_progress` is called with how many are done.
    """
    descriptor = RUNTIMES[runtime]
    if descriptor.session is None or form.batch > 1:
        calls = calls_of(given, runtime=runtime, lengths=form.lengths, batch=form.batch)
        target = open_target(HERE)
        try:
            place = deploy(target, file, runtime=runtime)
            outputs_of_calls = infer(target, place.artifact, place.runtime, calls)
        finally:
            target.close()
        rows = rows_of(outputs_of_calls, batch=form.batch, examples=len(given))
        on_progress(len(given))
        return form.joined([torch.tensor(row) for row in rows], given)
    method = Method(name=FORWARD, inputs=(form.input(descriptor),), outputs=(TensorSpec(name=OUTPUT, dtype="float32"),))
    run, outputs = descriptor.session(file, Signature(methods=(method,))), list[Tensor]()
    for each in given:
        output = run(method.call(form.named(each, descriptor)))[OUTPUT]
        outputs.append(torch.from_numpy(np.asarray(output[0], dtype=np.float32)))
        on_progress(len(outputs))
    return form.joined(outputs, given)
