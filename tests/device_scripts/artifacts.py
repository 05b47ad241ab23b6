"""A tiny text model as an artifact of each runtime, a job for each, and the runners: made once for all tests.

Token 0 is padding and is left out of the mean; token 99's embedding is not a number, so that an input can ask for one.
"""

import hashlib
import json
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from edgewright.runtimes.device import DeviceRuntime

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
    """Holds the models and vectors.json; the process's last act removes it."""
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
        converter = converter.signature(f"length_{length}", Named().eval(), sample_kwargs=sample)
    path = folder() / "model.tflite"
    converter.convert().export(str(path))
    return Artifact(runtime="litert", path=path, lengths=tuple(LENGTHS))


@cache
def onnx_artifact() -> Artifact:
    from edgewright.runtimes.forms import TextForm
    from edgewright.runtimes.onnx import export as onnx

    path = folder() / "model.onnx"
    onnx.export(tiny_model(), path, form=TextForm(max_length=16))
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
    import numpy as np

    return np.random.default_rng(0).integers(0, 256, (5, *SHAPE), dtype=np.uint8)


@cache
def image_artifact_for(runtime: str) -> Artifact:
    from edgewright.runtimes.executorch import export as executorch
    from edgewright.runtimes.forms import ImageForm
    from edgewright.runtimes.litert import export as litert
    from edgewright.runtimes.onnx import export as onnx

    path = folder() / f"images-{runtime}"
    form = ImageForm(height=SHAPE[0], width=SHAPE[1], channels=SHAPE[2])
    {"executorch": executorch, "litert": litert, "onnx": onnx, "tflite": litert}[runtime].export(
        tiny_image_model(), path, form=form
    )
    return Artifact(runtime=runtime, path=path, lengths=())


def write_image_job(place: Path, model: Artifact, /, content: bytes | None = None, **described: Any) -> Path:
    """A job whose inputs are `images`, or these bytes; `described` replaces what vectors.json says of them."""
    job = write_job(place, model)
    (place / "pixels.bin").write_bytes(images().tobytes() if content is None else content)
    said = {"images": {"file": "pixels.bin", "count": len(images()), **described}}
    (place / "vectors.json").write_text(json.dumps(said))
    return job


def artifact_for(runtime: str) -> Artifact:
    made = {
        "executorch": executorch_artifact,
        "litert": litert_artifact,
        "onnx": onnx_artifact,
        "tflite": litert_artifact,
    }
    return replace(made[runtime](), runtime=runtime)


def write_job(place: Path, model: Artifact, /, inputs: Any = None, **changes: Any) -> Path:
    """A job in `place` that is quick to run; `changes` replace fields, and None removes one."""
    (place / "vectors.json").write_text(json.dumps({"inputs": inputs or INPUTS, "outputs": [[1.0]]}))
    job = {
        "schema": 1,
        "artifact": str(model.path),
        "sha256": model.sha256,
        "vectors": "vectors.json",
        "threads": 1,
        "warmup_runs": 3,
        "warmup_s": 0.0,
        "samples": 10,
        "max_seconds": 5.0,
        "lengths": list(model.lengths),
        **changes,
    }
    (place / "job.json").write_text(json.dumps({name: value for name, value in job.items() if value is not None}))
    return place / "job.json"


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
