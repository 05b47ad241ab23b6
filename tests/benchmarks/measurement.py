"""Whether a measurement can be believed: against bare loops and others' tools, on fresh boots, and beside other work.

    python -m tests.benchmarks.measurement [--json] [--quick] [--keep FOLDER]
                                           [--overhead] [--boots] [--intervals] [--start]

Without a switch everything is made; a switch makes its part alone.
- `--overhead`: the runners' medians against loops of a few lines around the same runtimes, process by process in turn,
  on a small artifact and a large one; beside them ExecuTorch's Python runtime and LiteRT's own benchmark tool. And peak
  memory, as the runner tells it and as `/usr/bin/time` does, against the loop's.
- `--boots`: the medians of five fresh boots of an emulated board by the instruction clock, and of five while both cores
  of the host are busy; and by how much their longest sample is beyond its median.
- `--intervals`: the small artifact measured thirty times as `edgewright bench` does, every third time beside a program
  that takes a whole core. Counted is how often an interval that is not marked unstable has the median that the quiet
  ones agree on. What `--keep` finds in its folder is not measured again.
- `--start`: from the start of a runner to its first result, with the demo's artifact (which is made first where it has
  not been).
`--quick` takes fewer of each. A machine that does other work at the same time spoils all but the boots.
"""

import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from edgewright import pipeline
from edgewright.base.digest import sha256_of
from edgewright.base.once import written_whole
from edgewright.base.quiet import quiet
from edgewright.devices.timed_models import LONGEST, Shape
from edgewright.measure.deployment import Deployed, deploy
from edgewright.measure.job import job_on
from edgewright.measure.measurement import Measurement, apart_from_others
from edgewright.measure.measuring import measure
from edgewright.measure.protocol import Protocol, RemoteArtifact
from edgewright.measure.stats import ratio, summarize
from edgewright.modality.image_spec import ImageInputSpec
from edgewright.modality.text_spec import TextInputSpec
from edgewright.runtimes.device import runtime_for
from edgewright.runtimes.executorch.export_int8 import executorch_int8
from edgewright.runtimes.litert import export as litert
from edgewright.runtimes.subject import export_input
from edgewright.runtimes.table import RUNTIMES
from edgewright.specs.profiles import load_profile
from edgewright.specs.recipe import load_recipe
from edgewright.targets import open_target
from edgewright.targets.facts import read_facts
from tests.benchmarks import bare_loops
from tests.benchmarks.machine import shown
from tests.benchmarks.options import parsed
from tests.calls import pixel_calls, text_calls

BOARD = "emulated://raspberry-pi-4"
SMALL = Shape(width=192, layers=((4, 32, 384),) * 2)
LARGE = Shape(width=384, layers=((12, 32, 1536),) * 20)
FORM = TextInputSpec(max_length=LONGEST, lengths=(LONGEST,))
IDS = [[1] * LONGEST]
ROUNDS, QUICK_ROUNDS = 9, 3
WARM_S, SAMPLE_S = 0.5, 1.0
BOOTS, QUICK_BOOTS = 5, 2
BOOT_SAMPLES, BOOT_MOST_S = 2000, 8.0  # some seconds of the board
TIMES, QUICK_TIMES = 30, 6
STARTS, QUICK_STARTS = 25, 5
GOALS = {"within_percent": 2.0, "memory_mb": 3.0, "boots_percent": 0.1, "longest_ms": 0.5, "start_ms": 150.0}
BUSY = "while True: pass"
AS_BENCH = replace(Protocol.thorough(), settle_s=2.0)  # a competitor that never rests is not waited for half a minute


def main() -> None:
    options = parsed(
        __doc__,
        kept=True,
        overhead="against bare loops and others' tools",
        boots="fresh boots of an emulated board",
        intervals="thirty measurements, a third of them beside other work",
        start="from the start of a runner to its first result",
    )
    parts = ("overhead", "boots", "intervals", "start")
    chosen = [name for name in parts if getattr(options, name)] or parts
    found: dict[str, Any] = {"goals": GOALS}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if "overhead" in chosen:
            found["overhead"] = overhead(folder, QUICK_ROUNDS if options.quick else ROUNDS)
        if "boots" in chosen:
            found["boots"] = boots(folder, QUICK_BOOTS if options.quick else BOOTS)
        if "intervals" in chosen:
            times = QUICK_TIMES if options.quick else TIMES
            found["intervals"] = intervals(folder, times, options.keep or folder / "kept")
        if "start" in chosen:
            found["start"] = starts(folder, QUICK_STARTS if options.quick else STARTS)
    shown(options, found, table)


def small_pte(folder: Path) -> Path:
    return _made(folder / "small.pte", SMALL)


