"""The demo's figures: the int8 student against its float teacher under the same runtime, in one run.

    python -m tests.benchmarks.demo [--json] [--quick] [--board]

Prints the README's table. What counts is the core that the demo is for: with `--board` the float teacher and the int8
student are measured on an emulated Raspberry Pi 4 by a clock that counts instructions; without it their ratio is
predicted, with its interval. The ratios of this machine, whose name stands there too, come second: they do not carry
over. The demo is built first where it has not been (minutes); `--quick` times fewer rounds here.
"""

import random
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from edgewright import pipeline
from edgewright.base.progress import Silent
from edgewright.devices.benchmark import bench
from edgewright.devices.host_latency import Contender, HostLatency, compare_on_host, ratio_of
from edgewright.measure.deployment import Deployer
from edgewright.measure.measuring import measure
from edgewright.measure.protocol import Protocol
from edgewright.modality.text_dataset import TextDataset
from edgewright.models.inputs import Inputs
from edgewright.pipeline import BuildResult
from edgewright.report.speedup_rows import cell, speedups_of
from edgewright.specs.profiles import load_profile
from edgewright.specs.recipe import load_recipe
from edgewright.stages import Plan, Side
from edgewright.stages.host_timing import contenders as entered_of
from edgewright.stages.sides import student_of
from edgewright.stages.stage import Build
from edgewright.targets import open_target
from edgewright.targets.base import Target
from tests.benchmarks.machine import shown
from tests.benchmarks.options import parsed

PROFILE = "raspberry-pi-4"
BOARD = f"emulated://{PROFILE}"
TEXTS = 48
ON_BOARD = replace(Protocol.instructions(), max_seconds=120.0)  # a float teacher takes whole passes, too
GOALS = {"speedup": 8.0, "smaller": 15.0, "kept_percent": 93.0, "peak_rss_mb": 32.0}


def main() -> None:
    options = parsed(__doc__, board="also boot the emulated board and measure there")
    plan = Plan(recipe=load_recipe("demo"), profile=load_profile(PROFILE), progress=Silent())
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        result = pipeline.build(plan.recipe, plan.profile, Path(folder, "demo"))
        found = figures(plan, result, rounds=2 if options.quick else 5)
        found["build_s"] = {
            "this_time": time.perf_counter() - started,
            "all_stages_when_made": sum(stage.made_in_seconds for stage in result.bundle.manifest.stages),
        }
        if options.board:
            found["board"] = on_board(plan, result)
    shown(options, found, table)


def figures(plan: Plan, result: BuildResult, *, rounds: int) -> dict[str, Any]:
    """Sizes and scores as the build found them; latencies measured now, on questions and on whole answers."""
    manifest = result.bundle.manifest
    made = pipeline.run_stages(plan)
    rows = student_of(made).dataset.examples.test
    sample = random.Random(1).sample(rows, TEXTS)
    lengths = {}
    timed = {}
    for kind, texts in (("questions", [row.text for row in sample]), ("answers", [str(row.pair) for row in sample])):
        contenders = entered_of(made, partial(_encoded, texts=texts))
        lengths[kind] = sum(map(len, contenders[0].inputs)) / TEXTS
        timed[kind] = compare_on_host(contenders, progress=Silent(), rounds=rounds)
    artifacts = []
    for artifact, told in zip(manifest.artifacts, speedups_of(manifest, plan.profile), strict=True):
        artifacts.append(
            {
                "runtime": artifact.runtime,
                "bytes": artifact.bytes,
                "smaller": manifest.teacher.bytes / artifact.bytes,
                "score": artifact.score,
                "kept_percent": 100 * artifact.score / manifest.teacher.score,
                "peak_rss_bytes": timed["questions"][f"{artifact.runtime} int8"].peak_rss_bytes,
                "predicted": asdict(told.there) if told.there else None,
                "latency": {kind: against(timed[kind], artifact.runtime) for kind in timed},
            }
        )
    return {
        "metric": manifest.task.metric,
        "held_out": len(rows),
        "mean_tokens": lengths,
        "core": plan.profile.processor.core.value,
        "processor": next(iter(timed["questions"].values())).processor,
        "teacher": manifest.teacher.model_dump(exclude={"latency_ms"}),
        "student": manifest.student.model_dump(exclude={"latency_ms"}),
        "baseline": manifest.baseline.model_dump(),
        "best": manifest.best,
        "artifacts": artifacts,
        "goals": GOALS,
    }


def on_board(plan: Plan, result: BuildResult) -> dict[str, Any]:
    """Seconds to a login; the float teacher and every artifact by the instruction clock, asked the same examples."""
    started = time.perf_counter()
    open_target(BOARD).close()
    boot_s = time.perf_counter() - started
    measured = {}
    target = open_target(BOARD, instruction_clock=True)
    try:
        teachers = instruction_ms(target, pipeline.run_stages(plan), roles=("teacher",))
        for artifact in result.bundle.manifest.artifacts:
            summary = bench(result.bundle.path, BOARD, target=target, runtime=artifact.runtime).summary()
            teacher_ms, ms = teachers[f"{artifact.runtime} teacher"], summary["latency_ms"]["p50"]
            measured[artifact.runtime] = {
                "teacher_instruction_ms": teacher_ms,
                "p50_instruction_ms": ms,
                "speedup": teacher_ms / ms,
                "peak_rss_bytes": summary["peak_rss_bytes"],
                "cosine_min": summary["parity"]["cosine_min"],
                "reasons": summary["reasons"],
            }
    finally:
        target.close()
    return {"boot_and_shutdown_s": boot_s, "artifacts": measured}


