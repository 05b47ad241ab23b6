"""What compression achieves, and what each technique buys: search at two sizes, text classes, digits; one run.

    python -m tests.benchmarks.compression [--json] [--quick] [--search] [--classes] [--ablation] [--vision] [--board]

Without a switch everything is made: about three hours on two cores where nothing is cached. A switch makes its part
alone, several make several; `--quick` trains for seconds, to see that it runs. Beside the students stands what one
would otherwise do: all layers pruned at a uniform ratio by magnitude to as many multiply-accumulates, and a new student
of the same sizes that was never pruned; both are trained on as many tokens. Speeds are of int8 artifacts, one
thread, real lengths, against the float teacher under the same runtime. First those of the profile's core: predicted
with their interval or, with `--board`, by the instruction clock of the emulated one. Then this machine's own, which
carry over to no other: of questions, which is what a device is asked, and beside them of whole answers.
"""

import random
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgewright import pipeline, stages
from edgewright.base.progress import Silent
from edgewright.compress.importance import importance
from edgewright.compress.prune import prune
from edgewright.compress.reconstruct import reconstructed
from edgewright.compress.unit_counts import PruneSizes
from edgewright.devices.host_latency import compare_on_host
from edgewright.models.inputs import TextInputs
from edgewright.models.text import outputs
from edgewright.report.speedup_rows import cell, speedups_of
from edgewright.specs.profiles import load_profile
from edgewright.specs.recipe import Recipe, load_recipe
from edgewright.stages import Plan
from edgewright.stages.host_timing import contenders
from edgewright.targets import open_target
from edgewright.tasks.fidelity import fidelity
from tests.benchmarks import demo, vision
from tests.benchmarks.machine import shown
from tests.benchmarks.options import parsed
from tests.stages.builds import Made, build_of, model_of, score_of, stage_of, student_of, texts_of, tokenizer_of

PROFILE = "raspberry-pi-4"
GOALS: Mapping[str, Mapping[str, float]] = {
    "search-balanced": {"speedup": 10, "smaller": 20, "kept_percent": 97, "fidelity": 0.92},
    "search-aggressive": {"speedup": 25, "smaller": 40, "kept_percent": 93},
    "packages": {"speedup": 40, "kept_percent": 99},
}
ALL_LAYERS = [0, 1, 2, 3, 4, 5]
UNIFORM_HEADS: Mapping[str, int] = {"search-balanced": 4, "search-aggressive": 1, "packages": 1}
HEAD_NEURONS = 64  # neurons that take as many multiply-accumulates as a head: four matrices of width 32 against two
OURS = "pruned, refitted, distilled"
ABLATED_TOKENS = 600_000  # all are taught once on these texts: so many steps, whatever else the machine does
QUICK_TOKENS = 20_000
QUICK_SHARE = 0.01  # of the recipe's training
# What each technique is tried on: the search-balanced recipe's student, but of four equal layers.
TRIED: Mapping[str, Mapping[str, Any]] = {
    "prune": {"speedup": None, "layers": (0, 2, 4, 5), "heads": 8, "neurons": 416},
    "low_rank": {"token_rank": 112},
}
SEARCHED = "by the search, no vectors between layers"
# What each variant leaves out or does otherwise, by the stages' settings.
ABLATION: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "everything": {},
    "no least-squares reconstruction": {"prune": {"reconstruct": False}},
    "no vectors between layers": {"distill": {"intermediate_weight": 0}},
    "no last hidden vectors": {"distill": {"hidden_weight": 0}},
    "no similarities": {"distill": {"similarity_weight": 0}},
    "no pairs": {"distill": {"pair_weight": 0}},
    "relations instead of all hidden vectors": {
        "distill": {"hidden_weight": 0, "intermediate_weight": 0, "relation_weight": 1},
    },
    "magnitude instead of activations": {"prune": {"importance": "magnitude"}},
    "whole vocabulary": {"vocabulary": {"enabled": False}},
    "whole token table": {"low_rank": {"enabled": False}},
    "tokens weighed by how often they occur": {"low_rank": {"token_exponent": 1}},
    "fresh student of the same shape": {"distill": {"from_scratch": True}},
    SEARCHED: {"prune": {"layers": None, "heads": None, "neurons": None}, "distill": {"intermediate_weight": 0}},
}
UNIFORM = "uniform magnitude in all layers"
MAGNITUDE: Mapping[str, Any] = {"importance": "magnitude", "reconstruct": False}
SAMPLE_TEXTS = 4000


