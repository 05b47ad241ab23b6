"""A finished build says what was made, how well, and whether the budget was kept."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edgewright.assembly.result import SHOWN, BuildResult
from edgewright.specs.budget import Budget, Verdict, judge
from edgewright.specs.profiles import load_profile
from tests.report.test_compression import manifest, whole_build


def result(verdict: Verdict | None = None, stages: Any = None, **more: Any) -> BuildResult:
    bundle: Any = SimpleNamespace(path=Path("build/tiny"), manifest=manifest(stages or whole_build()))
    return BuildResult(bundle=bundle, verdict=verdict or Verdict(met=True), **more)


def test_a_summary_names_the_bundle_its_models_and_its_stages() -> None:
    made = result()
    found = made.summary()
    facts = made.bundle.manifest
    assert (found["bundle"], found["name"], found["profile"]) == (str(Path("build/tiny")), facts.name, facts.profile)
    assert found["teacher"]["score"] == facts.teacher.score
    assert [each["name"] for each in found["stages"]] == [each.name for each in facts.stages]
    assert all(each.keys() == {"name", "seconds", "cached"} for each in found["stages"])


def test_an_artifact_is_shown_with_what_is_known_of_its_speed_and_nothing_internal() -> None:
    made = result(profile=load_profile("raspberry-pi-4"))
    for shown, facts in zip(made.summary()["artifacts"], made.bundle.manifest.artifacts, strict=True):
        assert shown.keys() >= SHOWN
        assert "signature" not in shown
        assert (shown["file"], shown["bytes"]) == (facts.file, facts.bytes)
        assert "speedup" in shown


def test_a_missed_budget_is_told_with_what_was_missed() -> None:
    verdict = judge(Budget(artifact_mb=1), artifact_bytes=5_000_000)
    found = result(verdict).summary()["budget"]
    assert found == verdict.summary()
    assert found["met"] is False


def test_an_estimate_is_told_only_where_the_build_began_with_one() -> None:
    assert "estimate" not in result().summary()
    estimate: Any = SimpleNamespace(document=lambda: {"seconds": 12})
    assert result(estimate=estimate).summary()["estimate"] == {"seconds": 12}


def test_a_build_without_a_teachers_stage_has_no_notes_of_one() -> None:
    stages = [each for each in whole_build() if each["name"] != "teacher"]
    assert result(stages=stages).summary()["teacher_notes"] == []


@pytest.mark.parametrize("key", ["int8", "precision", "notes", "best", "baseline", "student", "metric"])
def test_a_summary_has_the_keys_that_are_promised(key: str) -> None:
    assert key in result().summary()
