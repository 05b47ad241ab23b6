"""How far predictions are from measurements, on models that no calibration has seen.

    python -m tests.benchmarks.prediction [--json] [--quick] [--host] [--a53] [--a72] [--a76] [--published]

Without a switch all four machines are asked; a switch asks its machine alone. Sixty student encoders with sizes drawn
at random, each at three lengths, under those runtimes in int8 that the machine was calibrated for, which is done first
where it was not; the emulated boards' clock counts instructions. `--quick` draws twelve. `--published` asks no machine:
it compares what follows from profiles' facts alone with latencies that others published of boards.
"""

import itertools
import json
import random
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from targets import open_target
from targets.base import Target
from tests.benchmarks.options import parsed
from toolchain.bundle import sha256_of
from toolchain.calibration import calibrate, profile_for
from toolchain.deploy import Deployed, deploy, push_artifact
from toolchain.hardware.calibrated import load_calibration, prices_for
from toolchain.hardware.operators import Structure
from toolchain.hardware.pricing import Precision, Roofline, predict
from toolchain.hardware.trace import structure_of
from toolchain.measure.measurement import Clock, clock_of
from toolchain.measure.protocol import Protocol, RemoteRuntime, measure
from toolchain.profiles import Profile, load_profile
from toolchain.timed_models import LONGEST, Probe, Shape

MACHINES = {
    "host": "local:",
    "a53": "emulated://raspberry-pi-zero-2-w",
    "a72": "emulated://raspberry-pi-4",
    "a76": "emulated://raspberry-pi-5",
}
COUNT, QUICK_COUNT = 60, 12
SEED = 17
TEXTS = (11, 27, 50)
ON_HOST = Protocol(restarts=1, warmup_runs=12, warmup_s=0.2, samples=90, min_seconds=0.5, max_seconds=5.0)
EMULATED = Protocol(restarts=1, warmup_runs=1, warmup_s=0.0, samples=9, min_seconds=0.0, max_seconds=8.0)
# (within this share of the measurement, for so many predictions)
GOALS = {"wall": ((0.10, 0.90), (0.25, 1.0)), "instructions": ((0.05, 0.95),)}
ORDERED_BEYOND, ORDERED_GOAL = 0.10, 0.97
MEMORY_WITHIN, MEMORY_BYTES = 0.10, 2e6
FACTOR = 1.5


@dataclass(frozen=True, kw_only=True)
class Row:
    """Latencies that others published of a board, in ms; one that is None was not."""

    source: str
    model: str
    board: str
    threads: int
    float_ms: float
    int8_ms: float | None


def _rows(source: str, board: str, threads: int, *rows: tuple[str, float, float | None]) -> list[Row]:
    return [
        Row(source=source, model=model, board=board, threads=threads, float_ms=wide, int8_ms=narrow)
        for model, wide, narrow in rows
    ]