def main() -> None:
    options = parsed(
        __doc__,
        search="search at two sizes",
        classes="text classification",
        ablation="what each technique buys",
        vision="digits",
        board="measure teachers and students on the emulated board, too",
    )
    parts = ("search", "classes", "ablation", "vision")
    chosen = [name for name in parts if getattr(options, name)] or parts
    quick, found = options.quick, {}
    how: dict[str, bool] = {"quick": quick, "board": options.board}
    if "search" in chosen:
        found["search"] = [
            built("search-balanced", **how),
            built("search-balanced", "without the final phase", {"distill": {"final_phase": None}}, **how),
            built("search-aggressive", **how),
            *rivals("search-aggressive", **how),
        ]
    if "classes" in chosen:
        found["classes"] = [built("packages", **how), *rivals("packages", **how)]
    if "ablation" in chosen:
        found["cut_in_half"] = cut_in_half(quick=quick)
        found["ablation"] = ablation(quick=quick)
    if "vision" in chosen:
        found["vision"] = vision.figures(quick=quick)
    shown(options, found, table)


def rivals(name: str, *, quick: bool, board: bool) -> list[dict[str, Any]]:
    """What one would otherwise do to the recipe's teacher: as small, and trained on as many tokens."""
    how = {"quick": quick, "board": board}
    kept = load_recipe(name).stages.prune.model_dump()
    return [
        built(name, "uniform magnitude, distilled", {"prune": uniform(kept, UNIFORM_HEADS[name])}, **how),
        built(name, "fresh student, distilled", {"prune": MAGNITUDE, "distill": {"from_scratch": True}}, **how),
    ]


def uniform(kept: Mapping[str, Any], heads: int) -> dict[str, Any]:
    """The cut of all layers alike, by magnitude, to about as many multiply-accumulates as a cut to equal layers has."""
    multiple = load_profile(PROFILE).preferences.int8_channel_multiple.value
    layer = kept["heads"] * HEAD_NEURONS + kept["neurons"]
    neurons = layer * len(kept["layers"]) / len(ALL_LAYERS) - heads * HEAD_NEURONS
    rounded = max(round(neurons / multiple), 1) * multiple
    return {"layers": ALL_LAYERS, "heads": heads, "neurons": rounded, **MAGNITUDE}


def built(
    name: str,
    way: str = OURS,
    changes: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    quick: bool = False,
    board: bool = False,
) -> dict[str, Any]:
    """One recipe from data to timed artifacts, with other settings of its stages where there are `changes`."""
    plan = planned(load_recipe(name), changes or {}, QUICK_SHARE if quick else 1.0)
    with tempfile.TemporaryDirectory() as folder:
        result = pipeline.build(plan.recipe, plan.profile, Path(folder, name))
    made = pipeline.run_stages(plan)
    rounds, near = 2 if quick else 4, None
    if plan.recipe.task.kind == "embedding":
        # A device is asked questions; answers, three times as long, are embedded once, when the index is made.
        found = demo.figures(plan, result, rounds=rounds)
        near = fidelity(*(side.outputs(side.held_out()) for side in (stages.student_of(made), stages.teacher_of(made))))
    else:
        found = class_figures(plan, result, made, rounds=rounds)
    if board:
        target = open_target(f"emulated://{PROFILE}", instruction_clock=True)
        try:
            clocked = demo.instruction_ms(target, made)
        finally:
            target.close()
        for each in found["artifacts"]:
            teacher_ms, ms = (clocked[f"{each['runtime']} {role}"] for role in ("teacher", "int8"))
            each["clocked"] = {"teacher_ms": teacher_ms, "int8_ms": ms, "speedup": teacher_ms / ms}
    trained_s = sum(each.entry.made_in_seconds for each in made.made if each.name in (*stages.TRAININGS, stages.AWARE))
    goals = GOALS[name] if way == OURS else {}
    return {"recipe": name, "way": way, "fidelity": near, "trained_s": trained_s, **found, "goals": goals}


