"""How much faster the students of the built-in recipes are on the core they are for, by its instruction clock.

    python -m tests.benchmarks.speedups [--json] [--quick]

Prints the README's table. Latency does not depend on what weights say, so nothing is trained: each student has the
sizes that its recipe asks for and random weights, and stands beside the recipe's whole teacher in float, under the same
runtime, on an emulated Raspberry Pi 4 whose clock counts instructions; beside that what the profile's facts predict. Of
`search-balanced` the layers are equal ones of the price that the search keeps to. All parts are int8. `--quick` is one
recipe under one runtime.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from edgewright.cost.nominal_prices import Roofline
from edgewright.cost.pricing import predict
from edgewright.cost.terms import Precision
from edgewright.measure.deployment import Deployer
from edgewright.measure.measuring import measure
from edgewright.measure.protocol import Protocol
from edgewright.runtimes.quantization import Int8
from edgewright.runtimes.subject import Subject
from edgewright.runtimes.table import RUNTIMES
from edgewright.specs.profiles import Profile, load_profile
from edgewright.specs.recipe import LowRank, Prune, Recipe, Vocabulary, load_recipe
from edgewright.stages.planned_student import Planned, planned
from edgewright.targets import open_target
from tests.benchmarks.machine import shown
from tests.benchmarks.options import parsed
from tests.calls import text_calls

PROFILE = "raspberry-pi-4"
RECIPES = ("demo", "search-balanced", "search-aggressive", "packages", "parameters")
LENGTHS = (16, 64)  # tokens: a question, and a docstring that is cut
FIRST_PIECE = 5  # ids of texts, from which on no token is a special one of any vocabulary here
ON_CORE = replace(Protocol.instructions(), samples=6, warmup_runs=1, max_seconds=120.0)


@dataclass(frozen=True, kw_only=True)
class Model:
    """A model with random weights, in float or in int8."""

    plan: Planned
    precision: Precision

    def write(self, runtime: str, folder: Path) -> Path:
        """Its artifact."""
        made_for, subject = RUNTIMES[runtime], Subject(model=self.plan.model, spec=self.plan.spec)
        twin = folder / f"float{made_for.suffix}"
        made_for.write_float(subject.for_runtime(made_for), twin)
        if self.precision == "float":
            return twin
        made_for.write_int8(subject.for_runtime(made_for), twin, folder / f"int8{made_for.suffix}", Int8())
        return folder / f"int8{made_for.suffix}"

    def predicted_ms(self, runtime: str, length: int, profile: Profile) -> float:
        """By the profile's facts alone."""
        structure = self.plan.structure(padded=RUNTIMES[runtime].fixed_shapes)
        return predict(Roofline(profile=profile, precision=self.precision), structure, length=length).latency_ms


def main() -> None:
    options = parsed(__doc__)
    recipes, runtimes = (RECIPES[-2:-1], ("executorch",)) if options.quick else (RECIPES, ("executorch", "litert"))
    shown(options, figures(recipes, runtimes), table)


def figures(recipes: Sequence[str], runtimes: Sequence[str]) -> dict[str, Any]:
    """Each recipe's student and its teacher on the emulated core, and by prediction."""
    profile = load_profile(PROFILE)
    rows = []
    target = open_target(f"emulated://{PROFILE}", instruction_clock=True)
    try:
        deployer, known = Deployer(target), dict[tuple[str, str], dict[int, float]]()
        for name in recipes:
            student, teacher = models_of(load_recipe(name), profile)
            for runtime in runtimes:
                whole = str((teacher.plan.shape, teacher.plan.spec, teacher.plan.model.head.shape))
                of_teacher = known.setdefault((whole, runtime), {})  # recipes of one kind have the same
                if not of_teacher:
                    of_teacher.update(measured_ms(deployer, teacher, runtime))
                rows += list(
                    _rows(name, runtime, student, teacher, measured_ms(deployer, student, runtime), of_teacher)
                )
    finally:
        target.close()
    return {"profile": profile.name, "core": profile.processor.core.value, "rows": rows}


def models_of(recipe: Recipe, profile: Profile) -> tuple[Model, Model]:
    """The student that a recipe asks for, and its whole teacher."""
    uncut = {"prune": Prune(enabled=False), "low_rank": LowRank(), "vocabulary": Vocabulary(enabled=False)}
    whole = recipe.model_copy(update={"stages": recipe.stages.model_copy(update=uncut)})
    return (
        Model(plan=planned(recipe, profile), precision="int8"),
        Model(plan=planned(whole, profile), precision="float"),
    )


def measured_ms(deployer: Deployer, model: Model, runtime: str) -> dict[int, float]:
    """The median for each length, in ms of the core's instruction clock."""
    lengths = model.plan.spec.lengths if RUNTIMES[runtime].fixed_shapes else ()
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        file = model.write(runtime, Path(folder))
        place = deployer.deploy(file, runtime=runtime)
        for length in LENGTHS:
            given = [[FIRST_PIECE + place_of % 1000 for place_of in range(length)]]
            there = (deployer.target, place.artifact, place.runtime)
            calls = text_calls(given, runtime=runtime, lengths=lengths)
            timed = measure(*there, calls, protocol=ON_CORE, clock="instructions")
            found[length] = median(timed.latency_ms)
    return found


def _rows(
    name: str,
    runtime: str,
    student: Model,
    teacher: Model,
    small_ms: Mapping[int, float],
    whole_ms: Mapping[int, float],
) -> Iterator[dict[str, Any]]:
    profile = load_profile(PROFILE)
    for length in LENGTHS:
        small, whole = (each.predicted_ms(runtime, length, profile) for each in (student, teacher))
        yield {
            "recipe": name,
            "runtime": runtime,
            "length": length,
            "teacher_instruction_ms": whole_ms[length],
            "student_instruction_ms": small_ms[length],
            "speedup": whole_ms[length] / small_ms[length],
            "predicted_speedup": whole / small,
        }


def table(found: Mapping[str, Any]) -> str:
    """The figures as Markdown."""
    lines = [
        f"| recipe | runtime | tokens | teacher, float, ms | student, int8, ms | speed on {found['core']} | "
        "by facts alone |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in found["rows"]:
        lines.append(
            f"| {row['recipe']} | {row['runtime']} | {row['length']} | {row['teacher_instruction_ms']:.1f} | "
            f"{row['student_instruction_ms']:.1f} | **{row['speedup']:.1f}×** | {row['predicted_speedup']:.1f}× |"
        )
    note = (
        f"Emulated {found['profile']}, one thread, batch 1; ms of 2 ns instructions: ratios compare, but no board "
        "takes so many milliseconds. Sizes as the recipes ask for them, weights at random, all parts int8."
    )
    return "\n".join((*lines, "", note))


if __name__ == "__main__":
    main()
