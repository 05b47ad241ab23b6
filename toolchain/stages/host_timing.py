"""The stage that times a build's artifacts in turn on this machine; its result is of this machine alone.

In:  the artifacts of each runtime.
Out: `TimeFindings`: for each runtime the latency of the float teacher, the float student and the artifact.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import asdict
from operator import methodcaller

from pydantic import ConfigDict, Field

from edgewright.base.cache import ARTIFACT_PACKAGES
from edgewright.base.digest import sha256_of
from edgewright.devices.host_latency import Contender, HostLatency, compare_on_host, digest_of
from edgewright.measure.text_reading import reading_call
from edgewright.modality.input_spec import Examples
from edgewright.models.inputs import Inputs
from edgewright.specs.batching import calls_of, named
from edgewright.specs.signature import FORWARD, Call, Signature
from edgewright.stages.export_float import FloatFindings
from edgewright.stages.export_int8 import Int8Findings
from edgewright.stages.exported import Exported, exported
from edgewright.stages.sides import Side, student_of, teacher_of
from edgewright.stages.stage import Build, Findings, Stage, StageResult, Workspace

ROLES = ("teacher", "float", "int8")


class TimeFindings(Findings):
    """The latency of each contender, by a runtime's name and its role."""

    model_config = ConfigDict(extra="allow")

    __pydantic_extra__: dict[str, HostLatency] = Field(init=False)

    def latencies(self, runtime: str) -> tuple[HostLatency, HostLatency, HostLatency]:
        """Of the float teacher, the float student and the artifact."""
        teacher, reference, int8 = (self.__pydantic_extra__[f"{runtime} {role}"] for role in ROLES)
        return teacher, reference, int8


def _facts(build: Build) -> Mapping[str, object]:
    known = [(each.name, each.sha256, digest_of(each.calls)) for each in contenders(build)]
    return {"node": platform.node(), "machine": platform.machine(), "contenders": known}


def _time(build: Build, _: Workspace) -> TimeFindings:
    found = compare_on_host(contenders(build), progress=build.plan.progress)
    return TimeFindings.model_validate({name: asdict(latency) for name, latency in found.items()})


TIME = Stage(
    name="time",
    version=1,
    findings=TimeFindings,
    make=_time,
    settings=lambda _: {"threads": 1},
    facts=_facts,
    packages=ARTIFACT_PACKAGES,
)


def contenders(build: Build, asked: Callable[[Side], Inputs] = methodcaller("asked")) -> list[Contender]:
    """For each runtime the float teacher, the float student and the int8 student, given the same examples.

    Each reads texts with its own tokenizer and at their real lengths.
    """
    teacher, student = (side.examples_of(asked(side)) for side in (teacher_of(build), student_of(build)))
    inputs = {"teacher": teacher, "float": student, "int8": student}
    return [_contender(each, role, inputs[role]) for each in exported(build) for role in ROLES]


def _contender(made: Exported, role: str, inputs: Examples) -> Contender:
    stages: dict[str, StageResult[FloatFindings] | StageResult[Int8Findings]] = {
        "teacher": made.teacher,
        "float": made.float_reference,
        "int8": made.int8,
    }
    stage = stages[role]
    file, signature = made.file(stage), stage.findings.signature
    return Contender(
        name=f"{made.runtime} {role}",
        runtime=made.runtime,
        file=file,
        sha256=sha256_of(file),
        calls=_calls(signature, inputs),
        state=signature.state,
    )


def _calls(signature: Signature, inputs: Examples) -> tuple[Call, ...]:
    """An inference for each example; of an artifact that writes, one token behind each prompt."""
    if signature.generation is None:
        method = signature.method(FORWARD)
        return calls_of(method, named(method, inputs))
    plan = signature.generation
    decode = signature.method(plan.decode)
    return tuple(reading_call(decode, signature, ids[-1:], min(len(ids), plan.context) - 1) for ids in inputs)