def instruction_ms(target: Target, made: Build, *, roles: Sequence[str] = ("teacher", "int8")) -> dict[str, float]:
    """The median of each contender on an emulated board, on the examples that its bundle is measured with."""
    entered = [each for each in entered_of(made) if each.name.split()[1] in roles]
    deployer = Deployer(target)
    return {each.name: _instruction_ms(deployer, each) for each in entered}


def _instruction_ms(deployer: Deployer, each: Contender) -> float:
    place = deployer.deploy(each.file, runtime=each.runtime, sha256=each.sha256)
    there = (deployer.target, place.artifact, place.runtime)
    found = measure(*there, each.calls, protocol=ON_BOARD, clock="instructions")
    return median(found.latency_ms)


def table(found: dict[str, Any]) -> str:
    """The figures as Markdown: the profile's core first, this machine second."""
    teacher, baseline, board = found["teacher"], found["baseline"], found.get("board")
    way = "by instruction clock, ms" if board else "predicted"
    lines = [
        f"| | size | {found['metric']} | kept | {found['core']} {way} (× float teacher) | "
        f"questions on {found['processor']}, ms (×) | answers there, ms (×) | peak memory |",
        "|---|---|---|---|---|---|---|---|",
        f"| {baseline['name']} | – | {baseline['score']:.3f} | {_kept(baseline['score'], teacher)} | – | – | – | – |",
    ]
    for each in found["artifacts"]:
        lines += _rows(teacher, each, board["artifacts"][each["runtime"]] if board else None)
    lines += ["", _note(found)]
    if board:
        lines += ["", f"Emulated Raspberry Pi 4 (boot and shutdown {board['boot_and_shutdown_s']:.1f} s):"]
        lines += [
            f"- {name}: {each['speedup']:.1f}× the float teacher's speed ({each['p50_instruction_ms']:.1f} against "
            f"{each['teacher_instruction_ms']:.1f} ms of 2 ns instructions), peak {each['peak_rss_bytes'] / 1e6:.1f} "
            f"MB, worst cosine {each['cosine_min']:.4f}"
            for name, each in board["artifacts"].items()
        ]
    return "\n".join(lines)


def _rows(teacher: Mapping[str, Any], each: Mapping[str, Any], there: Mapping[str, Any] | None) -> list[str]:
    """A runtime's teacher and student."""
    times = [each["latency"][kind] for kind in ("questions", "answers")]
    whole = [f"{teacher['bytes'] / 1e6:.1f} MB", f"{teacher['score']:.3f}", "100 %"]
    whole.append(f"{there['teacher_instruction_ms']:.1f}" if there else "–")
    small = [f"{each['bytes'] / 1e6:.2f} MB ({each['smaller']:.1f}× smaller)", f"{each['score']:.3f}"]
    small.append(f"{each['kept_percent']:.1f} %")
    small.append(f"{there['p50_instruction_ms']:.1f} ({there['speedup']:.1f}×)" if there else cell(each["predicted"]))
    whole += [f"{time['teacher_ms']:.2f}" for time in times]
    small += [f"{time['int8_ms']:.2f} ({here(time)})" for time in times]
    return [
        f"| teacher, float, {each['runtime']} | {' | '.join(whole)} | – |",
        f"| **student, int8, {each['runtime']}** | {' | '.join(small)} | {each['peak_rss_bytes'] / 1e6:.1f} MB |",
    ]


def _note(found: Mapping[str, Any]) -> str:
    sources = dict.fromkeys(each["predicted"]["source"] for each in found["artifacts"] if each["predicted"])
    first = f"predicted with an interval for nine of ten ({'; '.join(sources) or 'for no runtime'})"
    if found.get("board"):
        first = (
            f"by the instruction clock of an emulated {found['core']} (2 ns an instruction: ratios compare, but no "
            "board takes so many milliseconds), on the bundle's own examples"
        )
    return (
        f"One thread, batch 1, real lengths (questions {found['mean_tokens']['questions']:.0f} tokens on average, "
        f"answers {found['mean_tokens']['answers']:.0f}), {found['held_out']} held-out pairs. First the core that the "
        f"demo is for, {first}; then medians of one run on the machine that printed this, whose ratios are its own and "
        "carry over to no other processor."
    )


def _encoded(side: Side, texts: Sequence[str]) -> Inputs:
    assert isinstance(side.dataset, TextDataset)
    return side.dataset.encoded(texts)


def against(timed: Mapping[str, HostLatency], runtime: str) -> dict[str, Any]:
    """A runtime's three contenders on this machine: times, ratios and what they are by, and what marks them."""
    teacher, twin, int8 = (timed[f"{runtime} {role}"] for role in ("teacher", "float", "int8"))
    ratio, of_float = ratio_of(teacher, int8), ratio_of(twin, int8)
    return {
        "teacher_ms": teacher.p50_ms,
        "float_student_ms": twin.p50_ms,
        "int8_ms": int8.p50_ms,
        "speedup": ratio.value,
        "by": ratio.by,
        "int8_against_float": of_float.value,
        "marks": list(dict.fromkeys((*ratio.marks, *of_float.marks))),
    }


def here(each: Mapping[str, Any]) -> str:
    """A ratio of this machine, with a star where something marks it; none where it cannot be told."""
    value = "–" if each["speedup"] is None else f"{each['speedup']:.1f}×"
    return f"{value}*" if each["marks"] else value


def _kept(score: float, teacher: Mapping[str, Any]) -> str:
    return f"{100 * score / teacher['score']:.1f} %"


if __name__ == "__main__":
    main()
