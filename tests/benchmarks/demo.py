"""The demo's figures: the int8 student against its float teacher under the same runtime, in one run on this machine.

    python -m tests.benchmarks.demo [--json] [--quick] [--board]

Prints the README's table. The demo is built first where it has not been (minutes); `--quick` times fewer rounds, and
`--board` adds the emulated Raspberry Pi 4: its boot, and the artifacts by instruction clock.
"""

import json
import random
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from targets import open_target
from tests.benchmarks.options import parsed
from toolchain import pipeline, stages
from toolchain.benchmark import bench
from toolchain.host_latency import compare_on_host
from toolchain.models.inputs import Inputs
from toolchain.pipeline import BuildResult
from toolchain.profiles import load_profile
from toolchain.progress import Silent
from toolchain.recipe import load_recipe
from toolchain.stages import Plan, Side, TextSide

PROFILE = "raspberry-pi-4"
BOARD = f"emulated://{PROFILE}"
TEXTS = 48
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
            found["board"] = on_board(result)
    print(json.dumps(found, indent=2) if options.json else table(found))


def figures(plan: Plan, result: BuildResult, *, rounds: int) -> dict[str, Any]:
    """Sizes and scores as the build found them; latencies measured now, on questions and on whole answers."""
    manifest = result.bundle.manifest
    made = pipeline.run_stages(plan)
    rows = stages.texts_of(made.examples).test
    sample = random.Random(1).sample(rows, TEXTS)
    lengths = {}
    timed = {}
    for kind, texts in (("questions", [row.text for row in sample]), ("answers", [str(row.pair) for row in sample])):
        contenders = pipeline.contenders(made, partial(_encoded, texts=texts))
        lengths[kind] = sum(map(len, contenders[0].inputs)) / TEXTS
        race = compare_on_host(contenders, progress=Silent(), rounds=rounds)
        timed[kind] = {name: asdict(latency) for name, latency in race.items()}
    artifacts = []
    for artifact in manifest.artifacts:
        latency = {kind: _against(timed[kind], artifact.runtime) for kind in timed}
        artifacts.append(
            {
                "runtime": artifact.runtime,
                "bytes": artifact.bytes,
                "smaller": manifest.teacher.bytes / artifact.bytes,
                "score": artifact.score,
                "kept_percent": 100 * artifact.score / manifest.teacher.score,
                "peak_rss_bytes": timed["questions"][f"{artifact.runtime} int8"]["peak_rss_bytes"],
                "latency": latency,
            }
        )
    return {
        "metric": manifest.task.metric,
        "held_out": len(rows),
        "mean_tokens": lengths,
        "teacher": manifest.teacher.model_dump(exclude={"latency_ms"}),
        "student": manifest.student.model_dump(exclude={"latency_ms"}),
        "baseline": manifest.baseline.model_dump(),
        "best": manifest.best,
        "artifacts": artifacts,
        "goals": GOALS,
    }


def on_board(result: BuildResult) -> dict[str, Any]:
    """Seconds to a login, and every artifact by the instruction clock."""
    started = time.perf_counter()
    open_target(BOARD).close()
    boot_s = time.perf_counter() - started
    measured = {}
    for artifact in result.bundle.manifest.artifacts:
        summary = bench(result.bundle.path, BOARD, runtime=artifact.runtime).summary()
        measured[artifact.runtime] = {
            "p50_instruction_ms": summary["latency_ms"]["p50"],
            "peak_rss_bytes": summary["peak_rss_bytes"],
            "cosine_min": summary["parity"]["cosine_min"],
        }
    return {"boot_and_shutdown_s": boot_s, "artifacts": measured}


def table(found: dict[str, Any]) -> str:
    """The figures as Markdown."""
    teacher, baseline = found["teacher"], found["baseline"]
    lines = [
        f"| | size | {found['metric']} | kept | questions, ms (× float teacher) | answers, ms (×) | peak memory |",
        "|---|---|---|---|---|---|---|",
        f"| {baseline['name']} | – | {baseline['score']:.3f} | {_kept(baseline['score'], teacher)} | – | – | – |",
    ]
    for each in found["artifacts"]:
        times = {kind: each["latency"][kind] for kind in ("questions", "answers")}
        lines.append(
            f"| teacher, float, {each['runtime']} | {teacher['bytes'] / 1e6:.1f} MB | {teacher['score']:.3f} | 100 % | "
            + " | ".join(f"{times[kind]['teacher_ms']:.2f}" for kind in times)
            + " | – |"
        )
        lines.append(
            f"| **student, int8, {each['runtime']}** | {each['bytes'] / 1e6:.2f} MB ({each['smaller']:.1f}× smaller) | "
            f"{each['score']:.3f} | {each['kept_percent']:.1f} % | "
            + " | ".join(f"{times[kind]['int8_ms']:.2f} ({times[kind]['speedup']:.1f}×)" for kind in times)
            + f" | {each['peak_rss_bytes'] / 1e6:.1f} MB |"
        )
    note = (
        f"One thread, batch 1, real lengths (questions {found['mean_tokens']['questions']:.0f} tokens on average, "
        f"answers {found['mean_tokens']['answers']:.0f}), {found['held_out']} held-out pairs; times are medians of one "
        "run on one machine: only their ratios carry over."
    )
    lines += ["", note]
    if board := found.get("board"):
        lines += [
            "",
            f"Emulated Raspberry Pi 4 (boot and shutdown {board['boot_and_shutdown_s']:.1f} s), instruction clock:",
        ]
        lines += [
            f"- {name}: {each['p50_instruction_ms']:.1f} ms of 2 ns instructions, "
            f"peak {each['peak_rss_bytes'] / 1e6:.1f} MB, "
            f"worst cosine {each['cosine_min']:.4f}"
            for name, each in board["artifacts"].items()
        ]
    return "\n".join(lines)


def _encoded(side: Side, texts: Sequence[str]) -> Inputs:
    assert isinstance(side, TextSide)
    return side.encoded(texts)


def _against(timed: dict[str, Any], runtime: str) -> dict[str, float]:
    teacher, twin, int8 = (timed[f"{runtime} {role}"]["p50_ms"] for role in ("teacher", "float", "int8"))
    return {
        "teacher_ms": teacher,
        "float_student_ms": twin,
        "int8_ms": int8,
        "speedup": teacher / int8,
        "int8_against_float": twin / int8,
    }


def _kept(score: float, teacher: dict[str, Any]) -> str:
    return f"{100 * score / teacher['score']:.1f} %"


if __name__ == "__main__":
    main()
