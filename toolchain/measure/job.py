"""Write a job for a runner: what to load, the calls to make of it, and how long to measure.

In:  the place of an artifact on a target, calls, a `Protocol` and options.
Out: a job file, a file of calls and one of their tensors' bytes, in a directory of the target that goes with the job.
What a job may say is checked by the runners themselves (device_scripts/runner/job.hpp and calls.hpp).
"""

import base64
import json
import posixpath
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import PurePosixPath

import numpy as np

from edgewright.errors import TargetError
from edgewright.measure.protocol import AS_USUAL, Protocol, RemoteArtifact, RunOptions
from edgewright.specs.signature import Array, Call, Tensor
from edgewright.targets.base import Target

SCHEMA = 2  # of jobs, calls and results
JOB, COLD_JOB, CALLS, TENSORS = "job.json", "cold.json", "calls.json", "tensors.bin"
ETDUMP = "profile.etdp"
LEAST_PASSES = 3  # over the calls: the median of three bears one interruption
ALIGNMENT = 64  # bytes; where a tensor begins in the file of all

Document = dict[str, object]


@contextmanager
def job_on(
    target: Target, artifact: RemoteArtifact, calls: Sequence[Call], protocol: Protocol, options: RunOptions = AS_USUAL
) -> Iterator[PurePosixPath]:
    """Put a job and its calls into a directory of their own on the target.

    It goes when the context ends. Where the protocol wants a cold start, `COLD_JOB` lies beside the job.
    """
    directory = target.home / "jobs" / uuid.uuid4().hex
    job = job_document(artifact, directory, protocol, len(calls), options)
    document, content = calls_document(calls, artifact.state)
    documents = {JOB: job, CALLS: document}
    if protocol.cold:
        documents[COLD_JOB] = {**job, "cold": True, "samples": 0, "profile": False}
        documents[COLD_JOB].pop("etdump", None)
    try:
        for name, each in documents.items():
            target.put(json.dumps(each).encode(), directory / name)
        target.put(content, directory / TENSORS)  # last: where nothing may be written the small ones say so
        yield directory / JOB
    finally:
        with suppress(TargetError):  # a lost machine was reported already
            target.run(["rm", "-rf", str(directory)], timeout_s=60)


def job_document(
    artifact: RemoteArtifact,
    directory: PurePosixPath,
    protocol: Protocol,
    calls: int,
    options: RunOptions = AS_USUAL,
) -> Document:
    """The job of so many calls for a runner whose job file lies in that directory of the target."""
    draft = artifact.draft
    return {
        "schema": SCHEMA,
        **_place(artifact, directory),
        **({"draft": _place(draft, directory)} if draft is not None else {}),
        "calls": CALLS,
        "threads": options.threads,
        "warmup_runs": protocol.warmup_runs,
        "warmup_s": protocol.warmup_s,
        "samples": max(protocol.samples, LEAST_PASSES * calls) if protocol.samples else 0,
        "min_seconds": protocol.min_seconds,
        "max_seconds": protocol.max_seconds,
        "cores": list(options.cores),
        "profile": options.profile,
        **({"etdump": ETDUMP} if options.etdump is not None else {}),
    }


def _place(artifact: RemoteArtifact, directory: PurePosixPath) -> Document:
    path = artifact.path
    relative = path if path.is_absolute() else PurePosixPath(posixpath.relpath(path, directory))
    return {"artifact": str(relative), "sha256": artifact.sha256}


def calls_document(calls: Sequence[Call], state: Sequence[Tensor] = ()) -> tuple[Document, bytes]:
    """The calls as a runner reads them from a file, and the bytes of their tensors, which lie in `TENSORS`."""
    content = bytearray()

    def placed(array: Array) -> Document:
        content.extend(b"\0" * (-len(content) % ALIGNMENT))
        place = {"file": TENSORS, "offset": len(content)}
        content.extend(little_endian(array))
        return place

    documents = [_call_document(call, {name: placed(array) for name, array in call.inputs.items()}) for call in calls]
    return _document(documents, state), bytes(content)


def calls_line(calls: Sequence[Call], state: Sequence[Tensor] = ()) -> Document:
    """The calls as a runner that stays reads them from a line."""
    documents = [
        _call_document(
            call, {name: {"data": base64.b64encode(little_endian(each)).decode()} for name, each in call.inputs.items()}
        )
        for call in calls
    ]
    return _document(documents, state)


def little_endian(array: Array) -> bytes:
    """The array's numbers one after another, the last axis first."""
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).tobytes()


def _document(calls: Sequence[Document], state: Sequence[Tensor]) -> Document:
    tensors = [{"name": each.name, "dtype": each.dtype, "shape": list(each.shape)} for each in state]
    return {"schema": SCHEMA, "state": tensors, "calls": calls}


def _call_document(call: Call, contents: Mapping[str, Document]) -> Document:
    inputs = [
        {"name": name, "dtype": array.dtype.name, "shape": list(array.shape), **contents[name]}
        for name, array in call.inputs.items()
    ]
    return {
        "entry": call.entry,
        "inputs": inputs,
        "outputs": list(call.outputs),
        "state": list(call.state),
        "reset": call.reset,
    }
