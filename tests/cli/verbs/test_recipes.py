"""The verbs `recipes list`, `recipes show` and `recipes settings`."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edgewright.cli.main import main
from edgewright.specs.recipe import load_recipe, recipe_names
from tests.cli.stand_ins import document
from tests.specs.recipe.faults import MINIMAL


def test_every_built_in_recipe_is_listed_with_what_it_is_for(capfd: pytest.CaptureFixture[str]) -> None:
    rows = document(capfd, "recipes", "list")["recipes"]
    assert {each["name"] for each in rows} == set(recipe_names())
    assert all(each["description"] for each in rows)
    assert main(["recipes", "list"]) == 0
    assert "search-balanced" in capfd.readouterr().out


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_that_is_shown_can_be_saved_and_means_the_same(
    name: str, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["recipes", "show", name]) == 0
    copy = tmp_path / "mine.toml"
    copy.write_text(capfd.readouterr().out, encoding="utf-8")
    assert load_recipe(copy) == load_recipe(name)


def test_with_json_every_default_is_filled_in(capfd: pytest.CaptureFixture[str]) -> None:
    stages = document(capfd, "recipes", "show", "demo")["stages"]
    assert stages["quantize"]["max_error_percent"] == 10
    assert stages["prune"]["reconstruct"] is True


def test_a_files_line_ends_are_those_of_this_machine(
    toml_file: Callable[[str], Path], capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["recipes", "show", "demo"]) == 0
    file = toml_file("")
    file.write_bytes(capfd.readouterr().out.replace("\n", "\r\n").encode())
    assert main(["recipes", "show", str(file)]) == 0
    assert "\r" not in capfd.readouterr().out


@pytest.mark.parametrize("name", ["dmeo", "nowhere.toml", ""])
def test_a_recipe_that_is_not_there_is_told(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    error = document(capfd, "recipes", "show", name, status=2)["error"]
    assert error["exit_code"] == 2
    assert name in error["message"]


def test_settings_are_told_as_markdown_and_as_a_document(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes", "settings", "distill.temperature"]) == 0
    page = capfd.readouterr().out
    assert page.startswith("## [stages.distill]\n")
    assert "| `temperature` |" in page
    rows = document(capfd, "recipes", "settings")["settings"]
    assert {"section", "name", "kind", "range", "unit", "default", "costs"} <= set(rows[0])
    assert len(rows) > 100


def test_a_setting_that_is_not_known_offers_the_nearest(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes", "settings", "prunes"]) == 2
    assert "did you mean prune" in capfd.readouterr().err


def test_an_old_name_is_warned_of_on_the_terminal(toml_file: Callable[[str], Path]) -> None:
    path = toml_file(f"{MINIMAL}[stages.distill]\nrest = true\n")
    command = [sys.executable, "-m", "edgewright.cli.main", "recipes", "show", str(path), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["stages"]["distill"]["keep_overflow"] is True
    assert "stages.distill.rest is called keep_overflow now" in done.stderr
