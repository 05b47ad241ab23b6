"""The least that times an artifact: loops around a runtime that share no source with our runners, in other processes.

In:  an artifact of a text model that takes one input of so many ids.
Out: its samples in ms, and the highest memory of the process as `/usr/bin/time` tells it.
"""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgewright.runtimes.executorch.native import LIBRARIES, sdk_folder
from edgewright.runtimes.wheels import installed_version

SOURCE = Path(__file__).parent / "bare_loop.cpp"
LIMIT_S = 300.0

# argv: the file, how many ids, seconds to warm up, seconds to sample
LITERT = """
import sys, time
import numpy
from ai_edge_litert.interpreter import Interpreter
file, length, warm_s, s = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])
runner = Interpreter(model_path=file, num_threads=1).get_signature_runner(f"forward_length_{length}")
ids = numpy.ones((1, length), dtype=numpy.int32)
start = time.monotonic()
while time.monotonic() - start < warm_s:
    runner(ids=ids)
taken = []
start = time.monotonic()
while time.monotonic() - start < s:
    before = time.monotonic()
    runner(ids=ids)
    taken.append((time.monotonic() - before) * 1e3)
print(*taken, sep="\\n")
"""
EXECUTORCH = """
import sys, time
import torch
from executorch.extension.pybindings.portable_lib import _unsafe_reset_threadpool
from executorch.kernels import quantized
from executorch.runtime import Runtime
file, length, warm_s, s = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])
_unsafe_reset_threadpool(1)
method = Runtime.get().load_program(file).load_method("forward")
ids = torch.ones(1, length, dtype=torch.long)
start = time.monotonic()
while time.monotonic() - start < warm_s:
    method.execute([ids])
taken = []
start = time.monotonic()
while time.monotonic() - start < s:
    before = time.monotonic()
    method.execute([ids])
    taken.append((time.monotonic() - before) * 1e3)
print(*taken, sep="\\n")
"""


@dataclass(frozen=True, kw_only=True)
class Timed:
    """Samples of one process in ms, and its highest resident memory."""

    samples_ms: tuple[float, ...]
    peak_rss_bytes: int


@dataclass(frozen=True, kw_only=True)
class Loop:
    """A program that takes a file, how many ids, and the seconds to warm up and to sample."""

    name: str
    command: tuple[str, ...]

    def run(self, file: Path, *, length: int, warm_s: float, seconds: float) -> Timed:
        """One process of it."""
        told, peak = with_peak([*self.command, str(file), str(length), str(warm_s), str(seconds)])
        lines = [line for line in told.splitlines() if re.fullmatch(r"\d+\.\d+(e-?\d+)?", line)]
        return Timed(samples_ms=tuple(map(float, lines)), peak_rss_bytes=peak)


def native(folder: Path, machine: str) -> Loop:
    """The C++ loop, built as our runner is: with the same compiler and libraries, and as much optimisation."""
    sdk = sdk_folder(machine, installed_version("executorch", "build a loop around it"))
    for name in LIBRARIES:
        (folder / name).symlink_to(sdk / "lib" / name)
    includes = [f"-I{sdk}/include", f"-I{sdk}/include/executorch/runtime/core/portable_type/c10"]
    kernels = ["executorch_kernels_optimized", "executorch_kernels_quantized", "executorch_backend_xnnpack"]
    linked = [f"-L{sdk}/lib", "-lexecutorch", "-lexecutorch_threadpool", "-Wl,--no-as-needed"]
    linked += [*(f"-l{name}" for name in kernels), "-Wl,-rpath,$ORIGIN"]
    defined = ["-DNDEBUG", "-DC10_USING_CUSTOM_GENERATED_MACROS", "-DET_USE_THREADPOOL"]
    program = folder / "bare-loop"
    compiled = ["g++", "-std=c++17", "-O3", "-w", *defined, *includes, str(SOURCE), "-o", str(program), *linked]
    subprocess.run(compiled, check=True, timeout=LIMIT_S)
    return Loop(name="a C++ loop of 20 lines", command=(str(program),))


def litert() -> Loop:
    return Loop(name="a Python loop around ai_edge_litert", command=(sys.executable, "-c", LITERT))


def executorch_in_python() -> Loop:
    return Loop(name="ExecuTorch's Python runtime", command=(sys.executable, "-c", EXECUTORCH))


def with_peak(command: Sequence[str]) -> tuple[str, int]:
    """What a program prints, and its highest resident memory in bytes by `/usr/bin/time`."""
    ended = subprocess.run(
        ["/usr/bin/time", "-f", "peak %M", *command], capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    found = re.search(r"^peak (\d+)$", ended.stderr, re.M)
    if ended.returncode or found is None:
        raise RuntimeError(f"{command[0]} ended with {ended.returncode}: {ended.stderr[-500:]}")
    return ended.stdout, int(found[1]) * 1024


def litert_tool_ms(file: Path, signature: str, runs: int) -> float:
    """The median by LiteRT's own benchmark tool, which its package carries; it makes its inputs up."""
    with tempfile.TemporaryDirectory() as scratch:
        result = Path(scratch, "result.json")
        command = [sys.executable, "-m", "ai_edge_litert.tools.benchmark_litert_model", f"--model={file}"]
        command += [f"--signature={signature}", f"--num_runs={runs}", f"--warmup_runs={runs // 4}"]
        command += ["--num_threads=1", f"--result_json={result}"]
        subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=True)
        return float(json.loads(result.read_text())["latency"]["median_ms"])
