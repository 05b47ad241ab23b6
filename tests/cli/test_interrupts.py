"""Ctrl-C ends a command as an interrupt wherever it falls, whatever a library makes of it."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer.main

import edgewright.pipeline
from edgewright.cli.main import main
from edgewright.cli.progress_bars import LineProgress
from edgewright.errors import BadModelError

ROOT = Path(__file__).parent.parent.parent


def build(monkeypatch: pytest.MonkeyPatch, work: Any, out: Path) -> int:
    monkeypatch.setattr(edgewright.pipeline, "build", work)
    return main(["build", "demo", "--profile", "raspberry-pi-4", "-o", str(out), "--no-history"])


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_that_a_library_turns_into_its_own_error_is_an_interrupt_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    number: signal.Signals,
    status: int,
) -> None:
    def work(*_: Any, **__: Any) -> None:
        try:
            os.kill(os.getpid(), number)
        except BaseException as error:  # as imports and parsers do
            raise BadModelError("models/bert", f"{type(error).__name__} while it was read") from error

    assert build(monkeypatch, work, tmp_path / "out") == status
    said = capfd.readouterr().err
    assert "cannot be read" not in said
    assert ("interrupted; every finished stage is kept" in said) == (number == signal.SIGINT)


@pytest.mark.parametrize("verb", ["run", "bench", "predict"])
def test_only_a_build_says_that_finished_stages_are_kept(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], verb: str
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(typer.main, "get_command", lambda _: SimpleNamespace(main=interrupted))
    assert main(["--debug", verb, "out"]) == 130
    assert capfd.readouterr().err == "interrupted\n"


def test_an_interrupt_that_a_library_swallows_ends_the_work_at_its_next_step(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    reached = []

    def work(*_: Any, progress: LineProgress, **__: Any) -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except BaseException:
            reached.append("swallowed")
        with progress.stage("distil"):
            reached.append("went on")

    assert build(monkeypatch, work, tmp_path / "out") == 130
    assert reached == ["swallowed"]
    assert "interrupted" in capfd.readouterr().err


def test_an_error_without_an_interrupt_keeps_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def work(*_: Any, **__: Any) -> None:
        raise BadModelError("models/bert", "it has no config.json")

    assert build(monkeypatch, work, tmp_path / "out") == 2
    assert "cannot be read" in capfd.readouterr().err


def test_handlers_of_before_are_there_again_afterwards() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert main(["recipes", "list"]) == 0
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_command_behind_nohup_goes_on_ignoring_ctrl_c() -> None:
    program = """
        import os, signal
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        from edgewright.cli.verbs import recipes
        from edgewright.cli.main import main
        os.kill(os.getpid(), signal.SIGINT)
        raise SystemExit(main(["recipes", "list"]))
    """
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], cwd=ROOT, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.slow
def test_ctrl_c_while_a_model_is_loaded_by_its_library_is_an_interrupt(tmp_path: Path) -> None:
    """The signal falls within transformers' own imports and parsers, at several places."""
    program = """
        import os, signal, sys, threading, time
        from edgewright.cli.main import main
        threading.Timer(float(sys.argv[2]), os.kill, (os.getpid(), signal.SIGINT)).start()
        raise SystemExit(main(["build", sys.argv[1], "--profile", "raspberry-pi-4", "-o", sys.argv[3], "--no-history"]))
    """
    for delay_s in (0.7, 1.5, 3.0):
        ended = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(program), "demo", str(delay_s), str(tmp_path / "out")],
            cwd=ROOT,
            capture_output=True,
            text=True,
            env=os.environ | {"EDGEWRIGHT_CACHE_DIR": str(tmp_path / "cache")},
        )
        assert ended.returncode == 130, ended.stderr
        assert "interrupted" in ended.stderr
        assert "error:" not in ended.stderr
