"""What a large history costs: commands on 100,000 measurements of 200 samples each, 16 writers at once, and a report.

    python -m tests.benchmarks.history [--json] [--quick]

Whole commands, the median of several, from start to exit code. The report is of the demo's bundle, which is built first
where it has not been (minutes), and of a measurement of it. `--quick` keeps 5,000 measurements.
"""

import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import sqlalchemy as sql

from edgewright import pipeline
from edgewright.cli.verbs.bench import MISSED
from edgewright.specs.profiles import load_profile
from edgewright.specs.recipe import load_recipe
from edgewright.store import history as store
from edgewright.store.history import Filter, History
from tests.benchmarks.machine import shown
from tests.benchmarks.options import parsed
from tests.report.documents import bench

ENTRIES, QUICK_ENTRIES = 100_000, 5_000
INPUTS, ROUNDS = 8, 25  # 200 samples
WRITERS, WRITTEN = 16, 25
COMMIT_LENGTH = 40
LIMIT_S, REPORT_LIMIT_S = 1.0, 3.0
TIMES = 5
REPORT = "report of a full build"
COMMANDS = {
    "history list": ["history", "list"],
    "history list --commit": ["history", "list", "--commit", "00000000000000000000000000000000000001f"],
    "history list --bundle": ["history", "list", "--bundle", "demo-7", "--limit", "50"],
    "compare": ["compare", "17", "117"],
    "gate": ["gate", "--baseline", "17", "--max-slowdown", "300%"],
}
WRITER = """
import json, sys
from edgewright.store.history import History
with History() as history:
    for number in range(int(sys.argv[2])):
        history.add("bench", {**json.loads(sys.argv[1]), "name": f"writer-{sys.argv[3]}-{number}"})
"""


def main() -> None:
    options = parsed(__doc__)
    found = figures(QUICK_ENTRIES if options.quick else ENTRIES)
    shown(options, found, table)


def figures(entries: int) -> dict[str, Any]:
    """A history of so many measurements, and what is asked of it."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EDGEWRIGHT_HISTORY"] = str(Path(folder, "history.sqlite"))
        started = time.perf_counter()
        fill(entries)
        filled_s = time.perf_counter() - started
        took = {name: median(command_s(arguments) for _ in range(TIMES)) for name, arguments in COMMANDS.items()}
        took[REPORT] = report_s(Path(folder))
        size = Path(folder, "history.sqlite").stat().st_size
        started = time.perf_counter()
        kept = written_at_once()
        return {
            "entries": entries,
            "samples_each": INPUTS * ROUNDS,
            "bytes": size,
            "filled_s": filled_s,
            "median_s": took,
            "limit_s": {**dict.fromkeys(COMMANDS, LIMIT_S), REPORT: REPORT_LIMIT_S},
            "writers": WRITERS,
            "written": WRITERS * WRITTEN,
            "kept": kept,
            "written_s": time.perf_counter() - started,
        }


def fill(entries: int) -> None:
    """In one transaction: one after another, as they are made, they would wait for the disk each time."""
    documents = [bench(seed=seed, inputs=INPUTS, rounds=ROUNDS, name=f"demo-{seed}") for seed in range(20)]
    rows = [store._columns("bench", each) for each in documents]
    contents = [json.dumps(each) for each in documents]

    def batches() -> Iterator[list[int]]:
        numbers = iter(range(1, entries + 1))
        while batch := list(itertools.islice(numbers, 1000)):
            yield batch

    with History() as history, history._engine.begin() as connection:
        for batch in batches():
            values = [
                {
                    "id": number,
                    "created": f"2026-01-01T00:00:00.{number:06d}",
                    "kind": "bench",
                    "commit": f"{number:0{COMMIT_LENGTH}x}",
                    **rows[number % len(rows)],
                }
                for number in batch
            ]
            connection.execute(sql.insert(store._entries), values)
            whole = [{"entry_id": number, "content": contents[number % len(contents)]} for number in batch]
            connection.execute(sql.insert(store._documents), whole)


def command_s(arguments: list[str], accepted: tuple[int, ...] = (0,)) -> float:
    started = time.perf_counter()
    ended = subprocess.run([sys.executable, "-m", "edgewright.cli.main", *arguments], check=False, capture_output=True)
    if ended.returncode not in accepted:
        raise RuntimeError(f"{arguments} ended with {ended.returncode}: {ended.stderr.decode()[-500:]}")
    return time.perf_counter() - started


def report_s(folder: Path) -> float:
    """A page of the demo's bundle and of a measurement of it, both whole."""
    bundle = pipeline.build(load_recipe("demo"), load_profile("raspberry-pi-4"), folder / "demo").bundle
    command_s(["bench", str(bundle.path), "--target", "local:", "--quick"], accepted=(0, MISSED))
    asked = ["report", str(bundle.path), "latest", "-o", str(folder / "report.html")]
    return median(command_s(asked) for _ in range(TIMES))


def written_at_once() -> int:
    """How many entries of all writers' are there afterwards."""
    command = [sys.executable, "-c", WRITER, json.dumps(bench(inputs=INPUTS, rounds=ROUNDS)), str(WRITTEN)]
    for writer in [subprocess.Popen([*command, str(number)]) for number in range(WRITERS)]:
        writer.wait()
    with History() as history:
        names = [f"writer-{writer}-{number}" for writer in range(WRITERS) for number in range(WRITTEN)]
        return sum(len(history.find(Filter(name=name))) == 1 for name in names)


def table(found: dict[str, Any]) -> str:
    """The figures as Markdown."""
    lines = ["| command | median | limit |", "|---|---|---|"]
    lines += [f"| {name} | {took:.2f} s | {found['limit_s'][name]:g} s |" for name, took in found["median_s"].items()]
    note = (
        f"{found['entries']:,} measurements of {found['samples_each']} samples, {found['bytes'] / 1e6:.0f} MB. "
        f"{found['writers']} processes wrote {found['written']} entries at once in {found['written_s']:.1f} s; "
        f"{found['kept']} are there."
    )
    return "\n".join([*lines, "", note])


if __name__ == "__main__":
    main()
