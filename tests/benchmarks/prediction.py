"""How far predictions are from measurements, on models that no calibration has seen.

    python -m tests.benchmarks.prediction [--json] [--quick] [--host] [--a53] [--a72] [--a76] [--published]

Without a switch all four machines are asked; a switch asks its machine alone. Sixty student encoders with sizes drawn
at random, each at three lengths, and the artifacts of two recipes that come with Edgewright, a search and a net for
digits, taught for seconds; all under those runtimes in int8 that the machine was calibrated for, which is done first
where it was not. The emulated boards' clock counts instructions. `--quick` draws twelve. `--published` asks no machine:
it compares what follows from profiles' facts alone with latencies that others published of boards (`published`).
"""

import itertools
import random
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgewright import pipeline
from edgewright.bundles.bundle import Bundle
from edgewright.cost.device_prices import load_calibration, prices_for
from edgewright.cost.expected import PricedArtifact, priced_artifact
from edgewright.cost.pricing import predict
from edgewright.devices.calibration import calibrate
from edgewright.devices.known_device import profile_for
from edgewright.devices.timed_models import LONGEST, Probe, Shape
from edgewright.errors import InputError
from edgewright.measure.deployment import Deployer
from edgewright.measure.measurement import clock_of
from edgewright.measure.measuring import measure
from edgewright.measure.protocol import Protocol
from edgewright.specs.batching import calls_of, named
from edgewright.specs.profiles import Clock, load_profile
from edgewright.specs.recipe import Recipe
from edgewright.specs.signature import Call
from edgewright.targets import open_target
from tests.benchmarks.machine import shown
from tests.benchmarks.options import parsed
from tests.benchmarks.precision import tasks
from tests.benchmarks.published import published, published_table

MACHINES = {
    "host": "local:",
    "a53": "emulated://raspberry-pi-zero-2-w",
    "a72": "emulated://raspberry-pi-4",
    "a76": "emulated://raspberry-pi-5",
}
COUNT, QUICK_COUNT = 60, 12
SEED = 17
TEXTS = (11, 27, 50)
DEMOS = ("search", "digits, ResNet")
ON_HOST = Protocol(restarts=1, warmup_runs=12, warmup_s=0.2, samples=90, min_seconds=0.5, max_seconds=5.0)
EMULATED = Protocol(restarts=1, warmup_runs=1, warmup_s=0.0, samples=9, min_seconds=0.0, max_seconds=8.0)
# (within this share of the measurement, for so many predictions)
GOALS = {"wall": ((0.10, 0.90), (0.25, 1.0)), "instructions": ((0.05, 0.95),)}
ORDERED_BEYOND, ORDERED_GOAL = 0.10, 0.97
MEMORY_WITHIN, MEMORY_BYTES = 0.10, 2e6


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One file, what is known of it, and what it is measured on: texts of `lengths`, or one image, length 0."""

    name: str
    file: Path
    subject: PricedArtifact
    calls: Sequence[Call]
    lengths: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Point:
    """One model at one length: what was predicted, with its interval, and what was measured."""

    model: str
    length: int
    predicted_ms: float
    low_ms: float
    high_ms: float
    measured_ms: float
    predicted_bytes: int
    measured_bytes: int
    seconds: float  # that the prediction took

    @property
    def error(self) -> float:
        """As a share of what was measured."""
        return self.predicted_ms / self.measured_ms - 1


def main() -> None:
    options = parsed(
        __doc__,
        host="this machine",
        a53="an emulated Cortex-A53",
        a72="an A72",
        a76="an A76",
        published="boards, by facts alone",
    )
    if options.published:
        found = published()
        shown(options, found, published_table)
        return
    chosen = [name for name in MACHINES if getattr(options, name)] or list(MACHINES)
    probes = students(QUICK_COUNT if options.quick else COUNT)
    with tempfile.TemporaryDirectory() as folder:
        bundles = demos(Path(folder))
        rows = [row for name in chosen for row in figures(name, probes, bundles)]
    shown(options, rows, table)


def students(count: int, seed: int = SEED) -> list[Probe]:
    """Encoders of one to four layers, drawn with a seed: none of their sizes was chosen for the probes' sake."""
    draw = random.Random(seed)
    found = []
    for number in range(count):
        width = draw.randrange(48, 385, 8)
        head_width = draw.choice((16, 24, 32))
        layers = tuple(
            (draw.randint(1, 8), head_width, draw.randrange(32, 1025, 16)) for _ in range(draw.randint(1, 4))
        )
        shape = Shape(
            width=width,
            layers=layers,
            vocabulary=draw.randrange(500, 8001, 100),
            token_rank=draw.choice((None, None, 32, 64)),
            pooling=draw.choice(("mean", "mean", "first")),
            projected=draw.choice((0, 0, 384)),
        )
        found.append(Probe(name=f"student {number}", model=shape, texts=TEXTS))
    return found


def demos(folder: Path) -> list[Bundle]:
    """What `edgewright build` makes of two of its recipes, with lessons of seconds: no latency depends on weights."""
    profile = load_profile("raspberry-pi-4")
    recipes = {name: Recipe.model_validate(given) for name, given, _ in tasks(quick=True) if name in DEMOS}
    return [
        pipeline.build(recipe, profile, folder / str(place), even_if_unreachable=True).bundle
        for place, recipe in enumerate(recipes.values())
    ]


def of_probe(probe: Probe, runtime: str) -> Asked:
    exported = probe.exported(runtime, "int8")
    calls = probe.calls(exported.signature, runtime)
    fixed = runtime == "litert"
    subject = PricedArtifact(
        runtime=runtime,
        structure=probe.structure(runtime),
        lengths=TEXTS if fixed else (),
        file_bytes=exported.file.stat().st_size,
        planned_length=None if fixed else LONGEST,
    )
    return Asked(name=probe.name, file=exported.file, subject=subject, calls=calls, lengths=TEXTS)


