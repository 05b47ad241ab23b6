"""The verb `build`: its verdict is its exit code, and a result is never written over what is no bundle."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgewright.cli.main import main
from edgewright.specs.budget import Budget, Verdict, as_good, judge
from tests.cli.verb_work import (
    BUILD,
    BUILDING,
    Result,
    build_document,
    stand_in,
)


def test_a_build_within_its_budget_ends_with_0(
    builds: Callable[[Any], None], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    builds(Verdict(met=True))
    assert main([*BUILD, str(tmp_path / "out")]) == 0
    said = capfd.readouterr()
    assert said.out.splitlines()[-1] == "Budget met."
    assert "TF-IDF" in said.out
    assert "4.2×" in said.out
    assert "where it was built (a CPU) 9.5×." in " ".join(said.out.split())
    assert "prune …" in said.err


def test_a_baseline_that_is_as_good_as_the_student_is_the_last_word_and_no_failure(
    builds: Callable[[Any], None], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    found = as_good("TF-IDF", 0.87, 0.84, metric="accuracy")
    builds(Verdict(met=True, undecided=("latency_ms",), baseline=found))
    assert main([*BUILD, str(tmp_path / "out")]) == 0
    last = " ".join(capfd.readouterr().out.split("Not measured here: latency_ms.")[1].split())
    assert last == (
        "Budget met, but TF-IDF (0.870) is at least as good as the student (0.840): you need no network for this task."
    )
    builds(replace(judge(Budget(artifact_mb=5), artifact_bytes=5_400_000), baseline=found))
    assert main([*BUILD, str(tmp_path / "missed"), "--json"]) == 1
    told = json.loads(capfd.readouterr().out)["budget"]
    assert (told["met"], told["baseline_at_least_as_good"]["score"]) == (False, 0.87)


def test_a_missed_budget_ends_with_1_and_says_which_stage_fell_short(
    builds: Callable[[Any], None], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    builds(judge(Budget(artifact_mb=5), artifact_bytes=5_400_000))
    assert main([*BUILD, str(tmp_path / "out")]) == 1
    assert "Budget missed: artifact_mb is 5.4 MB, 8 % over" in capfd.readouterr().out


def test_what_the_stages_want_known_stands_before_the_budget(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    summary = {**build_document(), "notes": ["3 texts stand in the data with different answers"], "budget": {}}
    result = Result(Verdict(met=True), summary)
    stand_in(monkeypatch, BUILDING, lambda *_, **__: result)
    assert main([*BUILD, str(tmp_path / "out")]) == 0
    said = " ".join(capfd.readouterr().out.split())
    assert "Note: 3 texts stand in the data with different answers Budget met." in said


def test_an_interrupted_build_says_what_is_kept(
    builds: Callable[[Any], None], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    builds(KeyboardInterrupt())
    assert main([*BUILD, str(tmp_path / "out")]) == 130
    assert "every finished stage is kept" in capfd.readouterr().err


def test_a_build_goes_over_an_earlier_bundle_but_over_nothing_else(
    builds: Callable[[Any], None], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    builds(Verdict(met=True))
    (tmp_path / "diary.txt").write_text("dear diary")
    assert main([*BUILD, str(tmp_path)]) == 2
    assert "holds files that are no bundle" in capfd.readouterr().err
    assert main([*BUILD, str(tmp_path / "diary.txt"), "--force"]) == 2
    assert main([*BUILD, str(tmp_path), "--force"]) == 0
    (tmp_path / "manifest.json").write_text("{}")
    assert main([*BUILD, str(tmp_path)]) == 2
    assert "holds files that are no bundle" in capfd.readouterr().err


def test_names_are_checked_before_anything_heavy_is_loaded(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["build", "demo", "--profile", "raspberry-pie-4", "-o", str(tmp_path / "out")]) == 2
    assert "did you mean raspberry-pi-4" in capfd.readouterr().err
