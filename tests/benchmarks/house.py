"""How far the house is what it is to be: names outside their rooms, sizes, tests beside modules, starts, and builds.

    python -m tests.benchmarks.house [--json] [--quick]

Counts are of the sources; starts are medians of whole processes, in pairs with a bare interpreter's; builds are set
beside what the same recipes gave before the house was rebuilt (`tests/recordings/house/before.json`). With `--quick`
nothing is built. `tests/test_architecture.py` holds the counts.
"""

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from tests.benchmarks import counted
from tests.benchmarks.machine import shown
from tests.benchmarks.options import parsed

# What the light install lacks; who imports one of these where a device is only measured fails there.
HEAVY = (
    "torch", "torchvision", "transformers", "executorch", "litert_torch", "ai_edge_litert", "onnx", "onnxruntime",
    "sklearn", "scipy",
)  # fmt: skip
PLUGINS = Path(__file__).parents[1] / "extending"
SHOWN_PLACES = 10
TOUCHED = "files of the product touched to add a"
NOTHING_CHOSEN = 5  # pytest's exit code where all tests are slow ones


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure and its goal; `value` is None where it could not be taken, and `note` says why."""

    name: str
    value: float | None
    goal: float
    unit: str = ""
    at_least: bool = False
    note: str = ""

    @property
    def reached(self) -> bool | None:
        if self.value is None:
            return None
        return self.value >= self.goal if self.at_least else self.value <= self.goal


def main() -> None:
    options = parsed(__doc__)
    rounds = 5 if options.quick else 15
    figures = [*plugins(options.quick), *counts(), *starts(rounds)]
    document: dict[str, Any] = {
        "figures": [{**asdict(each), "reached": each.reached} for each in figures],
        "places": {name: [str(each) for each in found] for name, found in places().items()},
    }
    if not options.quick:
        from tests.benchmarks.house_builds import compared

        document["builds"] = compared()
    shown(options, document, table)


def table(found: Mapping[str, Any]) -> str:
    """The figures as Markdown, with the first places of what is counted."""
    lines = ["| | figure | goal | reached |", "|---|---|---|---|"]
    for each in found["figures"]:
        value = each["note"] if each["value"] is None else f"{each['value']:.4g}{each['unit']}"
        sign = "≥" if each["at_least"] else "≤"
        reached = {True: "yes", False: "no", None: "–"}[each["reached"]]
        lines.append(f"| {each['name']} | {value} | {sign} {each['goal']:g}{each['unit']} | {reached} |")
    for name, where in found["places"].items():
        if where:
            more = f"\n- … {len(where) - SHOWN_PLACES} more" if len(where) > SHOWN_PLACES else ""
            lines.append("\n".join(["", f"{name}:", *(f"- {each}" for each in where[:SHOWN_PLACES])]) + more)
    if "builds" in found:
        from tests.benchmarks.house_builds import builds_table

        lines += ["", builds_table(found["builds"])]
    return "\n".join(lines)


# The test of each kind's plug-in, or what is still in the way of one.
PLUGIN_TESTS: Mapping[str, str] = {
    "runtime": "test_programs_runtime.py",
    "family": "test_gated_family.py",
    "task": "test_ordinal_task.py",
}
NOT_YET: Mapping[str, str] = {
    "modality": "it goes as far as a trained student; artifacts are still of texts or images",
    "scheme": "there is no table of schemes",
}


def plugins(quick: bool) -> list[Figure]:
    """Files of the product that each plug-in of `tests/extending` needs changed: none, as long as its test passes."""
    figures = []
    for kind, file in PLUGIN_TESTS.items():
        chosen = ["-m", "not slow"] if quick else []
        ended = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-x", *chosen, str(PLUGINS / file)],
            cwd=counted.ROOT, capture_output=True, text=True, timeout=1800, check=False,
        )  # fmt: skip
        passed = ended.returncode == 0 or (quick and ended.returncode == NOTHING_CHOSEN)
        note = "" if passed else " ".join(ended.stdout.strip().splitlines()[-1:])
        figures.append(Figure(name=f"{TOUCHED} {kind}", value=0 if passed else None, goal=0, note=note))
    return figures + [Figure(name=f"{TOUCHED} {kind}", value=None, goal=0, note=note) for kind, note in NOT_YET.items()]


def counts() -> list[Figure]:
    """What is counted in the sources."""
    longest = next(iter(counted.test_file_lines().values()))
    return [
        Figure(
            name="names of runtimes, tasks, modalities and schemes that decide outside their rooms",
            value=len(counted.names_outside_their_rooms()),
            goal=0,
        ),
        Figure(name="such names in a `Literal`", value=len(counted.names_in_literals()), goal=0),
        Figure(
            name="`isinstance` on families or modalities outside their rooms",
            value=len(counted.checks_of_type_outside_their_rooms()),
            goal=5,
        ),
        Figure(name="files over 300 lines", value=len(counted.large_files()), goal=10),
        Figure(name="length of functions, 95th percentile", value=counted.function_lines_p95(), goal=30, unit=" lines"),
        Figure(name="lines with `Any`", value=counted.lines_with_any(), goal=150),
        Figure(name="loose modules at the root", value=len(counted.loose_modules()), goal=5),
        Figure(
            name="modules with a test file of their name",
            value=counted.mirrored_percent(),
            goal=95,
            unit=" %",
            at_least=True,
        ),
        Figure(name="longest test file", value=longest, goal=600, unit=" lines"),
    ]


def places() -> dict[str, Sequence[object]]:
    """Where that is which is to be none, or less."""
    return {
        "Names outside their rooms": counted.names_outside_their_rooms(),
        "Names in a `Literal`": counted.names_in_literals(),
        "`isinstance` outside their rooms": counted.checks_of_type_outside_their_rooms(),
        "Files over 300 lines": counted.large_files(),
        "Modules without a test file": counted.modules_without_tests(),
    }


def starts(rounds: int) -> list[Figure]:
    """How long whole processes take, beside a bare interpreter's that ran just before each."""
    ratio, bench_s = "`edgewright --help`, times a bare interpreter's start", "start of `bench` without torch"
    return [
        started(ratio, rounds, HELP, goal=15, beside_bare=True),
        started(bench_s, rounds, LIGHT_BENCH, goal=1, unit=" s"),
    ]


def started(name: str, rounds: int, program: str, *, goal: float, unit: str = "", beside_bare: bool = False) -> Figure:
    """The median time of a program, or how often a bare interpreter's start goes into it."""
    took = []
    for _ in range(rounds):
        bare_s, _ = _timed("pass")
        seconds, fault = _timed(program)
        if fault:
            return Figure(name=name, value=None, goal=goal, unit=unit, note=fault)
        took.append(seconds / bare_s if beside_bare else seconds)
    return Figure(name=name, value=median(took), goal=goal, unit=unit)


HELP = "import sys; from edgewright.cli.main import main; sys.exit(main(['--help']))"
# All that a measurement imports, and the verb up to the sentence that there is no such bundle.
LIGHT_BENCH = f"""
import sys
sys.modules.update(dict.fromkeys({HEAVY!r}))  # importing one of them raises ImportError
import edgewright
edgewright.bench
from edgewright.cli.main import main
assert main(["bench", "/nowhere/at/all", "--target", "local:"]) == 2
"""


def _timed(program: str) -> tuple[float, str]:
    """(seconds, what it died of or "") of one interpreter."""
    begun = time.perf_counter()
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    took_s = time.perf_counter() - begun
    return took_s, "" if ended.returncode == 0 else (ended.stderr.strip().splitlines() or ["it failed"])[-1]


if __name__ == "__main__":
    main()
