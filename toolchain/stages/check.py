"""The stage that runs an artifact on every held-out example here: its score, and its distance from the float student.

In:  the student, and the artifact of one runtime.
Out: `CheckFindings`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from edgewright.base.cache import ARTIFACT_PACKAGES
from edgewright.bundles.schema import ParityFacts
from edgewright.measure.outputs import outputs_of
from edgewright.measure.parity import NamedOutputs, compare, qualified, worst_of
from edgewright.models.inputs import Inputs
from edgewright.runtimes.export_input import run_on
from edgewright.runtimes.table import RUNTIMES
from edgewright.specs.batching import named
from edgewright.specs.signature import BATCH, FORWARD, Array, Method
from edgewright.stages.check_writing import CheckFindings as CheckFindings
from edgewright.stages.check_writing import checked_writing
from edgewright.stages.export_float import artifact_name
from edgewright.stages.export_int8 import Int8Findings
from edgewright.stages.sides import Side, student_of
from edgewright.stages.stage import Build, Stage, Workspace


def check_stage(runtime: str) -> Stage[CheckFindings]:
    """The stage for the artifact of one runtime."""

    def check(build: Build, _: Workspace) -> CheckFindings:
        return _checked(build, runtime)

    return Stage(
        name=f"check {runtime}",
        version=1,
        findings=CheckFindings,
        make=check,
        needs=("examples", "inputs", "student", f"int8 {runtime}"),
        packages=ARTIFACT_PACKAGES,
    )


def _checked(build: Build, runtime: str) -> CheckFindings:
    """Each method is asked, so several examples at once where the artifact takes them; the parity is the worst."""
    student, made = student_of(build), build.typed(f"int8 {runtime}", Int8Findings)
    file, signature = made.file(artifact_name(runtime)), made.findings.signature
    if signature.generation is not None:
        return checked_writing(student, runtime, file, signature)
    held_out = student.held_out()
    examples = student.examples_of(held_out)

    def on_progress(done: int) -> None:
        build.plan.progress.update(done, len(held_out))

    expected, answered, parities = {}, {}, []
    for method in signature.methods:
        usual = FORWARD if method.name == BATCH else method.name  # what several give at once is what each gives alone
        if usual not in expected:
            expected[usual] = expected_outputs(student, method, runtime, held_out)
        found = outputs_of(runtime, file, method, named(method, examples), on_progress=on_progress)
        answered[method.name] = found
        parities.append(compare(*([qualified(usual, row) for row in rows] for rows in (found, expected[usual]))))
    first = signature.method(FORWARD).outputs[0].name
    outputs = student.input_spec().joined([_tensor(each[first]) for each in answered[FORWARD]], examples)
    score = student.score()
    return CheckFindings(
        score=score.of(student.as_scored(outputs, held_out, score)),
        parity=ParityFacts.model_validate(worst_of(parities).document()),
    )


def expected_outputs(student: Side, method: Method, runtime: str, inputs: Inputs) -> Sequence[NamedOutputs]:
    """What the float student gives for each example, by the names of a method's outputs.

    Its one output is computed as everywhere else; of several all are what its module gives.
    """
    examples, spec = student.examples_of(inputs), student.input_spec()
    if len(method.outputs) == 1:
        rows = spec.apart(student.outputs(inputs), examples)
        shape = (1, -1, spec.tags) if spec.tags else (1, -1)
        return [{method.outputs[0].name: row.reshape(shape).numpy()} for row in rows]
    source = student.subject().for_runtime(RUNTIMES[runtime])
    return [run_on(source.module, method, each) for each in named(method, examples)]


def _tensor(output: Array) -> Tensor:
    return torch.from_numpy(np.asarray(output[0], dtype=np.float32))
