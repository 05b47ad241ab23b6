"""Words of strangers steer nothing, whichever verb shows them; and names that no file can have are errors with 2."""

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest

from edgewright.bundles.schema import Manifest
from edgewright.cli.main import main
from edgewright.report import page
from edgewright.report.measured import measured_of
from edgewright.store.history import History
from tests.report.documents import bench
from tests.report.test_compression import manifest, whole_build

HOSTILE = "\x1b]52;c;cm0gLXJmIH4=\x07\x1b[2J\x9b2J\u202e|`<script>[a](http://b)\n# head"
KEPT = ("clock", "sha256", "runtime")  # what a measurement may only hold certain words for


def hostile(value: Any, key: str = "") -> Any:
    """The same document with something to steer by behind every text."""
    if isinstance(value, dict):
        return {name: hostile(each, name) for name, each in value.items()}
    if isinstance(value, list):
        return [hostile(each, key) for each in value]
    return f"={value}{HOSTILE}" if isinstance(value, str) and key not in KEPT else value


def unsafe(text: str, also: str = "\n") -> list[str]:
    return [sign for sign in text if not sign.isprintable() and sign not in also]


@pytest.fixture
def two_measurements(own_history: Path) -> None:
    with History() as history:
        for seed in (0, 1):
            history.add("bench", hostile(bench(seed=seed)))


@pytest.mark.parametrize(
    "line",
    ["history list", "history show 1", "history show 1 --json", "history list --json", "compare 1 2 --force",
     "compare 1 2 --force --json", "gate 2 --baseline 1 --max-slowdown 3% --force", "report 1 --format md -o -",
     "report 1 --json"],
)  # fmt: skip
@pytest.mark.usefixtures("two_measurements")
def test_a_strangers_measurement_steers_no_terminal(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(line.split()) in (0, 1)
    said = capsys.readouterr()
    assert said.out.strip()
    assert unsafe(said.out + said.err) == []
    if "--json" in line:
        assert HOSTILE.splitlines()[0][:12] in json.dumps(json.loads(said.out), ensure_ascii=False) or (
            "\\u001b]52" in said.out
        )


@pytest.mark.usefixtures("two_measurements")
def test_files_that_are_made_of_it_hold_text_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gate = "gate 2 --baseline 1 --max-slowdown 3% --force --markdown".split()
    assert main([*gate, str(tmp_path / "gate.md"), "--junit", str(tmp_path / "gate.xml")]) in (0, 1)
    assert main(["report", "1", "-o", str(tmp_path / "report.md")]) == 0
    assert main(["report", "1", "-o", str(tmp_path / "report.html")]) == 0
    assert main(["history", "export", str(tmp_path / "history.csv")]) == 0
    for name in ("gate.md", "report.md"):
        text = (tmp_path / name).read_text()
        assert unsafe(text) == []
        assert "\n# head" not in text
        outside_code = re.sub("`[^`\n]*`", "", text.replace("\\`", ""))
        assert "](http" not in outside_code.replace("\\]", "")
    html = (tmp_path / "report.html").read_text().partition("<body")[2]
    assert "<script>[a]" not in html
    with (tmp_path / "history.csv").open(newline="") as source:
        cells = [cell for row in csv.reader(source) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "@"))]
    assert [cell for cell in cells if cell.startswith("'=")]


def test_a_strangers_bundle_is_text_in_a_report() -> None:
    values = hostile(manifest(whole_build()).model_dump(mode="json"), "files")
    sound = manifest(whole_build()).model_dump(mode="json")
    for key in ("budget", "best", "profile", "artifacts", "files", "recipe", "task", "created"):
        values[key] = sound[key]
    text = page.markdown(Manifest.model_validate_json(json.dumps(values)), [measured_of(hostile(bench()), "x")], [])
    assert unsafe(text) == []
    assert "\n# head" not in text


LONG, DEEP = "x" * 300, "y/" * 3000


@pytest.mark.parametrize(
    "words",
    [
        ("build", LONG, "--profile", "raspberry-pi-4", "-o", "out"),
        ("build", f"{LONG}.toml", "--profile", "raspberry-pi-4", "-o", "out"),
        ("build", "demo", "--profile", f"{LONG}.toml", "-o", "out"),
        ("build", "demo", "--profile", "raspberry-pi-4", "-o", LONG),
        ("build", "demo", "--profile", "raspberry-pi-4", "-o", f"{DEEP}out"),
        ("build", "demo", "--profile", "raspberry-pi-4", "-o", "a\x00b"),
        ("run", LONG, "--input", "x"),
        ("run", "a\x00b", "--input", "x"),
        ("bench", LONG, "--target", "local:"),
        ("predict", DEEP, "--profile", "raspberry-pi-4"),
        ("advise", LONG, "--profile", "raspberry-pi-4"),
        ("report", LONG, "-o", "r.html"),
        ("compare", LONG, LONG),
        ("compare", "9" * 5000, "1"),
        ("gate", "1", "--baseline", "2", "--max-slowdown", "1e999"),
        ("gate", "1", "--baseline", "2", "--max-slowdown", "9" * 5000),
        ("history", "show", "9" * 30),
        ("history", "export", f"{LONG}.csv"),
        ("history", "export", "nowhere/x.csv"),
        ("history", "export", "a\x00b.csv"),
        ("profiles", "show", LONG),
        ("recipes", "show", "a\x00b.toml"),
    ],
)
def test_a_name_or_number_that_cannot_be_ends_with_2(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(list(words)) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert "unexpected" not in said
    assert len(said) < 12_000


@pytest.mark.parametrize("variable", ["EDGEWRIGHT_CACHE_DIR", "EDGEWRIGHT_DATA_DIR"])
def test_a_place_that_is_no_folder_is_told_with_its_variable(
    variable: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(variable, "/etc/passwd")
    words = ["cache"] if "CACHE" in variable else ["predict", "demo", "--profile", "raspberry-pi-4"]
    assert main(words) == 2
    assert f"{variable} says so; set it to a folder" in capsys.readouterr().err
