"""A modality in a file of its own, with a task and a family, goes from a file of windows to a trained student."""

import json
import math
import random
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from edgewright import pipeline, stages
from edgewright.errors import BadDataError, InputError
from edgewright.modality.table import MODALITIES
from edgewright.models.families import FAMILIES
from edgewright.specs.recipe import load_recipe
from edgewright.stages.artifact_stages import artifact_stages
from edgewright.stages.check import CheckFindings
from edgewright.stages.stage import Build
from edgewright.tasks.table import TASKS
from tests.extending.sensor_windows import FAMILY, SENSOR, WINDOWS
from tests.stages.builds import plan

pytestmark = pytest.mark.usefixtures("own_places", "registered")
SPEEDS = {"still": 0, "walk": 1, "run": 3}


@pytest.fixture
def registered() -> Iterator[None]:
    with ExitStack() as entered:
        for table, name, value in (
            (MODALITIES, "sensor", SENSOR),
            (TASKS, "window-classification", WINDOWS),
            (FAMILIES, "window net", FAMILY),
        ):
            entered.enter_context(table.registered(name, value))
        yield


def windows(count: int = 300) -> list[str]:
    """Lines of two sensors each, whose readings swing by the label's speed."""
    draw = random.Random(0)
    lines = []
    for number in range(count):
        label = list(SPEEDS)[number % 3]
        speed, phase = SPEEDS[label], draw.random() * 6
        window = [
            [(speed > 0) * math.sin(phase + speed * time / 5) + 0.1 * draw.gauss(0, 1) for time in range(32)]
            for _ in range(2)
        ]
        lines.append(json.dumps({"window": window, "label": label}))
    return lines


def recipe_file(folder: Path, lines: list[str], more: str = "[stages.prune]\nenabled = false") -> Path:
    (folder / "windows.jsonl").write_text("\n".join(lines), encoding="utf-8")
    file = folder / "recipe.toml"
    file.write_text(
        f"""
[recipe]
name = "windows"
[model]
factory = "tests.extending.sensor_windows:activities"
[task]
kind = "window-classification"
labels = {json.dumps(list(SPEEDS))}
[data]
file = "windows.jsonl"
[stages.finetune]
epochs = 12
learning_rate = 5e-3
{more}
[stages.distill]
epochs = 2
""",
        encoding="utf-8",
    )
    return file


def student(folder: Path, *lines: str, more: str = "[stages.prune]\nenabled = false") -> stages.Side:
    made = plan(load_recipe(recipe_file(folder, list(lines), more)))
    return stages.student_of(stages.run_stages(Build(plan=made), pipeline.student_stages(made)))


def test_a_student_is_trained_on_what_the_file_holds(tmp_path: Path) -> None:
    made = student(tmp_path, *windows())
    assert made.findings.score > 0.85
    assert [result.name for result in made.build.made][:2] == ["windows", "teacher"]
    assert len(made.outputs(made.asked())) == stages.sides.VECTORS
    again = student(tmp_path, *windows())
    assert all(result.entry.cached for result in again.build.made)


def test_each_runtimes_artifact_gives_what_the_student_gives(tmp_path: Path) -> None:
    runtimes = ("executorch", "litert", "onnx")
    off = "[stages.prune]\nenabled = false\n"
    made = student(tmp_path, *windows(), more=f"{off}[stages.export]\nruntimes = {json.dumps(runtimes)}")
    build = stages.run_stages(made.build, artifact_stages(made.build))
    for runtime in runtimes:
        found = build.findings(f"check {runtime}", CheckFindings)
        assert found.parity.passed
        assert found.score > 0.85


def test_what_a_build_has_before_it_is_told(tmp_path: Path) -> None:
    made = plan(load_recipe(recipe_file(tmp_path, windows(60))))
    first = pipeline.student_stages(made)
    names = stages.stage_names(made, first, ("executorch",))
    found = stages.estimate(made, lambda walked: stages.run_stages(Build(plan=walked), first), names)
    assert found.cached == ("windows",)
    assert {each.name for each in found.expected if each.basis == "timed"} == {"teacher", "teach", "distill"}
    assert "windows a second" in found.sentence()


@pytest.mark.parametrize("line", ["[]", '{"window": 3, "label": "run"}', '{"window": [[1]]}', '{"window": [["a"]]}'])
def test_a_line_that_is_no_window_is_told_with_its_number(tmp_path: Path, line: str) -> None:
    with pytest.raises(BadDataError, match="line 4 is no window with a label; write"):
        student(tmp_path, *windows(3), line)


def test_what_its_family_never_promised_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a net of windows has no units to prune"):
        student(tmp_path, *windows(60), more="[stages.prune]\nkeep_macs = 0.5")