def _made(file: Path, shape: Shape) -> Path:
    if not file.exists():
        with quiet():
            executorch_int8(
                export_input(shape.module(padded=False), TextInputSpec(max_length=LONGEST), RUNTIMES["executorch"]),
                file,
            )
    return file


def overhead(folder: Path, rounds: int) -> list[dict[str, Any]]:
    """Each artifact by our runner and by loops, a process of each in turn."""
    bare = folder / "bare"
    bare.mkdir()
    cpp, in_python, litert_loop = bare_loops.native(bare, platform.machine()), *others()
    small, large = small_pte(folder), _made(folder / "large.pte", LARGE)
    tflite = folder / "small.tflite"
    with quiet():
        litert.export(export_input(SMALL.module(padded=True), FORM, RUNTIMES["litert"]), tflite)
    rows = [
        *against("small", "executorch", small, (cpp, in_python), folder, rounds),
        *against("large", "executorch", large, (cpp, in_python), folder, rounds),
        *against("small", "litert", tflite, (litert_loop,), folder, rounds),
    ]
    return [*rows, by_litert_tool(folder, rounds)]


def others() -> tuple[bare_loops.Loop, bare_loops.Loop]:
    return bare_loops.executorch_in_python(), bare_loops.litert()


def against(
    name: str, runtime: str, file: Path, loops: tuple[bare_loops.Loop, ...], folder: Path, rounds: int
) -> Iterator[dict[str, Any]]:
    """Our runner against each of the loops."""
    ours: list[list[float]] = []
    theirs: dict[str, list[list[float]]] = {loop.name: [] for loop in loops}
    peaks: dict[str, list[int]] = {name: [] for name in ("told", "seen", *theirs)}
    made = runtime_for(runtime, machine=platform.machine())
    place = folder / f"laid-out-{name}-{runtime}"
    made.copy_to(place)
    with closing(open_target("local:")) as target, ExitStack() as until_done:
        lengths = FORM.lengths if runtime == "litert" else ()
        artifact = RemoteArtifact(path=PurePosixPath(file), sha256=sha256_of(file), size_bytes=file.stat().st_size)
        protocol = Protocol(restarts=1, warmup_runs=1, warmup_s=WARM_S, samples=2, min_seconds=SAMPLE_S)
        job = until_done.enter_context(
            job_on(target, artifact, text_calls(IDS, runtime=runtime, lengths=lengths), protocol)
        )
        for _ in range(rounds):
            said, peak = bare_loops.with_peak(made.command(PurePosixPath(place), job))
            result = json.loads(said)
            ours.append(result["latency_ms"])
            peaks["told"].append(result["peak_rss_bytes"])
            peaks["seen"].append(peak)
            for loop in loops:
                timed = loop.run(file, length=LONGEST, warm_s=WARM_S, seconds=SAMPLE_S)
                theirs[loop.name].append(list(timed.samples_ms))
                peaks[loop.name].append(timed.peak_rss_bytes)
    for loop in loops:
        found = ratio([[run] for run in ours], [[run] for run in theirs[loop.name]], in_turn=True)
        assert found is not None
        yield {
            "artifact": f"{name}, {runtime}",
            "beside": loop.name,
            "ms": statistics.median(statistics.median(run) for run in ours),
            "their_ms": statistics.median(statistics.median(run) for run in theirs[loop.name]),
            "percent": 100 * (found.value - 1),
            "low_percent": 100 * (found.low - 1),
            "high_percent": 100 * (found.high - 1),
            "peak_told_mb": statistics.median(peaks["told"]) / 1e6,
            "peak_seen_mb": statistics.median(peaks["seen"]) / 1e6,
            "their_peak_mb": statistics.median(peaks[loop.name]) / 1e6,
            "held_to_goals": loop.name.startswith("a "),
        }