# XNNPACK's README of 2022, ncnn's benchmark table: what share of its peak a core reaches was chosen with them in view.
PUBLISHED: Sequence[Row] = (
    *_rows("XNNPACK", "raspberry-pi-3b-plus", 4, ("MobileNetV1", 114, 46)),
    *_rows("XNNPACK", "raspberry-pi-4", 4, ("MobileNetV1", 77, 24)),
    *_rows("ncnn", "raspberry-pi-zero-2-w", 4, ("ResNet50", 783, 498)),
    *_rows("ncnn", "raspberry-pi-3b-plus", 4, ("ResNet50", 587, 392)),
    *_rows("ncnn", "raspberry-pi-4", 4, ("ResNet50", 263, 197), ("ResNet18", 123, 83.9)),
    *_rows("ncnn", "raspberry-pi-5", 4, ("ResNet50", 46.2, 40.8), ("ResNet18", 20.0, 16.7)),
)
# ncnn's benchmark table as it was at its commit 08c2dacb: no constant was chosen on these.
OLDER = "ncnn, older"
HELD_OUT: Sequence[Row] = (
    *_rows(
        OLDER,
        "RK3399, A72 cluster",
        1,
        ("MobileNetV1", 136.94, 107.22),
        ("MobileNetV2", 109.01, None),
        ("ResNet18", 321.68, 258.11),
        ("ResNet50", 686.59, 561.13),
    ),
    *_rows(
        OLDER,
        "RK3399, A72 cluster",
        2,
        ("MobileNetV1", 79.53, 58.40),
        ("MobileNetV2", 69.44, None),
        ("ResNet18", 198.63, 162.57),
        ("ResNet50", 443.29, 369.63),
    ),
    *_rows(
        OLDER,
        "RK3399, A53 cluster",
        4,
        ("MobileNetV1", 80.56, 67.81),
        ("MobileNetV2", 74.97, None),
        ("ResNet18", 208.50, 183.65),
        ("ResNet50", 418.18, 392.88),
    ),
    *_rows(
        OLDER,
        "Snapdragon 410",
        1,
        ("MobileNetV1", 244.93, 574.41),
        ("MobileNetV2", 179.05, None),
        ("ResNet18", 498.06, 653.40),
        ("ResNet50", 1212.06, 1660.50),
    ),
    *_rows(
        OLDER,
        "Snapdragon 410",
        4,
        ("MobileNetV1", 93.29, 246.45),
        ("MobileNetV2", 81.46, None),
        ("ResNet18", 178.58, 270.88),
        ("ResNet50", 423.99, 650.97),
    ),
    *_rows(
        OLDER,
        "raspberry-pi-4",
        4,
        ("MobileNetV1", 86.01, 168.48),
        ("MobileNetV2", 75.84, None),
        ("ResNet18", 233.89, 159.56),
        ("ResNet50", 486.97, 421.58),
    ),
)
# Boards without a profile: that of one with the same cores, and how many of them at which clock.
LIKE = {
    "RK3399, A72 cluster": ("raspberry-pi-4", 2, 1800),
    "RK3399, A53 cluster": ("raspberry-pi-3b-plus", 4, 1500),
    "Snapdragon 410": ("raspberry-pi-3b-plus", 4, 1200),
}


class Scores(nn.Module):
    """A classifier of transformers as a module that gives a tensor."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: Tensor) -> Tensor:
        scores: Tensor = self.model(pixels).logits
        return scores


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
        print(json.dumps(found, indent=2) if options.json else published_table(found))
        return
    chosen = [name for name in MACHINES if getattr(options, name)] or list(MACHINES)
    probes = students(QUICK_COUNT if options.quick else COUNT)
    rows = [row for name in chosen for row in figures(name, probes)]
    print(json.dumps(rows, indent=2) if options.json else table(rows))


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


def figures(machine: str, probes: Sequence[Probe]) -> Iterator[dict[str, Any]]:
    """For each runtime how far predictions are off."""
    address = MACHINES[machine]
    clock = clock_of(address)
    profile = load_profile(profile_for(address, None))
    started = time.perf_counter()
    known = load_calibration(profile.name, clock)
    calibration = known or calibrate(address)
    calibrated_s = None if known else time.perf_counter() - started
    with closing(open_target(address, instruction_clock=clock == "instructions")) as target:
        for runtime in dict.fromkeys(each.runtime for each in calibration.tables):
            prices = prices_for(profile, runtime=runtime, precision="int8", clock=clock)
            place = Placed(target, runtime)
            points = [point for probe in probes for point in compared(place, probe, prices, clock)]
            yield {"machine": machine, "runtime": runtime, "calibrated_s": calibrated_s, **judged(points, clock)}


class Placed:
    """Files on a target, and the runtime beside them: checking that again takes seconds on an emulated core."""

    def __init__(self, target: Target, runtime: str) -> None:
        self.target, self.runtime = target, runtime
        self.found: RemoteRuntime | None = None

    def put(self, file: Path) -> Deployed:
        """One artifact of the benchmark's lengths."""
        sha256, lengths = sha256_of(file), TEXTS if self.runtime == "litert" else ()
        if self.found is None:
            first = deploy(self.target, file, runtime=self.runtime, sha256=sha256, lengths=lengths)
            self.found = first.runtime
            return first
        artifact = push_artifact(self.target, file, sha256=sha256, lengths=lengths)
        return Deployed(artifact=artifact, runtime=self.found)