def class_figures(plan: Plan, result: pipeline.BuildResult, made: stages.Build, *, rounds: int) -> dict[str, Any]:
    """Sizes and scores as the build found them, and latencies measured now, as `demo.figures` has them of a search."""
    manifest = result.bundle.manifest
    timed = compare_on_host(contenders(made), progress=Silent(), rounds=rounds)
    return {
        "baseline": manifest.baseline.model_dump(),
        "teacher": manifest.teacher.model_dump(),
        "metric": manifest.task.metric,
        "core": plan.profile.processor.core.value,
        "processor": next(iter(timed.values())).processor,
        "artifacts": [
            {
                "runtime": each.runtime,
                "bytes": each.bytes,
                "smaller": manifest.teacher.bytes / each.bytes,
                "score": each.score,
                "kept_percent": 100 * each.score / manifest.teacher.score,
                "predicted": asdict(told.there) if told.there else None,
                "latency": {"questions": demo.against(timed, each.runtime)},
            }
            for each, told in zip(manifest.artifacts, speedups_of(manifest, plan.profile), strict=True)
        ],
    }


def ablation(*, quick: bool) -> list[dict[str, Any]]:
    """The balanced student, of equal layers, with one thing changed at a time; all taught once on the same texts."""
    rows: list[dict[str, Any]] = []
    speedup = 0.0
    tokens = QUICK_TOKENS if quick else ABLATED_TOKENS
    tried = {**TRIED, "distill": {"tokens": tokens, "epochs": 1, "train_tokens": None, "final_phase": None}}
    alike = {"prune": uniform(TRIED["prune"], UNIFORM_HEADS["search-balanced"])}
    for name, changes in {**ABLATION, UNIFORM: alike}.items():
        settings = {part: {**tried.get(part, {}), **changes.get(part, {})} for part in {**tried, **changes}}
        if name == SEARCHED:  # the same price by the profile
            settings["prune"]["speedup"] = speedup
        plan = planned(load_recipe("search-balanced"), settings)
        made = student_of(plan)
        teacher, before = made["teacher"], made["low rank"]
        student = Made.of(build_of(plan).result("student"))
        whole_ms, price_ms = (each.findings["predicted_layers_ms"] for each in (teacher, student))
        speedup = speedup or whole_ms / price_ms
        said = _said(plan, made["texts"], teacher, teacher)
        rows.append(
            {
                "variant": name,
                "parameters": student.findings["parameters"],
                "layers_speedup": whole_ms / price_ms,
                "kept_before_training_percent": 100 * before.findings["score"] / teacher.findings["score"],
                "kept_percent": 100 * student.findings["score"] / teacher.findings["score"],
                "fidelity": fidelity(_said(plan, made["texts"], student, made["vocabulary"]), said),
            }
        )
    return rows


