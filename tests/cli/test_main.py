"""The command: exit codes, streams and documents. The work behind the verbs is replaced by small stand-ins."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgewright.cli.main import main
from edgewright.errors import ParityError, ToolchainError, UnreachableError
from edgewright.specs.budget import Verdict
from edgewright.store.history import History
from tests.cli.verb_work import (
    BENCHING,
    BUILD,
    BUILDING,
    Result,
    bench_document,
    build_document,
    stand_in,
)

ROOT = Path(__file__).parent.parent.parent


def test_with_json_only_the_document_is_on_standard_output(
    builds: Callable[[Any], None], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    builds(Verdict(met=True))
    assert main([*BUILD, str(tmp_path / "out"), "--json"]) == 0
    said = capfd.readouterr()
    assert json.loads(said.out) == build_document() | {"budget": Verdict(met=True).summary()}
    assert "a library talks" in said.err
    assert "native code talks" in said.err


@pytest.mark.parametrize(
    ("error", "status"),
    [(UnreachableError("no way there"), 3), (ParityError("too far apart"), 4), (ToolchainError("odd"), 4)],
)
def test_an_error_is_one_line_a_document_and_its_branchs_exit_code(
    builds: Callable[[Any], None],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    error: ToolchainError,
    status: int,
) -> None:
    builds(error)
    assert main([*BUILD, str(tmp_path / "out"), "--json"]) == status
    said = capfd.readouterr()
    about = json.loads(said.out)["error"]
    assert about == {"kind": type(error).__name__, "message": str(error), "exit_code": status}
    assert said.err.splitlines()[-1] == f"error: {error}"
    assert "Traceback" not in said.err


def test_an_unexpected_error_keeps_its_traceback_for_debug(
    builds: Callable[[Any], None], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    builds(RuntimeError("two\nlines \x1b[31mred"))
    assert main([*BUILD, str(tmp_path / "out")]) == 4
    said = capfd.readouterr().err
    assert "error: unexpected RuntimeError: two lines [31mred; run it again as `edgewright --debug …`" in said
    assert "Traceback" not in said
    assert main(["--debug", *BUILD, str(tmp_path / "out")]) == 4
    assert "Traceback" in capfd.readouterr().err


def test_a_full_disk_is_told_without_a_traceback(
    builds: Callable[[Any], None], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    builds(OSError(28, "No space left on device", "/cache/x"))
    assert main([*BUILD, str(tmp_path / "out")]) == 2
    assert "error: /cache/x: No space left on device; check" in capfd.readouterr().err


def test_what_was_built_and_measured_is_in_the_history_unless_told_otherwise(
    builds: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    builds(Verdict(met=True))
    stand_in(monkeypatch, BENCHING, lambda *_, **__: Result(Verdict(met=True), bench_document()))
    for line in (
        [*BUILD, str(tmp_path / "out")],
        ["bench", "out", "--target", "local:"],
        ["bench", "out", "--target", "local:", "--no-history"],
    ):
        assert main(line) == 0
    with History() as history:
        assert [each.kind for each in history.find()] == ["bench", "build"]
        assert history.document(2)["target"] == bench_document()["target"]
    assert "warning" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("line", "document"),
    [
        (["recipes", "list", "--json"], lambda found: found["recipes"][0]["name"] == "demo"),
        (["recipes", "show", "demo", "--json"], lambda found: found["stages"]["quantize"]["max_error_percent"] == 10),
        (["profiles", "list", "--json"], lambda found: len(found["profiles"]) == 12),
        (["profiles", "show", "raspberry-pi-5", "--json"], lambda found: found["processor"]["cores"]["value"] == 4),
    ],
)
def test_listings_are_documents_too(
    line: list[str], document: Callable[[Any], bool], capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(line) == 0
    assert document(json.loads(capfd.readouterr().out))


def test_a_shown_recipe_can_be_saved_and_built_from(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["recipes", "show", "demo"]) == 0
    copy = tmp_path / "mine.toml"
    copy.write_text(capfd.readouterr().out, encoding="utf-8")
    assert main(["recipes", "show", str(copy), "--json"]) == 0


def test_a_faulty_file_gives_each_fault_in_the_document(
    toml_file: Callable[[str], Path], capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["recipes", "show", str(toml_file("[recipe]\nname = 3\n")), "--json"]) == 2
    faults = json.loads(capfd.readouterr().out)["error"]["faults"]
    assert {"place": "line 2, recipe.name", "what": "must be text in quotes, not 3"} in faults


@pytest.mark.parametrize("line", [["biuld"], ["build"], ["bench", "x"], ["run", "x", "--inputs", "y"]])
def test_a_wrong_command_line_is_wrong_input(line: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert main(line) == 2
    assert capfd.readouterr().err.startswith("error: ")


@pytest.mark.parametrize("line", [[], ["recipes"], ["profiles"], ["runner"], ["history"]])
def test_a_group_without_its_verb_shows_its_help(line: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert main(line) == 2
    assert capfd.readouterr().err.startswith("Usage: edgewright")


@pytest.mark.parametrize(
    "verb",
    [
        *("build", "bench", "run", "predict", "calibrate", "compare", "gate", "report", "runner build"),
        *("recipes list", "recipes show", "profiles list", "profiles show", "profiles check", "profiles new"),
        *("history list", "history show", "history export"),
    ],
)
def test_every_verbs_help_has_an_example(verb: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main([*verb.split(), "--help"]) == 0
    said = capfd.readouterr().out
    assert "Example" in said
    assert f"\n    edgewright {verb}" in said


def test_output_cut_off_by_its_reader_is_no_error() -> None:
    line = f"{sys.executable} -m edgewright.cli.main profiles show raspberry-pi-4 | true"
    ended = subprocess.run(["bash", "-c", line], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stderr == ""


def test_a_terminated_command_unwinds_and_says_so_by_its_status(
    builds: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    closed = []

    def build(*_: Any, **_options: Any) -> Result:
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            closed.append(True)
        raise AssertionError

    stand_in(monkeypatch, BUILDING, build)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as caught:
        main([*BUILD, str(tmp_path / "out")])
    assert caught.value.code == 143
    assert closed == [True]
    assert signal.getsignal(signal.SIGTERM) is before