def compared(placed: Placed, probe: Probe, prices: Any, clock: Clock) -> Iterator[Point]:
    """Predict, then measure."""
    target, runtime = placed.target, placed.runtime
    file = probe.file(runtime, "int8")
    size, structure = file.stat().st_size, probe.structure(runtime)
    planned = LONGEST if runtime == "executorch" else None
    place = placed.put(file)
    protocol = EMULATED if clock == "instructions" else ON_HOST
    facts = (lambda _: {}) if clock == "instructions" else None  # an emulated board takes long to tell its state
    given = probe.inputs(runtime)
    seen = measure(target, place.artifact, place.runtime, given, protocol=protocol, clock=clock, facts=facts)
    for length, samples in zip(TEXTS, seen.latency_by_input, strict=True):
        begun = time.perf_counter()
        found = predict(prices, structure, length=length, file_bytes=size, planned_length=planned)
        yield Point(
            model=probe.name,
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
    # The peak is of all lengths that a process ran, so it is the longest one's.
    whole = [point for point in points if point.length == max(TEXTS)]
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


def published() -> list[dict[str, Any]]:
    """Each row that was published beside what a profile's facts alone say of it."""
    import torch
    import transformers

    configs = {
        "MobileNetV1": transformers.MobileNetV1Config(),
        "MobileNetV2": transformers.MobileNetV2Config(),
        "ResNet18": transformers.ResNetConfig(
            depths=[2, 2, 2, 2], hidden_sizes=[64, 128, 256, 512], layer_type="basic"
        ),
        "ResNet50": transformers.ResNetConfig(),
    }
    pixels = torch.zeros(1, 3, 224, 224)
    structures = {
        name: structure_of(Scores(transformers.AutoModelForImageClassification.from_config(config)), [pixels])
        for name, config in configs.items()
    }
    return [found for row in (*PUBLISHED, *HELD_OUT) for found in _compared(row, structures[row.model])]


def _compared(row: Row, structure: Structure) -> Iterator[dict[str, Any]]:
    profile = board(row.board)
    # ncnn computes floats in half precision where a core has it.
    floats: Precision = "half" if row.source == "ncnn" and profile.processor.fp16.value else "float"
    precisions: tuple[tuple[Precision, float | None], ...] = ((floats, row.float_ms), ("int8", row.int8_ms))
    for precision, ms in precisions:
        if ms is None:
            continue
        found = predict(Roofline(profile=profile, precision=precision), structure, length=0, threads=row.threads)
        yield {
            **{"source": row.source, "model": row.model, "board": row.board, "threads": row.threads},
            **{"precision": precision, "held_out": row in HELD_OUT, "published_ms": ms},
            **{"predicted_ms": found.latency_ms, "factor": found.latency_ms / ms},
        }


def board(name: str) -> Profile:
    """A profile, or what stands for one that is not there."""
    if name not in LIKE:
        return load_profile(name)
    like, cores, clock_mhz = LIKE[name]
    profile = load_profile(like)
    processor = profile.processor

    def other(fact: Any, value: Any) -> Any:
        return fact.model_copy(update={"value": value})

    peak = processor.int8_peak_gops.value * clock_mhz / processor.clock_mhz.value
    changed = {
        "cores": other(processor.cores, cores),
        "clock_mhz": other(processor.clock_mhz, clock_mhz),
        "int8_peak_gops": other(processor.int8_peak_gops, peak),
    }
    return profile.model_copy(update={"name": name, "processor": processor.model_copy(update=changed)})


def published_table(rows: Sequence[dict[str, Any]]) -> str:
    """For the README: the rows that constants were chosen on, and those that they were not."""
    tables = []
    for held_out, told in ((False, "constants were chosen with these in view"), (True, "held out")):
        shown = [row for row in rows if row["held_out"] == held_out]
        lines = [
            "| published by | model | board | threads | precision | published, ms | by facts alone, ms | factor |",
            "|---|---|---|---|---|---|---|---|",
        ]
        for row in shown:
            cells = [str(row[name]) for name in ("source", "model", "board", "threads", "precision")]
            predicted = float(f"{row['predicted_ms']:.3g}")
            lines.append(f"| {' | '.join(cells)} | {row['published_ms']:g} | {predicted:g} | {row['factor']:.2f} |")
        near = sum(1 / FACTOR <= row["factor"] <= FACTOR for row in shown)
        tables.append("\n".join([*lines, "", f"{near} of {len(shown)} within a factor of {FACTOR:g} ({told})."]))
    return "\n\n".join(tables)


if __name__ == "__main__":
    main()