def cut_in_half(*, quick: bool) -> list[dict[str, Any]]:
    """Half of the heads and half of the neurons gone, and nothing trained: the score and fidelity that are left."""
    plan = planned(load_recipe("search-balanced"), {})
    texts, teacher = (stage_of(plan, name) for name in ("texts", "teacher"))
    model, tokenizer = model_of(teacher), tokenizer_of(plan, teacher)
    taught = texts_of(texts).training_texts
    sample = random.Random(0).sample(taught, 400 if quick else SAMPLE_TEXTS)
    rows = TextInputs(tokenizer.cut_at(64).encode(sample))
    score = score_of(plan, texts)
    asked = tokenizer.encode(score.texts)
    said = outputs(model, asked)
    shape = model.encoder.shape.layers[0]
    found = []
    for kind in ("magnitude", "activation", "taylor", "fisher"):
        scores = importance(model, TextInputs(rows.rows[:800]), kind=kind)  # type: ignore[arg-type]
        half = prune(model, scores, PruneSizes(heads=shape.heads // 2, neurons=shape.neurons // 2, multiple=16))
        for refitted in (False, True):
            small = reconstructed(half.model, model, half.cuts, rows) if refitted else half.model
            answers = outputs(small, asked)
            found.append(
                {
                    "importance": kind,
                    "least_squares": refitted,
                    "kept_percent": 100 * score.of(answers) / score.of(said),
                    "fidelity": fidelity(answers, said),
                }
            )
    return found


def planned(recipe: Recipe, changes: Mapping[str, Mapping[str, Any]], share: float = 1.0) -> Plan:
    """A plan for a recipe with other settings of its stages, and this share of its training."""
    values = recipe.model_dump(exclude_unset=True)
    for stage, settings in changes.items():
        values["stages"].setdefault(stage, {}).update(settings)
    first = values["stages"]["distill"]
    if last := first.get("final_phase"):
        first["final_phase"] = {**last, "train_tokens": round(last["train_tokens"] * share)}
    if first.get("train_tokens"):
        first["train_tokens"] = round(first["train_tokens"] * share)
    changed = Recipe.model_validate(values)
    return Plan(recipe=changed, profile=load_profile(PROFILE), progress=Silent())


def table(found: Mapping[str, Any]) -> str:
    """The figures as Markdown."""
    lines: list[str] = []
    for part in ("search", "classes"):
        if part in found:
            row = found[part][0]
            way = "by instruction clock" if "clocked" in row["artifacts"][0] else "predicted"
            lines += [
                f"| recipe | student | runtime | speed on {row['core']}, {way} | on {row['processor']} "
                "| there on long texts | size | kept | fidelity | trained |",
                "|---|---|---|---|---|---|---|---|---|---|",
            ]
            for row in found[part]:
                lines += [_built_row(row, each) for each in row["artifacts"]]
            row = found[part][0]
            base, metric = row["baseline"], row["metric"]
            kept = 100 * base["score"] / row["teacher"]["score"]
            lines.append(f"| – | {base['name']} | – | – | – | – | – | {kept:.1f} % | – | – |")
            lines += ["", f"Kept are shares of the teacher's {metric}, {row['teacher']['score']:.3f}. {_sure(row)}", ""]
    if "cut_in_half" in found:
        lines += ["| half cut, not trained | least squares | kept | fidelity |", "|---|---|---|---|"]
        for row in found["cut_in_half"]:
            yes = "yes" if row["least_squares"] else "no"
            lines.append(f"| {row['importance']} | {yes} | {row['kept_percent']:.1f} % | {row['fidelity']:.3f} |")
        lines.append("")
    if "ablation" in found:
        lines += [
            "| variant | parameters | layers, by the profile | before training | kept | fidelity |",
            "|---|---|---|---|---|---|",
        ]
        for row in found["ablation"]:
            lines.append(
                f"| {row['variant']} | {row['parameters'] / 1e6:.2f} M | {row['layers_speedup']:.1f}× | "
                f"{row['kept_before_training_percent']:.1f} % | {row['kept_percent']:.1f} % | {row['fidelity']:.3f} |"
            )
        lines += ["", "All are trained once on the same texts; one run each.", ""]
    if "vision" in found:
        lines.append(vision.table(found["vision"]))
    return "\n".join(lines)


def _built_row(row: Mapping[str, Any], each: Mapping[str, Any]) -> str:
    goals = row["goals"]
    clocked = each.get("clocked")
    first = f"{clocked['speedup']:.1f}×" if clocked else cell(each["predicted"])
    asked, long = (
        demo.here(times) if (times := each["latency"].get(kind)) else "–" for kind in ("questions", "answers")
    )
    near = "–" if row["fidelity"] is None else f"{row['fidelity']:.3f}" + _goal(goals, "fidelity")
    return (
        f"| {row['recipe']} | {_bold(row['way'])} | {each['runtime']} | "
        f"{first} | {asked}{_goal(goals, 'speedup')} | {long} | "
        f"{each['bytes'] / 1e6:.2f} MB, {each['smaller']:.1f}× smaller{_goal(goals, 'smaller')} | "
        f"{each['kept_percent']:.1f} %{_goal(goals, 'kept_percent')} | {near} | {row['trained_s'] / 60:.0f} min |"
    )


def _sure(row: Mapping[str, Any]) -> str:
    """How sure the first column of speeds is, and what the second is worth."""
    second = "the second's goals were set on such a machine, and its ratios are its own"
    if "clocked" in row["artifacts"][0]:
        return f"The first speeds are of an emulated core, counted in instructions; {second}."
    sources = dict.fromkeys(each["predicted"]["source"] for each in row["artifacts"] if each["predicted"])
    return (
        f"Nine of ten of the first speeds should lie in their intervals, predicted {' and '.join(sources)}; {second}."
    )


def _bold(way: str) -> str:
    return f"**{way}**" if way == OURS else way


def _goal(goals: Mapping[str, float], name: str) -> str:
    return f" (goal {goals[name]:g})" if name in goals else ""


def _said(plan: Plan, texts: Made, model: Made, tokenizer: Made) -> Any:
    """A float model's outputs for all held-out texts."""
    return outputs(model_of(model), tokenizer_of(plan, tokenizer).encode(score_of(plan, texts).texts))


if __name__ == "__main__":
    main()
