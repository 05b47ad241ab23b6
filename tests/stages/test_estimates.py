"""What a build says beforehand: which stages it will make, and about how long that takes."""

import csv
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from edgewright import pipeline, stages
from edgewright.base.progress import EnteredStages, Silent
from edgewright.specs.profiles import load_profile
from edgewright.specs.recipe import Recipe, load_recipe
from edgewright.stages import Build, Estimate, Plan, training_pace
from tests import tiny

PROFILE = load_profile("raspberry-pi-4")
RUNTIMES = ("executorch",)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEWRIGHT_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    path = tmp_path / "labelled.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("text", "label"))
        rows.writerows((text, label) for label in tiny.LABELS for text in tiny.sentences(30, label=label))
    return path


def recipe(data: Path, **distill: Any) -> Recipe:
    return Recipe.model_validate(
        {
            "recipe": {"name": "tiny"},
            "model": {"folder": tiny.bert_folder()},
            "task": {"kind": "classification", "max_length": tiny.MAX_LENGTH},
            "data": {"file": data, "columns": {"label": "label"}},
            "stages": {
                "prune": {"layers": 2, "heads": 3, "neurons": 30},
                "finetune": {"epochs": 2},
                "distill": {"epochs": 2, "batch_tokens": 64, **distill},
                "export": {"runtimes": list(RUNTIMES), "lengths": [16]},
            },
        }
    )


def plan(given: Recipe) -> Plan:
    return Plan(recipe=given, profile=PROFILE, progress=Silent())


def students(given: Plan) -> object:
    """The stages up to the student, whose making takes seconds."""
    return stages.run_stages(Build(plan=given), pipeline.student_stages(given))


def estimate(given: Plan) -> Estimate:
    return stages.estimate(given, students, names_of(given, RUNTIMES))


def names_of(given: Plan, runtimes: Sequence[str]) -> list[str]:
    return list(stages.stage_names(given, pipeline.student_stages(given), runtimes))


def seconds(found: Estimate) -> dict[str, tuple[float | None, str]]:
    return {each.name: (each.seconds, each.basis) for each in found.expected}


def test_only_the_examples_are_read_and_every_stage_to_come_is_named(labelled: Path, tmp_path: Path) -> None:
    found = estimate(plan(recipe(labelled)))
    assert found.cached == ("texts",)
    assert [path.parts[-3] for path in tmp_path.glob("cache/stages/*/*/stage.json")] == ["texts"]
    names = [each.name for each in found.expected]
    assert names[:3] == ["teacher", "vocabulary", "importance"]
    assert {name for name, (_, basis) in seconds(found).items() if basis == "timed"} == {"teacher", "teach", "distill"}
    assert all(each.seconds is not None for each in found.expected)
    said = found.sentence()
    assert said.startswith("Estimate: about ")
    assert f"for {len(names)} stages (teacher, vocabulary, " in said
    assert "4 steps timed now" in said
    assert found.document()["minutes"] == round(found.seconds / 60, 1)


def test_what_is_in_the_cache_is_not_counted_and_what_was_made_before_tells_its_time(labelled: Path) -> None:
    students(plan(recipe(labelled)))
    again = estimate(plan(recipe(labelled)))
    assert again.expected == ()
    assert "all 8 stages are in the cache" in again.sentence()
    changed = estimate(plan(recipe(labelled, learning_rate=1e-3)))
    assert changed.cached[-1] == "low rank"
    found = seconds(changed)
    assert next(iter(found)) == "distill"
    assert "teacher" not in found
    # A new teacher is needed: what was made for the old one tells how long its stages take here.
    anew = recipe(labelled).model_copy(update={"task": recipe(labelled).task.model_copy(update={"max_length": 12})})
    assert seconds(estimate(plan(anew)))["prune"][1] == "recorded"
    assert seconds(estimate(plan(anew)))["int8 executorch"][1] == "usual"


def test_trainings_are_reckoned_by_their_work(labelled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_pace, "units_a_second", lambda *_: 1000.0)  # tokens a second
    few, many = (seconds(estimate(plan(recipe(labelled, epochs=None, train_tokens=n)))) for n in (5000, 50_000))
    assert few["distill"] == (5.0, "timed")
    assert many["distill"] == (50.0, "timed")
    assert few["teacher"] == many["teacher"]
    assert (few["teacher"][0] or 0) > 0


def test_the_probe_leaves_random_numbers_as_they_were(labelled: Path) -> None:
    torch.manual_seed(3)
    wanted = torch.rand(3)
    torch.manual_seed(3)
    estimate(plan(recipe(labelled)))
    assert torch.equal(torch.rand(3), wanted)


@pytest.mark.parametrize("name", ["demo", "parameters", "digits", "search-balanced"])
def test_the_built_in_recipes_stages_are_known_beforehand(name: str) -> None:
    names = names_of(plan(load_recipe(name)), ("executorch", "litert"))
    assert names[0] == ("images" if name == "digits" else "texts")
    assert names[-1] == "time"
    assert names.count("finish") == (name in ("parameters", "search-balanced"))
    assert names.count("index") == (name in ("demo", "search-balanced"))


@pytest.mark.slow
def test_a_build_tells_its_estimate_first_and_makes_the_stages_it_named(
    labelled: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    heard = EnteredStages()
    with caplog.at_level(logging.INFO, logger="edgewright"):
        result = pipeline.build(recipe(labelled), PROFILE, tmp_path / "bundle", estimated=True, progress=heard)
    assert "Estimate: about" in caplog.text
    assert result.estimate is not None
    named = ["texts", *(each.name for each in result.estimate.expected)]
    assert named == names_of(plan(recipe(labelled)), RUNTIMES)
    assert sorted(named) == sorted(dict.fromkeys(name for name in heard.names if name != "bundle"))
    assert result.summary()["estimate"] == result.estimate.document()
    again = pipeline.build(recipe(labelled), PROFILE, tmp_path / "bundle", estimated=True)
    assert again.estimate is not None
    assert again.estimate.expected == ()
