"""Damaged jobs, calls, prompts, tensors, lines and artifacts for the native runner built with sanitizers: a short
run in CI, a long one by hand with `python -m tests.device_scripts.fuzzed --runs 5000`.

Whatever is given, the runner ends with status 0 or 1 and one JSON document a question. A sanitizer's report ends the
process with `SANITIZED`; ExecuTorch's own libraries are not built with sanitizers, so of a damaged artifact, which only
they read, a crash of theirs is counted and told, not hidden.
"""

import argparse
import json
import os
import platform
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from edgewright.measure.job import CALLS, TENSORS, calls_line
from edgewright.measure.prompts import Decoding, Prompt, prompts_document
from edgewright.runtimes.executorch.native import LIBRARIES, PROGRAM, sdk_folder
from edgewright.runtimes.wheels import installed_version
from tests.device_scripts.artifacts import (
    artifact_for,
    calls_for,
    image_artifact_for,
    images,
    write_calls_job,
    write_job,
)
from tests.device_scripts.counting import counting_artifact, counting_input

SOURCE = Path(__file__).parent.parent.parent / "device_scripts" / "runner"
SANITIZED = 86
LIMIT_S = 60
KINDS = ("job", "calls", "tensors", "lines", "artifact", "prompts")
ODD = (
    None, True, -1, 0, 1, 2**31, 2**63, 2**64, -(2**63), 1e308, 5e-324, "", "x", "\u0000", "/etc/passwd", "/dev/zero",
    [], [[]], [[[]]], {}, {"a": []}, [1] * 5000, "9" * 5000, [0.5], [True],
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How one run ended: "answered", "refused", "crashed" or "sanitized"; `said` is what it printed of it."""

    kind: str
    how: str
    said: str


@cache
def runner() -> Path:
    """The native runner with address and undefined-behaviour sanitizers, and its libraries beside it."""
    import atexit

    place = Path(tempfile.mkdtemp(prefix="edgewright-fuzzed-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    version = installed_version("executorch", "fuzz its runner")
    sdk = sdk_folder(platform.machine(), version)
    configure = [f"-DSDK={sdk}", f"-DEXECUTORCH_VERSION={version}", "-DSANITIZE=ON"]
    subprocess.run(["cmake", "-S", SOURCE, "-B", place / "build", *configure], check=True, capture_output=True)
    subprocess.run(["cmake", "--build", place / "build"], check=True, capture_output=True)
    shutil.copy(place / "build" / PROGRAM, place / PROGRAM)
    for name in LIBRARIES:
        shutil.copy(sdk / "lib" / name, place / name)
    return place / PROGRAM


def run_once(seed: int, folder: Path, kind: str | None = None) -> Ending:
    """One damaged question, of the kind that the seed falls on where none is given; the same seed asks the same."""
    chance = random.Random(seed)
    kind = kind or KINDS[seed % len(KINDS)]
    job, lines = _QUESTIONS[kind](chance, folder)
    environment = os.environ | {
        "ASAN_OPTIONS": f"exitcode={SANITIZED}:detect_leaks=0:handle_segv=0",
        "UBSAN_OPTIONS": f"halt_on_error=1:exitcode={SANITIZED}:print_stacktrace=1",
    }
    try:
        ended = subprocess.run(
            [runner(), job], input=lines, env=environment, capture_output=True, timeout=LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return Ending(kind=kind, how="hung", said=f"more than {LIMIT_S} s")
    said = ended.stderr.decode(errors="replace")
    if "AddressSanitizer: allocator is out of memory" in said:  # without it that is std::bad_alloc, which is told
        return Ending(kind=kind, how="refused", said="memory ran out")
    if ended.returncode == SANITIZED or "runtime error:" in said or "AddressSanitizer" in said:
        return Ending(kind=kind, how="sanitized", said=said[-3000:])
    if ended.returncode not in (0, 1):
        return Ending(kind=kind, how="crashed", said=f"status {ended.returncode}: {said[-500:]}")
    documents = ended.stdout.decode().splitlines()
    if not documents or not all(isinstance(json.loads(line), dict) for line in documents):
        return Ending(kind=kind, how="garbled", said=ended.stdout.decode()[-500:])
    refused = any("error" in json.loads(line) for line in documents)
    return Ending(kind=kind, how="refused" if refused else "answered", said=documents[-1][:300])


def _job(chance: random.Random, folder: Path) -> tuple[Path, bytes]:
    job = write_job(folder, artifact_for("executorch"), samples=2, warmup_runs=0)
    fields = json.loads(job.read_text())
    for name in chance.sample(sorted(fields), chance.randint(1, 3)):
        fields[name] = chance.choice(ODD)
    if chance.random() < 0.3:
        fields[chance.choice(["x", "cores", "etdump", "calls", "serve", "cold"])] = chance.choice(ODD)
    if fields.get("samples") == 2**31 or fields.get("warmup_runs") == 2**31:
        fields["samples"] = 2
    job.write_text(json.dumps(fields))
    return job, b""


def _calls(chance: random.Random, folder: Path) -> tuple[Path, bytes]:
    job = write_job(folder, artifact_for("executorch"), samples=0, warmup_runs=0)
    document = json.dumps(_damaged(chance, json.loads((folder / CALLS).read_text()))).encode()
    (folder / CALLS).write_bytes(_flipped(chance, document) if chance.random() < 0.3 else document)
    return job, b""


def _tensors(chance: random.Random, folder: Path) -> tuple[Path, bytes]:
    job = write_job(folder, image_artifact_for("executorch"), images(), samples=0, warmup_runs=0)
    content = bytes(chance.randrange(256) for _ in range(chance.choice([0, 1, 71, 72, 73, 720, 720, 720])))
    (folder / TENSORS).write_bytes(content)
    document = json.loads((folder / CALLS).read_text())
    for call in document["calls"]:
        (tensor,) = call["inputs"]
        if chance.random() < 0.2:
            tensor["offset"] = chance.choice([0, 1, 72, 648, 649, 2**31, 2**63, 2**64 - 1, 2**64 - 72])
        if chance.random() < 0.1:
            tensor["shape"] = chance.choice([[72], [1, 72], [1, 6, 4, 3], [2**31 - 1] * 3, [1] * 16, [1, 6, 4, 2]])
        if chance.random() < 0.1:
            tensor["dtype"] = chance.choice(["bool", "int8", "float16", "float64", "int64", "bfloat16"])
    (folder / CALLS).write_text(json.dumps(document))
    return job, b""


def _lines(chance: random.Random, folder: Path) -> tuple[Path, bytes]:
    job = write_job(folder, artifact_for("executorch"), samples=0, warmup_runs=0, serve=True)
    lines = []
    for _ in range(chance.randint(1, 5)):
        document: Any = calls_line(calls_for(artifact_for("executorch")))
        line = json.dumps(_damaged(chance, document) if chance.random() < 0.8 else document).encode()
        lines.append(_flipped(chance, line).replace(b"\n", b" ") if chance.random() < 0.3 else line)
    return job, b"\n".join(lines)


def _artifact(chance: random.Random, folder: Path) -> tuple[Path, bytes]:
    damaged = _flipped(chance, artifact_for("executorch").path.read_bytes())
    if chance.random() < 0.2:
        damaged = damaged[: chance.randrange(len(damaged))]
    (folder / "model.pte").write_bytes(damaged)
    known = sha256(damaged).hexdigest()
    return write_job(folder, artifact_for("executorch"), artifact="model.pte", sha256=known, samples=0), b""


def _prompts(chance: random.Random, folder: Path) -> tuple[Path, bytes]:
    """Of a file, or of a line that a runner which stays reads."""
    model, signature = counting_artifact("executorch"), counting_input("executorch").signature
    asked = [Prompt(ids=(3, 4), decoding=Decoding(max_tokens=chance.choice([1, 5]), top_k=2, temperature=1.0))] * 2
    document: Any = prompts_document(signature, asked)
    line = json.dumps(_damaged(chance, document)).encode()
    line = _flipped(chance, line).replace(b"\n", b" ") if chance.random() < 0.3 else line
    served = chance.random() < 0.5
    how: dict[str, Any] = {"serve": True} if served else {"prompts": "prompts.json", "calls": None}
    job = write_calls_job(folder, model, [], samples=0, warmup_runs=0, **how)
    (folder / "prompts.json").write_bytes(line)
    return job, line + b"\n" if served else b""


_QUESTIONS: dict[str, Callable[[random.Random, Path], tuple[Path, bytes]]] = {
    "job": _job,
    "calls": _calls,
    "tensors": _tensors,
    "lines": _lines,
    "artifact": _artifact,
    "prompts": _prompts,
}


def _damaged(chance: random.Random, document: Any) -> Any:
    """A document of calls with some of its fields replaced by what is odd there."""
    for _ in range(chance.randint(0, 3)):
        place = chance.choice(list(_places(document)))
        name = chance.choice(list(place)) if isinstance(place, dict) else chance.randrange(len(place))
        place[name] = deepcopy(chance.choice(ODD))
    if chance.random() < 0.3:
        state = {"name": "kv", "dtype": chance.choice(["float32", "int64"]), "shape": chance.choice([[2], [1, 16], []])}
        document["state"] = [dict(state) for _ in range(chance.randint(0, 2))]
        for call in document["calls"] if isinstance(document.get("calls"), list) else ():
            if isinstance(call, dict):
                call.update(
                    state=chance.choice([["kv"], ["kv", "kv"], ["other"]]), reset=chance.choice([True, False, 1])
                )
    return document if chance.random() < 0.9 else chance.choice(ODD)


def _places(document: Any) -> Iterator[Any]:
    """Every object and list in a document that is not empty."""
    if isinstance(document, dict | list) and document:
        yield document
        for each in document.values() if isinstance(document, dict) else document:
            yield from _places(each)


def _flipped(chance: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--kind", choices=KINDS, help="only questions of this kind")
    asked = parser.parse_args()
    counts: Counter[tuple[str, str]] = Counter()
    for seed in range(asked.first, asked.first + asked.runs):
        with tempfile.TemporaryDirectory() as folder:
            ending = run_once(seed, Path(folder), asked.kind)
        counts[ending.kind, ending.how] += 1
        if ending.how not in ("answered", "refused"):
            print(f"seed {seed}, {ending.kind}: {ending.how}: {ending.said}")
    for (kind, how), count in sorted(counts.items()):
        print(f"{kind}: {count} {how}")
    return int(any(how in ("sanitized", "hung", "garbled") for _, how in counts))


if __name__ == "__main__":
    sys.exit(main())
