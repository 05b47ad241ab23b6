"""A tiny text model as an artifact of each runtime, a job for each, and the runners: made once for all tests.

Token 0 is padding and is left out of the mean; token 99's embedding is not a number, so that an input can ask for one.
"""

import base64
import hashlib
import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from edgewright.measure.job import CALLS, TENSORS, calls_document
from edgewright.runtimes.device import DeviceRuntime
from edgewright.specs.signature import Call, Tensor
from tests.calls import pixel_calls, text_calls

INPUTS = [[1, 2, 3], [5, 6, 7, 8, 9, 10, 11, 12], list(range(20, 36))]
LENGTHS = [8, 16]
BROKEN_TOKEN = 99


@dataclass(frozen=True, kw_only=True)
class Artifact:
    runtime: str
    path: Path
    lengths: tuple[int, ...]

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.path.read_bytes()).hexdigest()


def tiny_model() -> Any:
    import torch
    from torch import nn

    class Tiny(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.project = nn.Embedding(100, 16), nn.Linear(16, 8)

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            real = (ids != 0).to(torch.float32).unsqueeze(-1)
            return (self.project(self.embed(ids.long())) * real).sum(1) / real.sum(1)

    torch.manual_seed(0)
    model = Tiny().eval()
    with torch.no_grad():
        model.embed.weight[BROKEN_TOKEN] = float("nan")
    return model


@cache
def folder() -> Path:
    """Holds the models; the process's last act removes it."""
    import atexit

    place = Path(tempfile.mkdtemp(prefix="edgewright-tests-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    return place


@cache
def expected() -> list[list[float]]:
    import torch

    model = tiny_model()
    with torch.no_grad():
        return [model(torch.tensor([ids]))[0].tolist() for ids in INPUTS]


@cache
def executorch_artifact() -> Artifact:
    import torch
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower
    from torch.export import Dim, export

    length = {1: Dim("length", min=2, max=16)}
    program = export(tiny_model(), (torch.ones(1, 9, dtype=torch.long),), dynamic_shapes={"ids": length}, strict=False)
    lowered = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()]).to_executorch()
    path = folder() / "model.pte"
    path.write_bytes(lowered.buffer)
    return Artifact(runtime="executorch", path=path, lengths=())


@cache
def litert_artifact() -> Artifact:
    import litert_torch
    import torch
    from torch import nn

    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = tiny_model()

        def forward(self, ids: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"output": self.model(ids)}

    converter: Any = litert_torch
    for length in LENGTHS:
        sample = {"ids": torch.ones(1, length, dtype=torch.int32)}
        converter = converter.signature(f"forward_length_{length}", Named().eval(), sample_kwargs=sample)
    path = folder() / "model.tflite"
    converter.convert().export(str(path))
    return Artifact(runtime="litert", path=path, lengths=tuple(LENGTHS))


@cache
def onnx_artifact() -> Artifact:
    from edgewright.modality.text_spec import TextInputSpec
    from edgewright.runtimes.onnx import export as onnx
    from edgewright.runtimes.subject import export_input
    from edgewright.runtimes.table import RUNTIMES

    path = folder() / "model.onnx"
    onnx.export(export_input(tiny_model(), TextInputSpec(max_length=16), RUNTIMES["onnx"]), path)
    return Artifact(runtime="onnx", path=path, lengths=())


SHAPE = (6, 4, 3)


def tiny_image_model() -> Any:
    """Bytes of an image → three numbers, channels and rows counting differently."""
    import torch
    from torch import nn

    class Weighing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.project = nn.Linear(6 * 4 * 3, 3)

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            return self.project(pixels.to(torch.float32).flatten(1) / 255)

    torch.manual_seed(0)
    return Weighing().eval()


def images() -> Any:
    return np.random.default_rng(0).integers(0, 256, (5, *SHAPE), dtype=np.uint8)


@cache
def image_artifact_for(runtime: str) -> Artifact:
    from edgewright.modality.image_spec import ImageInputSpec
    from edgewright.runtimes.subject import export_input
    from edgewright.runtimes.table import RUNTIMES

    path = folder() / f"images-{runtime}"
    form = ImageInputSpec(height=SHAPE[0], width=SHAPE[1], channels=SHAPE[2])
    RUNTIMES[runtime].write_float(export_input(tiny_image_model(), form, RUNTIMES[runtime]), path)
    return Artifact(runtime=runtime, path=path, lengths=())


def artifact_for(runtime: str) -> Artifact:
    made = {
        "executorch": executorch_artifact,
        "litert": litert_artifact,
        "onnx": onnx_artifact,
        "tflite": litert_artifact,
    }
    return replace(made[runtime](), runtime=runtime)


def calls_for(artifact: Artifact, inputs: Any = None) -> tuple[Call, ...]:
    """Calls of these inputs, `INPUTS` where none are given."""
    if isinstance(inputs, np.ndarray):
        return pixel_calls(inputs)
    return text_calls(INPUTS if inputs is None else inputs, runtime=artifact.runtime, lengths=artifact.lengths)


def write_job(place: Path, model: Artifact, /, inputs: Any = None, **changes: Any) -> Path:
    """A job in `place` that is quick to run; `changes` replace fields, and None removes one."""
    return write_calls_job(place, model, calls_for(model, inputs), **changes)


def write_calls_job(
    place: Path, model: Artifact, calls: Sequence[Call], /, state: Sequence[Tensor] = (), **changes: Any
) -> Path:
    """The same of these calls."""
    document, content = calls_document(calls, state)
    (place / CALLS).write_text(json.dumps(document))
    (place / TENSORS).write_bytes(content)
    job = {
        "schema": 2,
        "artifact": str(model.path),
        "sha256": model.sha256,
        "calls": CALLS,
        "threads": 1,
        "warmup_runs": 3,
        "warmup_s": 0.0,
        "samples": 10,
        "max_seconds": 5.0,
        **changes,
    }
    (place / "job.json").write_text(json.dumps({name: value for name, value in job.items() if value is not None}))
    return place / "job.json"


def change_calls(place: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Let `change` alter the calls of a job that was written to `place`."""
    document = json.loads((place / CALLS).read_text())
    change(document)
    (place / CALLS).write_text(json.dumps(document))


def arrays_of(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The outputs of each call in a result, by name."""
    return [
        {
            each["name"]: np.frombuffer(base64.b64decode(each["data"]), dtype=each["dtype"]).reshape(each["shape"])
            for each in outputs
        }
        for outputs in document["outputs"]
    ]


def rows_in(document: dict[str, Any]) -> list[list[float]]:
    """The one output of each call in a result, flattened."""
    return [call["output"].ravel().tolist() for call in arrays_of(document)]


def lay_out(runtime: DeviceRuntime, place: Path) -> Path:
    """Copy a runtime's files as pushing does; where they lie."""
    runtime.copy_to(place)
    return place


@dataclass(frozen=True, kw_only=True)
class Ran:
    status: int
    document: dict[str, Any]
    stderr: str


def run_job(
    runtime: DeviceRuntime, place: Path, job: Path, *, cwd: Path | None = None, through: tuple[str, ...] = ()
) -> Ran:
    command = [*through, *runtime.command(PurePosixPath(place), PurePosixPath(job))]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=cwd, check=False)
    return Ran(status=ended.returncode, document=json.loads(ended.stdout), stderr=ended.stderr)