def by_litert_tool(folder: Path, rounds: int) -> dict[str, Any]:
    """A net that takes an image, as that tool makes its inputs up, and no table bears ids that are."""
    from torch import nn

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(nn.Linear(768, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.Linear(4096, 10))

        def forward(self, pixels: Any) -> Any:
            return self.layers(pixels.float().flatten(1) / 255)

    import numpy as np

    file, form = folder / "image.tflite", ImageInputSpec(height=16, width=16, channels=3)
    with quiet():
        litert.export(export_input(Net().eval(), form, RUNTIMES["litert"]), file)
    pixels = np.random.default_rng(0).integers(0, 256, (1, 16, 16, 3), dtype=np.uint8)
    calls = pixel_calls(pixels)
    ours, theirs = [], []
    with closing(open_target("local:")) as target:
        there = deploy(target, file, runtime="litert")
        protocol = Protocol(restarts=1, warmup_runs=1, warmup_s=WARM_S, samples=2, min_seconds=SAMPLE_S)
        for _ in range(rounds):
            ours.append(measure(target, there.artifact, there.runtime, calls, protocol=protocol).latency_ms)
            runs = min(len(ours[-1]), 10_000)
            theirs.append([bare_loops.litert_tool_ms(file, "forward", runs)])
    found = ratio([[run] for run in ours], [[run] for run in theirs], in_turn=True)
    assert found is not None
    return {
        "artifact": "net of an image, litert",
        "beside": "LiteRT's own benchmark tool",
        "ms": statistics.median(statistics.median(run) for run in ours),
        "their_ms": statistics.median(run[0] for run in theirs),
        "percent": 100 * (found.value - 1),
        "low_percent": 100 * (found.low - 1),
        "high_percent": 100 * (found.high - 1),
        "held_to_goals": False,
    }


@contextmanager
def competitors(count: int) -> Iterator[None]:
    """So many programs that take a core each."""
    started = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(count)]
    try:
        yield
    finally:
        for each in started:
            each.kill()
            each.wait()


def boots(folder: Path, count: int) -> list[dict[str, Any]]:
    """Fresh boots, without and with load on the host."""
    file = small_pte(folder)
    rows = []
    for load in (0, 2):
        with competitors(load):
            boots = [once_booted(file) for _ in range(count)]
        medians = [statistics.median(each) for each in boots]
        longest = max(max(each) - statistics.median(each) for each in boots)
        spread = 100 * (max(medians) - min(medians)) / statistics.median(medians)
        rows.append({"busy_cores": load, "medians_ms": medians, "spread_percent": spread, "longest_ms": longest})
    both = [each for row in rows for each in row["medians_ms"]]
    rows.append({"busy_cores": None, "spread_percent": 100 * (max(both) - min(both)) / statistics.median(both)})
    return rows


def once_booted(file: Path) -> tuple[float, ...]:
    """The samples on a board that was booted for it, over so long that its kernel has what it does by itself."""
    protocol = replace(Protocol.instructions(), samples=BOOT_SAMPLES, max_seconds=BOOT_MOST_S)
    with closing(open_target(BOARD, instruction_clock=True)) as target:
        there = deploy(target, file, runtime="executorch")
        return measured_on(target, there, protocol, "instructions").latency_ms


def measured_on(target: Any, there: Deployed, protocol: Protocol, clock: Any) -> Measurement:
    calls = text_calls(IDS, runtime=there.runtime.runtime.name, lengths=FORM.lengths)
    return measure(target, there.artifact, there.runtime, calls, protocol=protocol, clock=clock)


def intervals(folder: Path, times: int, kept: Path) -> dict[str, Any]:
    """Measurements as `edgewright bench` takes them, every third beside a busy core."""
    file = small_pte(folder)
    kept.mkdir(parents=True, exist_ok=True)
    seen = []
    with closing(open_target("local:")) as target:
        there = deploy(target, file, runtime="executorch")
        for number in range(times):
            place = kept / f"{number}.json"
            if not place.exists():
                loaded = number % 3 == 2
                with competitors(1 if loaded else 0):
                    one = measured_on(target, there, AS_BENCH, "wall")
                runs = [list(run.latency_ms) for run in one.runs]
                told = {"loaded": loaded, "runs": runs, "stable": one.stable, "reasons": one.stability.reasons}
                with written_whole(place) as unfinished:
                    unfinished.write_text(json.dumps(told), encoding="utf-8")
            seen.append(json.loads(place.read_text(encoding="utf-8")))
        apart = apart_from_others("wall", read_facts(target))
    return {"apart": apart, **judged(seen, apart)}


def judged(seen: list[dict[str, Any]], apart: float) -> dict[str, Any]:
    """How many were marked, and of the others how many intervals have the median of the quiet machine."""
    for each in seen:
        each["median"] = statistics.median(sample for run in each["runs"] for sample in run)
        summary = summarize(each.pop("runs"), apart=apart)
        assert summary is not None
        each["low"], each["high"] = summary.low, summary.high
    quiet_median = statistics.median(each["median"] for each in seen if not each["loaded"])
    kinds = {}
    for name, loaded in (("quiet", False), ("beside a busy core", True)):
        of_kind = [each for each in seen if each["loaded"] is loaded]
        trusted = [each for each in of_kind if each["stable"]]
        kinds[name] = {
            "measurements": len(of_kind),
            "marked": len(of_kind) - len(trusted),
            "covering": sum(each["low"] <= quiet_median <= each["high"] for each in trusted),
            "trusted": len(trusted),
            "medians_ms": [each["median"] for each in of_kind],
            "half_width_percent": 100
            * statistics.median((each["high"] - each["low"]) / each["high"] / 2 for each in of_kind),
            "reasons": sorted({reason for each in of_kind for reason in each["reasons"]}),
        }
    return {"quiet_median_ms": quiet_median, **kinds}


