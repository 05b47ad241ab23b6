"""llama.cpp as a peer: SmolLM2-135M in its own formats, timed in a process of its own.

In:  nothing; llama-cpp-python is built here once, with the processor's own instructions, in an environment of its own.
Out: files in Q8_0 and Q4_0 of the weights that our artifacts are made of, and times of prompts and steps.
The weights are those of the published file in Q4_1, de-quantised: our loader and llama.cpp's quantiser read that same
file, and each rounds the numbers that it stands for in its own way. All matrices are in the format that is named.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from edgewright.base.once import made_once
from edgewright.base.places import cache_dir
from edgewright.models.factories import SMOLLM2, SMOLLM2_FILE

VERSION = "0.3.36"
BUILD_LIMIT_S, LIMIT_S = 3600.0, 600.0
TYPES = {"Q8_0": 7, "Q4_0": 2}  # as llama.h numbers the types of files

QUANTISE = """
import ctypes, sys
import llama_cpp
source, target, kind = sys.argv[1], sys.argv[2], int(sys.argv[3])
settings = llama_cpp.llama_model_quantize_default_params()
settings.ftype, settings.allow_requantize, settings.pure, settings.nthread = kind, True, True, 1
sys.exit(llama_cpp.llama_model_quantize(source.encode(), target.encode(), ctypes.byref(settings)))
"""
# argv: the file, threads, tokens of the context, tokens of the prompt, steps after it
LOOP = """
import ctypes, json, resource, sys, time
import llama_cpp
file, threads, context, prompt, steps = sys.argv[1], *map(int, sys.argv[2:])
quiet = llama_cpp.llama_log_callback(lambda *_: None)
llama_cpp.llama_log_set(quiet, None)
llama_cpp.llama_backend_init()
model = llama_cpp.llama_load_model_from_file(file.encode(), llama_cpp.llama_model_default_params())
settings = llama_cpp.llama_context_default_params()
settings.n_ctx, settings.n_batch, settings.n_ubatch = context, context, context
settings.n_threads, settings.n_threads_batch = threads, threads
run = llama_cpp.llama_new_context_with_model(model, settings)
size = llama_cpp.llama_n_vocab(llama_cpp.llama_model_get_vocab(model))
def step(ids):
    row = (ctypes.c_int32 * len(ids))(*ids)
    before = time.monotonic()
    if llama_cpp.llama_decode(run, llama_cpp.llama_batch_get_one(row, len(ids))):
        sys.exit(1)
    logits = llama_cpp.llama_get_logits_ith(run, -1)[:size]
    return (time.monotonic() - before) * 1e3, logits
ids = [7 + place % 1000 for place in range(prompt)]
def forget():
    llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(run), True)
step(ids)
forget()
prefill_ms, logits = step(ids)
taken = []
for place in range(steps):
    ms, _ = step([7 + place])
    taken.append(ms)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"prefill_ms": prefill_ms, "token_ms": taken, "peak_rss_bytes": peak}))
"""


@dataclass(frozen=True, kw_only=True)
class Timed:
    """One process: the second reading of a prompt, each token after it, and the highest resident memory."""

    prefill_ms: float
    token_ms: tuple[float, ...]
    peak_rss_bytes: int


def python() -> Path:
    """The interpreter of an environment with llama-cpp-python, which is built when it is first asked for."""
    folder = made_once(cache_dir("benchmarks") / f"llama-cpp-python-{VERSION}", _build)
    return folder / "bin" / "python"


def file(kind: str) -> Path:
    """SmolLM2-135M in Q8_0 or Q4_0."""
    source = SMOLLM2.file(SMOLLM2_FILE, purpose="compare with llama.cpp")

    def write(folder: Path) -> None:
        _run(python(), "-c", QUANTISE, str(source), str(folder / "model.gguf"), str(TYPES[kind]))

    folder = made_once(cache_dir("benchmarks") / f"smollm2-135m-{kind}-llama-cpp-{VERSION}", write)
    return folder / "model.gguf"


def timed(kind: str, *, threads: int, context: int, prompt: int, steps: int) -> Timed:
    """One process that reads a prompt of so many tokens, and goes on for so many steps."""
    sizes = map(str, (threads, context, prompt, steps))
    found = json.loads(_run(python(), "-c", LOOP, str(file(kind)), *sizes))
    return Timed(**{**found, "token_ms": tuple(found["token_ms"])})


def _build(folder: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, timeout=LIMIT_S)
    flags = {"CMAKE_ARGS": "-DGGML_NATIVE=ON -DGGML_OPENMP=OFF -DLLAVA_BUILD=OFF"}
    command = [str(folder / "bin" / "pip"), "install", "--quiet", "--no-binary", "llama-cpp-python"]
    subprocess.run(
        [*command, f"llama-cpp-python=={VERSION}"], env={**os.environ, **flags}, check=True, timeout=BUILD_LIMIT_S
    )


def _run(program: Path, *arguments: str) -> str:
    ended = subprocess.run([str(program), *arguments], capture_output=True, text=True, timeout=LIMIT_S, check=False)
    if ended.returncode:
        raise RuntimeError(f"llama.cpp ended with {ended.returncode}: {ended.stderr[-500:]}")
    return ended.stdout
