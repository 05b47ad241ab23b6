"""A runner's result document, and a target that runs commands on this machine."""

import base64
import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from edgewright.errors import CommandTimeoutError
from edgewright.measure.results import RequestedRun
from edgewright.targets.base import Completed
from tests.calls import text_calls

SHA256 = "ab" * 32
TWO_CALLS = text_calls([[1], [2]], runtime="executorch")  # what `result_document` answers


def asked(**changes: Any) -> RequestedRun:
    """What `result_document` answers."""
    usual = {
        "runtime": "executorch",
        "threads": 1,
        "sha256": SHA256,
        "outputs": (("output",), ("output",)),
        "sampled": True,
    }
    return RequestedRun(**{**usual, **changes})  # type: ignore[arg-type]


def output(numbers: list[Any], *, name: str = "output", dtype: str = "float32", **changes: Any) -> dict[str, Any]:
    """A tensor as a result carries it; `changes` replace fields."""
    array = np.array(numbers, dtype=dtype)
    data = base64.b64encode(array.tobytes()).decode()
    return {"name": name, "dtype": dtype, "shape": list(array.shape), "data": data, **changes}


def result_document(**changes: Any) -> dict[str, Any]:
    """What a runner prints after two calls and four samples; `changes` replace fields, and None removes one."""
    document = {
        "schema": 2,
        "runtime": "executorch",
        "runtime_version": "1.5.1",
        "sha256": SHA256,
        "threads": 1,
        "load_ms": 1.5,
        "first_inference_ms": 2.5,
        "latency_ms": [1.0, 5.0, 1.0, 5.0],
        "outputs": [[output([0.5, -0.5])], [output([0.25, 0.75])]],
        "peak_rss_bytes": 9_000_000,
        "memory": [
            {
                "phase": phase,
                "rss_bytes": rss,
                "anonymous_bytes": rss // 4,
                "file_bytes": rss - rss // 4,
                "peak_bytes": peak,
            }
            for phase, rss, peak in (
                ("start", 5_000_000, 5_000_000),
                ("loaded", 7_000_000, 9_000_000),
                ("first", 8_000_000, 8_000_000),
                ("steady", 8_000_000, 8_000_000),
            )
        ],
        **changes,
    }
    return {name: value for name, value in document.items() if value is not None}


def completed(stdout: str | dict[str, Any] = "", status: int = 0, stderr: str = "") -> Completed:
    text = stdout if isinstance(stdout, str) else json.dumps(stdout)
    return Completed(argv=("runner", "job.json"), status=status, stdout=text, stderr=stderr)


class ThisMachine:
    """The smallest target: files are copied and commands run here."""

    address = "here:"
    emulated = False

    def __init__(self, home: Path) -> None:
        self.home = PurePosixPath(home)
        self.commands: list[tuple[str, ...]] = []

    def put(self, source: Path | bytes, remote: PurePosixPath) -> None:
        Path(remote).parent.mkdir(parents=True, exist_ok=True)
        if isinstance(source, bytes):
            Path(remote).write_bytes(source)
        else:
            shutil.copy(source, remote)

    def get(self, remote: PurePosixPath, local: Path) -> None:
        shutil.copy(remote, local)

    def run(self, argv: Sequence[str], *, timeout_s: float, stdin: str = "") -> Completed:
        self.commands.append(tuple(argv))
        try:
            ended = subprocess.run(argv, capture_output=True, text=True, timeout=timeout_s, input=stdin, check=False)
        except subprocess.TimeoutExpired as error:
            raise CommandTimeoutError(self.address, argv[0], timeout_s) from error
        return Completed(argv=tuple(argv), status=ended.returncode, stdout=ended.stdout, stderr=ended.stderr)

    def close(self) -> None:
        pass