def starts(folder: Path, count: int) -> list[dict[str, Any]]:
    """Seconds of a process of a runner that answers one question."""
    recipe, profile = load_recipe("demo"), load_profile("raspberry-pi-4")
    bundle = pipeline.build(recipe, profile, folder / "demo").bundle
    rows = []
    with closing(open_target("local:")) as target:
        for artifact in bundle.manifest.artifacts:
            made = runtime_for(artifact.runtime, machine=platform.machine())
            place = folder / f"start-{artifact.runtime}"
            made.copy_to(place)
            file = bundle.file(artifact.file)
            remote = RemoteArtifact(path=PurePosixPath(file), sha256=sha256_of(file), size_bytes=artifact.bytes)
            calls = text_calls([[1] * 15], runtime=artifact.runtime, lengths=artifact.lengths)
            with job_on(target, remote, calls, Protocol.outputs_only()) as job:
                command = made.command(PurePosixPath(place), job)
                taken = [_seconds(command) for _ in range(count)]
            rows.append(
                {"runtime": artifact.runtime, "ms": 1000 * statistics.median(taken), "most_ms": 1000 * max(taken)}
            )
    return rows


def _seconds(command: tuple[str, ...]) -> float:
    begun = time.perf_counter()
    subprocess.run(command, capture_output=True, check=True)
    return time.perf_counter() - begun


def table(found: dict[str, Any]) -> str:
    """The figures as Markdown."""
    parts = []
    if "overhead" in found:
        parts.append(overhead_table(found["overhead"]))
    if "boots" in found:
        parts.append(boots_table(found["boots"]))
    if "intervals" in found:
        parts.append(intervals_table(found["intervals"]))
    if "start" in found:
        told = ", ".join(
            f"{each['runtime']} {each['ms']:.0f} ms (at most {each['most_ms']:.0f})" for each in found["start"]
        )
        parts.append(f"From the start of a runner to its first result, the demo's artifact: {told}; goal 150 ms.")
    return "\n\n".join(parts)


def overhead_table(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| artifact | beside | runner, ms | other, ms | slower by (95 %) | peak reported | by `time` | other's peak |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        goal = f" (goal ±{GOALS['within_percent']:g} %)" if row["held_to_goals"] else ""
        spans = f"{row['percent']:+.2f} % ({row['low_percent']:+.2f} to {row['high_percent']:+.2f}){goal}"
        memory = [
            f"{row[name]:.1f} MB" if name in row else "–" for name in ("peak_told_mb", "peak_seen_mb", "their_peak_mb")
        ]
        cells = (row["artifact"], row["beside"], f"{row['ms']:.4g}", f"{row['their_ms']:.4g}", spans, *memory)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def boots_table(rows: list[dict[str, Any]]) -> str:
    lines = ["| host | boots | medians by instruction clock, ms | spread | longest sample |", "|---|---|---|---|---|"]
    for row in rows:
        if row["busy_cores"] is None:
            lines.append(f"| both | | | {row['spread_percent']:.3f} % (goal {GOALS['boots_percent']:g} %) | |")
            continue
        host = f"{row['busy_cores']} cores busy" if row["busy_cores"] else "quiet"
        medians = ", ".join(f"{each:.3f}" for each in row["medians_ms"])
        longest = f"+{row['longest_ms']:.2f} ms (goal {GOALS['longest_ms']:g})"
        lines.append(f"| {host} | {len(row['medians_ms'])} | {medians} | {row['spread_percent']:.3f} % | {longest} |")
    return "\n".join(lines)


def intervals_table(found: dict[str, Any]) -> str:
    lines = [
        "| measured | times | marked unstable | of the others, with the quiet median within | half interval |",
        "|---|---|---|---|---|",
    ]
    for name in ("quiet", "beside a busy core"):
        each = found[name]
        covering = f"{each['covering']} of {each['trusted']}"
        width = f"±{each['half_width_percent']:.2g} %"
        lines.append(f"| {name} | {each['measurements']} | {each['marked']} | {covering} | {width} |")
    spread = found["quiet"]["medians_ms"]
    told = (
        f"The quiet median is {found['quiet_median_ms']:.4g} ms; "
        f"medians of quiet ones lie between {min(spread):.4g} and {max(spread):.4g} ms. "
        f"{100 * found['apart']:g} % of an interval on either side are allowed for what no measurement sees in itself."
    )
    return "\n".join([*lines, "", told])


if __name__ == "__main__":
    main()
