"""A modality in a file of its own, with a task and a family, goes through build, check, bench, run and report."""

import json
import math
import random
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import numpy as np
import pytest

from edgewright import pipeline, stages
from edgewright.bundles.bundle import Bundle
from edgewright.errors import BadDataError, InputError, InvalidFileError
from edgewright.modality.table import MODALITIES
from edgewright.models.families import FAMILIES
from edgewright.specs.recipe import load_recipe
from edgewright.stages.artifact_stages import artifact_stages
from edgewright.stages.check import CheckFindings
from edgewright.stages.read import ReadFindings
from edgewright.stages.stage import Build
from edgewright.tasks.table import TASKS
from edgewright.tasks.task import Question
from tests.extending.installed import edgewright, install
from tests.extending.sensor_windows import FAMILY, SENSOR, WINDOWS, WindowSpec
from tests.stages.builds import plan

pytestmark = pytest.mark.usefixtures("own_places", "registered")
SPEEDS = {"still": 0, "walk": 1, "run": 3}
RUNTIMES = ("executorch", "litert")


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


def recipe_file(
    folder: Path,
    lines: list[str],
    more: str = "[stages.prune]\nenabled = false",
    *,
    columns: str = '{ label = "label" }',
    factory: str = "tests.extending.sensor_windows:activities",
) -> Path:
    (folder / "windows.jsonl").write_text("\n".join(lines), encoding="utf-8")
    file = folder / "recipe.toml"
    file.write_text(
        f"""
[recipe]
name = "windows"
[model]
factory = "{factory}"
[task]
kind = "window-classification"
labels = {json.dumps(list(SPEEDS))}
[data]
file = "windows.jsonl"
columns = {columns}
split = {{ test = 0.2 }}
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


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("[]", "line 4: not a JSON object"),
        ("{", "line 4: is not JSON"),
        ('{"window": 3, "label": "run"}', "line 4: window is no window; a window is written"),
        ('{"window": [["a"]], "label": "run"}', "line 4: window is no window"),
        ('{"window": [[1], [1, 2]], "label": "run"}', "line 4: window is no window"),
        ('{"window": [[1e99], [1]], "label": "run"}', "line 4: window is no window"),
        ('{"window": [[NaN]], "label": "run"}', "line 4: has NaN, which is no number"),
        (
            '{"window": [[1, 2]], "label": "run"}',
            "line 4: 1 sensors of 2 readings, where the first has 2 sensors of 32",
        ),
        (json.dumps({"window": [[0] * 32] * 2}), "line 4: label is None; give one of still, walk, run"),
        (json.dumps({"window": [[0] * 32] * 2, "label": "jump"}), "line 4: label is 'jump'; give one of still"),
    ],
)
def test_a_line_that_is_no_window_is_told_with_its_number(tmp_path: Path, line: str, told: str) -> None:
    with pytest.raises(BadDataError, match=re.escape(told)):
        student(tmp_path, *windows(3), line)


def test_a_file_without_windows_and_one_that_is_not_there_are_told(tmp_path: Path) -> None:
    with pytest.raises(BadDataError, match="the train split is empty; add rows"):
        student(tmp_path)
    recipe = recipe_file(tmp_path, windows(3))
    (tmp_path / "windows.jsonl").unlink()
    with pytest.raises(BadDataError, match="cannot be read: No such file or directory; check the path"):
        stages.run_stages(Build(plan=plan(load_recipe(recipe))), pipeline.student_stages(plan(load_recipe(recipe))))


def test_columns_of_other_names_are_told_by_the_recipe(tmp_path: Path) -> None:
    renamed = [line.replace('"window"', '"readings"').replace('"label"', '"activity"') for line in windows(60)]
    with pytest.raises(BadDataError, match="has no column 'window'"):
        student(tmp_path, *renamed)
    recipe = recipe_file(tmp_path, renamed, columns='{ window = "readings", label = "activity" }')
    made = plan(load_recipe(recipe))
    read = stages.run_stages(Build(plan=made), pipeline.student_stages(made)[:1])
    assert sum(read.findings("examples", ReadFindings).examples.values()) == 60
    with pytest.raises(InvalidFileError, match="windows: is not a known key; did you mean window"):
        load_recipe(recipe_file(tmp_path, renamed, columns='{ windows = "readings" }'))


def test_windows_of_more_sensors_than_the_net_takes_are_refused(tmp_path: Path) -> None:
    lines = [json.dumps({**json.loads(line), "window": [json.loads(line)["window"][0]] * 3}) for line in windows(60)]
    with pytest.raises(InputError, match=r"the net of model\.factory has 2 channels, not 3; make it for the windows"):
        student(tmp_path, *lines)


def test_what_its_family_never_promised_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a net of windows has no units to prune"):
        student(tmp_path, *windows(60), more="[stages.prune]\nkeep_macs = 0.5")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plug-in as a package has it, with an entry point for each of its three descriptors."""
    folder = tmp_path_factory.mktemp("installed")
    for group, entry in (
        ("modalities", {"sensor": "sensor_windows:SENSOR"}),
        ("tasks", {"window-classification": "sensor_windows:WINDOWS"}),
        ("families", {"window net": "sensor_windows:FAMILY"}),
    ):
        install(folder, f"edgewright.{group}", entry, package=f"sensor-{group}")
    return folder


@pytest.fixture(scope="module")
def built(installed: Path, tmp_path_factory: pytest.TempPathFactory, own_places: None) -> tuple[Path, Any]:
    """The bundle that the command made, and what it printed."""
    folder = tmp_path_factory.mktemp("built")
    more = f"[stages.prune]\nenabled = false\n[stages.export]\nruntimes = {json.dumps(RUNTIMES)}"
    recipe = recipe_file(folder, windows(), more, factory="sensor_windows:activities")
    line = ("build", str(recipe), "--profile", "raspberry-pi-4", "-o", str(folder / "bundle"), "--json")
    ended = edgewright(*line, folders=(installed,))
    assert ended.returncode == 0, ended.stderr
    return folder / "bundle", json.loads(ended.stdout)


@pytest.mark.slow
def test_installed_it_is_built_by_the_command_and_every_artifact_is_checked(built: tuple[Path, Any]) -> None:
    folder, said = built
    assert [each["name"] for each in said["stages"]][:2] == ["windows", "teacher"]
    assert (said["metric"], said["baseline"]["name"]) == ("accuracy", "the commonest label")
    assert {each["runtime"] for each in said["artifacts"]} == set(RUNTIMES)
    assert all(each["parity"]["passed"] for each in said["artifacts"])
    assert min(each["score"] for each in said["artifacts"]) > 0.85
    assert said["student"]["score"] > 0.85 > said["baseline"]["score"]
    task = Bundle.open(folder).manifest.task
    assert isinstance(task.input_spec, WindowSpec)
    assert task.inputs == {"channels": 2, "time": 32, "mean": task.input_spec.mean, "deviation": ANY}


@pytest.mark.slow
def test_what_it_keeps_of_its_examples_comes_back_as_it_was(built: tuple[Path, Any]) -> None:
    bundle = Bundle.open(built[0])
    vectors = bundle.vectors()
    inputs = np.concatenate([call.inputs["window"] for call in vectors.calls])
    assert (inputs.dtype, inputs.shape) == (np.float32, (stages.sides.VECTORS, 2, 32))
    lines = np.array([json.loads(line)["window"] for line in windows()], dtype=np.float32)
    for example in inputs:  # scaled and back
        assert np.abs(lines - example).max(axis=(1, 2)).min() < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_it_is_measured_here_and_answers_what_the_float_student_answers(
    built: tuple[Path, Any], installed: Path, tmp_path: Path, runtime: str
) -> None:
    given = ("--runtime", runtime, "--json")
    ended = edgewright("bench", str(built[0]), "--target", "local:", "--quick", *given, folders=(installed,))
    assert ended.returncode == 0, ended.stderr
    measured = json.loads(ended.stdout)
    assert (measured["artifact"]["runtime"], measured["parity"]["passed"]) == (runtime, True)
    first = Bundle.open(built[0]).vectors().calls[0]
    (tmp_path / "window.json").write_text(json.dumps({"window": first.inputs["window"][0].tolist()}), encoding="utf-8")
    ended = edgewright("run", str(built[0]), "--input", str(tmp_path / "window.json"), *given, folders=(installed,))
    assert ended.returncode == 0, ended.stderr
    answer = json.loads(ended.stdout)
    student = WINDOWS.answer(first.outputs["output"][0].tolist(), Question(text="", top=5, labels=tuple(SPEEDS)))
    assert [each["label"] for each in answer["labels"]] == [each["label"] for each in student["labels"]]
    for said, expected in zip(answer["labels"], student["labels"], strict=True):
        assert said["score"] == pytest.approx(expected["score"], abs=0.03)


@pytest.mark.slow
def test_its_report_is_a_page_a_text_and_a_document(built: tuple[Path, Any], installed: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    for more in (("-o", str(page)), ("--format", "md", "-o", "-"), ("--json",)):
        ended = edgewright("report", str(built[0]), *more, folders=(installed,))
        assert ended.returncode == 0, ended.stderr
        said = page.read_text(encoding="utf-8") if more[1:] == (str(page),) else ended.stdout
        assert "the commonest label" in said
        if more == ("--json",):
            assert json.loads(said)["manifest"]["name"] == "windows"
        elif more[1] == "md":
            assert "texts" not in said
            assert "tokens" not in said


@pytest.mark.slow
def test_a_question_that_is_no_window_is_refused_in_one_sentence(built: tuple[Path, Any], tmp_path: Path) -> None:
    question, three = tmp_path / "window.json", json.dumps({"window": [[0.0] * 32] * 3})
    with Bundle.open(built[0]) as bundle:
        for content, told in (
            ("", "is empty; a window is written [[…], …]"),
            ("{", "line 1, column 2 is not JSON"),
            ("[]", 'has no "window"; a window is written'),
            ('{"window": [[NaN]]}', "has NaN, which is no number; only finite ones are read"),
            ('{"window": [["1"]]}', 'has no "window"; a window is written'),
            (three, "is 3 sensors of 32 readings, but the model takes 2 sensors of 32"),
        ):
            question.write_text(content, encoding="utf-8")
            with pytest.raises(InputError, match=re.escape(told)):
                bundle.answer(str(question))
        with pytest.raises(InputError, match=r"none\.json cannot be read \(No such file or directory\); give the path"):
            bundle.answer(str(tmp_path / "none.json"))


@pytest.mark.slow
def test_a_bundle_of_it_says_where_it_is_not_installed_what_is_missing(built: tuple[Path, Any]) -> None:
    ended = edgewright("run", str(built[0]), "--input", "window.json", folders=())
    assert ended.returncode == 2
    assert '"window-classification" is not one of' in ended.stderr
