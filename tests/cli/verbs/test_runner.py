"""The verb `runner build`: which runtime it makes ready, and where it lays it out."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edgewright.cli.main import main
from edgewright.errors import TargetError
from tests.cli.stand_ins import Recorder, document, stand_in


@pytest.fixture
def runtime(tmp_path: Path) -> Any:
    file = tmp_path / "made" / "edgewright-runner"
    file.parent.mkdir()
    file.write_bytes(b"program")
    copies: list[Path] = []
    return SimpleNamespace(
        name="executorch", version="1.5.1", size_bytes=2_500_000, files={"edgewright-runner": file},
        copy_to=copies.append, copies=copies,
    )  # fmt: skip


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, runtime: Any) -> Recorder:
    recorder = Recorder(runtime)
    stand_in(monkeypatch, "edgewright.runtimes.device", runtime_for=recorder)
    return recorder


def test_by_default_the_native_runner_is_made_for_arm(
    asked: Recorder, runtime: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    assert document(capfd, "runner", "build") == {
        "runtime": "executorch", "version": "1.5.1", "bytes": 2_500_000,
        "files": {name: str(path) for name, path in runtime.files.items()},
    }  # fmt: skip
    assert (asked.arguments, asked.options) == (("executorch",), {"machine": "aarch64", "with_c_library": False})
    assert runtime.copies == []


def test_flags_name_processor_runtime_and_folder(
    asked: Recorder,
    runtime: Any,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    flags = ("--machine", "x86_64", "--runtime", "litert", "--with-c-library", "--into", str(tmp_path / "out"))
    assert main(["runner", "build", *flags]) == 0
    assert (asked.arguments, asked.options) == (("litert",), {"machine": "x86_64", "with_c_library": True})
    assert runtime.copies == [tmp_path / "out"]
    assert "executorch 1.5.1, 2.5 MB" in capfd.readouterr().out


@pytest.mark.parametrize("columns", [200, 40, 24])
def test_what_was_made_is_told_with_its_files_however_narrow_the_terminal_is(
    columns: int, asked: Recorder, runtime: Any, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    assert main(["runner", "build"]) == 0
    shown = capfd.readouterr().out
    assert "executorch 1.5.1, 2.5 MB" in " ".join(shown.split())
    assert "edgewright-runner" in shown
    assert str(runtime.files["edgewright-runner"]) in "".join(shown.split()).replace("file", "")


def test_a_machine_that_no_runner_is_made_for_is_told(asked: Recorder, capfd: pytest.CaptureFixture[str]) -> None:
    asked.outcome = TargetError("executorch cannot be provided for a mips machine; supported are x86_64, aarch64")
    assert "mips" in document(capfd, "runner", "build", "--machine", "mips", status=3)["error"]["message"]
