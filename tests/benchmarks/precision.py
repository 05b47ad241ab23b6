"""What int8 costs in score, and what quantisation-aware training wins back: search, classes, tags, digits two ways.

    python -m tests.benchmarks.precision [--json] [--quick] [--search] [--classes] [--tags] [--digits]

Each student is made once and exported in several ways under every runtime: with dynamic and with
static activations, and with static ones after quantisation-aware training, where parts stay float that would cost
more than 0.2 points of the validation score or put the outputs off by more than 5 %. Beside them stands what LiteRT's
own quantiser does where everything is given fixed scales, norms and softmax too. The students of texts are trained
shortly, as what is asked is the difference that int8 makes. Without a switch all
is made, about an hour on two cores where nothing is cached; `--quick` trains for seconds.
"""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgewright import pipeline
from edgewright.base.progress import Silent
from edgewright.base.quiet import quiet
from edgewright.runtimes.litert.int8 import by_entry
from edgewright.runtimes.table import RUNTIMES
from edgewright.specs.profiles import load_profile
from edgewright.specs.recipe import Recipe, load_recipe
from edgewright.stages import Plan, Side
from edgewright.stages.exported import exported
from edgewright.stages.sensitivity import SensitivityFindings
from edgewright.stages.sides import student_of
from tests.benchmarks.machine import shown
from tests.benchmarks.options import parsed
from tests.calls import answered

PROFILE = load_profile("raspberry-pi-4")
LEAST_LOSS_GOAL, TRANSFORMER_GOAL = 0.5, 1.0  # points
BLIND = "everything static (ai_edge_quantizer as it comes)"
WAYS: Mapping[str, Mapping[str, Any]] = {
    "dynamic": {"scheme": "dynamic-int8"},
    "static": {"scheme": "static-int8"},
    "static, after QAT": {
        "scheme": "static-int8",
        "max_score_loss_points": 0.2,
        "max_error_percent": 5,
        "qat": {"epochs": 1, "learning_rate": 2e-4},
    },
}
TOKENS = 600_000
QUICK_TOKENS = 20_000
RUNTIME_NAMES = ("executorch", "litert", "onnx")
VIT = {
    "recipe": {"name": "digits-vit"},
    "model": {"factory": "edgewright.models.factories:digit_vit"},
    "task": {"kind": "image-classification"},
    "data": {"builtin": "digits"},
    "stages": {
        "finetune": {"refit": True, "epochs": 8, "learning_rate": 2e-3, "augment": 11},
        "prune": {"keep_macs": 0.5},
        "distill": {"epochs": 4, "learning_rate": 2e-3, "augment": 11, "output_weight": 1, "hidden_weight": 1},
    },
}


def main() -> None:
    parts = {"search": "search", "classes": "text classification", "tags": "token classification", "digits": "digits"}
    options = parsed(__doc__, **parts)
    chosen = [name for name in parts if getattr(options, name)] or list(parts)
    rows = [
        row
        for name, given, goal in tasks(quick=options.quick)
        if any(name.startswith(part) for part in chosen)
        for row in lost(name, given, goal)
    ]
    shown(options, rows, table)


def tasks(*, quick: bool) -> list[tuple[str, dict[str, Any], float]]:
    """(name, recipe, how many points may be lost)."""
    short = {"tokens": QUICK_TOKENS if quick else TOKENS, "epochs": 1, "train_tokens": None, "final_phase": None}
    search, classes, tags = (
        load_recipe(name).model_dump(exclude_unset=True) for name in ("demo", "packages", "parameters")
    )
    for each in (search, tags):
        each["stages"]["distill"].update(short)
    classes["stages"]["distill"].update({**short, "epochs": 4})
    digits, vit = load_recipe("digits").model_dump(exclude_unset=True), json.loads(json.dumps(VIT))
    if quick:
        for each in (classes, tags, digits, vit):
            each["stages"].setdefault("finetune", {}).update({"epochs": 1, "patience": None})
        for each in (digits, vit):
            each["stages"]["finetune"]["augment"] = 0
            each["stages"]["distill"].update({"epochs": 1, "augment": 0})
    return [
        ("search", search, LEAST_LOSS_GOAL),
        ("classes", classes, LEAST_LOSS_GOAL),
        ("tags", tags, LEAST_LOSS_GOAL),
        ("digits, ResNet", digits, LEAST_LOSS_GOAL),
        ("digits, ViT", vit, TRANSFORMER_GOAL),
    ]


def lost(task: str, given: Mapping[str, Any], goal: float) -> list[dict[str, Any]]:
    """Each way's scores, and the points they are below the float student that was exported."""
    rows = []
    for way, quantize in WAYS.items():
        stages = {**given["stages"], "quantize": quantize, "export": {**given["stages"].get("export", {})}}
        stages["export"]["runtimes"] = RUNTIME_NAMES
        plan = Plan(recipe=Recipe.model_validate({**given, "stages": stages}), profile=PROFILE, progress=Silent())
        made = pipeline.run_stages(plan)
        whole = student_of(made).findings.score
        kept = made.findings("sensitivity", SensitivityFindings).kept_float
        for each in exported(made):
            found = each.check.findings.score
            rows.append(_row(task, way, each.runtime, whole, found, goal, kept))
        if way == "static":
            (litert,) = (each for each in exported(made) if each.runtime == "litert")
            blind = blindly(student_of(made), litert.file(litert.float_reference))
            rows.append(_row(task, BLIND, "litert", whole, blind, None, []))
    return rows


def blindly(side: Side, twin: Path) -> float:
    """The score of a float LiteRT file once its quantiser has given everything fixed scales."""
    from ai_edge_quantizer import quantizer, recipe

    spec, litert = side.input_spec(), RUNTIMES["litert"]
    examples = side.subject().calibration(side.examples_of(side.sample(256)), litert)
    seen = by_entry(side.subject().for_runtime(litert).signature, examples)
    held_out = side.held_out()
    with tempfile.TemporaryDirectory() as folder, quiet():
        file = Path(folder, "blind.tflite")
        worker = quantizer.Quantizer(str(twin))
        worker.load_quantization_recipe(recipe.static_wi8_ai8())
        worker.quantize(worker.calibrate(seen, num_threads=1)).export_model(str(file))
        said = answered("litert", file, spec, side.examples_of(held_out))
    score = side.score()
    return score.of(side.as_scored(said, held_out, score))


def _row(
    task: str, way: str, runtime: str, whole: float, found: float, goal: float | None, kept: list[str]
) -> dict[str, Any]:
    return {
        "task": task,
        "way": way,
        "runtime": runtime,
        "float": whole,
        "int8": found,
        "points_lost": 100 * (whole - found),
        "goal": goal,
        "kept_float": kept,
    }


def table(rows: list[dict[str, Any]]) -> str:
    """The figures as Markdown."""
    lines = ["| task | int8 | runtime | float | int8 | points lost |", "|---|---|---|---|---|---|"]
    for row in rows:
        goal = "" if row["goal"] is None else f" (goal {row['goal']:g})"
        way = f"{row['way']}, {len(row['kept_float'])} parts float" if row["kept_float"] else row["way"]
        lines.append(
            f"| {row['task']} | {way} | {row['runtime']} | {row['float']:.3f} | {row['int8']:.3f} | "
            f"{row['points_lost']:.2f}{goal} |"
        )
    return "\n".join([*lines, "", "Points are hundredths of the score; below 0 int8 is the better one."])


if __name__ == "__main__":
    main()