def of_bundle(bundle: Bundle, runtime: str) -> Asked:
    artifact, task = bundle.artifact(runtime), bundle.manifest.task
    method, of_texts = artifact.signature.method("forward"), task.modality.has_length
    texts = named(method, [[1] * length for length in TEXTS]) if of_texts else ()
    images = [each.inputs for each in bundle.vectors(runtime).calls[:1]] if not of_texts else ()
    return Asked(
        name=f"recipe {bundle.manifest.name}",
        file=bundle.file(artifact.file),
        subject=priced_artifact(artifact, task.max_length),
        calls=calls_of(method, [*texts, *images]),
        lengths=TEXTS if of_texts else (0,),
    )


def figures(machine: str, probes: Sequence[Probe], bundles: Sequence[Bundle]) -> Iterator[dict[str, Any]]:
    """For each runtime how far predictions are off."""
    address = MACHINES[machine]
    clock = clock_of(address)
    profile = load_profile(profile_for(address, None))
    started = time.perf_counter()
    known = None
    with suppress(InputError):  # one of other terms or another version is made again
        known = load_calibration(profile.name, clock)
    calibration = known or calibrate(address)
    calibrated_s = None if known else time.perf_counter() - started
    with closing(open_target(address, instruction_clock=clock == "instructions")) as target:
        deployer = Deployer(target)
        for runtime in dict.fromkeys(each.runtime for each in calibration.tables):
            prices = prices_for(profile, runtime=runtime, precision="int8", clock=clock)
            asked = (*(of_bundle(each, runtime) for each in bundles), *(of_probe(each, runtime) for each in probes))
            points = [point for each in asked for point in compared(deployer, each, prices, clock)]
            yield {"machine": machine, "runtime": runtime, "calibrated_s": calibrated_s, **judged(points, clock)}


def compared(deployer: Deployer, asked: Asked, prices: Any, clock: Clock) -> Iterator[Point]:
    """Predict, then measure."""
    target, subject = deployer.target, asked.subject
    place = deployer.deploy(asked.file, runtime=subject.runtime)
    protocol = EMULATED if clock == "instructions" else ON_HOST
    facts = (lambda _: {}) if clock == "instructions" else None  # an emulated board takes long to tell its state
    seen = measure(target, place.artifact, place.runtime, asked.calls, protocol=protocol, clock=clock, facts=facts)
    for length, samples in zip(asked.lengths, seen.latency_by_input, strict=True):
        begun = time.perf_counter()
        found = predict(
            prices,
            subject.structure,
            length=subject.run_length(length),
            file_bytes=subject.file_bytes,
            planned_length=subject.planned_length,
            shapes=subject.shapes(asked.lengths),
        )
        yield Point(
            model=asked.name,
            length=length,
            predicted_ms=found.latency_ms,
            low_ms=found.low_ms,
            high_ms=found.high_ms,
            measured_ms=statistics.median(samples),
            predicted_bytes=found.peak_memory_bytes,
            measured_bytes=seen.peak_rss_bytes,
            seconds=time.perf_counter() - begun,
        )


def judged(points: Sequence[Point], clock: Clock) -> dict[str, Any]:
    """Shares of predictions that are near enough, beside their goals."""
    errors = [abs(point.error) for point in points]
    pairs = [
        (a, b)
        for a, b in itertools.combinations(points, 2)
        if abs(a.measured_ms - b.measured_ms) > ORDERED_BEYOND * min(a.measured_ms, b.measured_ms)
    ]
    ordered = [(a.predicted_ms < b.predicted_ms) == (a.measured_ms < b.measured_ms) for a, b in pairs]
    # The peak is of all lengths that a process ran, so it is the longest one's, which is the last.
    whole = list({point.model: point for point in points}.values())
    remembered = [
        abs(point.predicted_bytes - point.measured_bytes) <= max(MEMORY_WITHIN * point.measured_bytes, MEMORY_BYTES)
        for point in whole
    ]
    return {
        "models": len(whole),
        "points": len(points),
        "within": [
            {"share": near, "of": sum(error <= near for error in errors) / len(errors), "goal": goal}
            for near, goal in GOALS[clock]
        ],
        "median_error": statistics.median(errors),
        "worst_error": max(errors),
        "bias": statistics.median(point.error for point in points),
        "in_interval": sum(point.low_ms <= point.measured_ms <= point.high_ms for point in points) / len(points),
        "ordered": sum(ordered) / len(ordered),
        "ordered_goal": ORDERED_GOAL,
        "memory": sum(remembered) / len(remembered),
        "prediction_ms": 1000 * statistics.median(point.seconds for point in points),
        "measurements": [vars(point) for point in points],
    }


def table(rows: Sequence[dict[str, Any]]) -> str:
    """For the README."""
    lines = [
        "| machine | runtime | points | near enough | median error | in the interval | order of pairs | memory |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        near = ", ".join(
            f"{100 * each['of']:.0f} % within ±{100 * each['share']:.0f} % (goal {100 * each['goal']:.0f})"
            for each in row["within"]
        )
        ordered = f"{100 * row['ordered']:.1f} % (goal {100 * row['ordered_goal']:.0f})"
        lines.append(
            f"| {row['machine']} | {row['runtime']} | {row['points']} | {near} | {100 * row['median_error']:.1f} % | "
            f"{100 * row['in_interval']:.0f} % | {ordered} | {100 * row['memory']:.0f} % (goal 100) |"
        )
    taken = statistics.median(row["prediction_ms"] for row in rows)
    return "\n".join([*lines, "", f"One prediction takes {taken:.2f} ms."])


if __name__ == "__main__":
    main()
