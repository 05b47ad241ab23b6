"""What reaches the terminal: a document alone on standard output, one line for an error, and nothing that steers."""

import json
import os
import sys
from pathlib import Path

import pytest

from edgewright.cli import output
from edgewright.errors import InputError, InvalidFileError


def test_a_document_is_json_whose_escapes_stand_for_what_steers(capfd: pytest.CaptureFixture[str]) -> None:
    document = {"name": "Zoë 日本 \x1b[2J\x9b\u202e", "score": 0.5}
    output.emit(document)
    printed = capfd.readouterr().out
    assert json.loads(printed) == document
    assert "Zoë 日本" in printed
    assert not {"\x1b", "\x9b", "\u202e"} & set(printed)


def test_a_number_that_is_none_is_never_printed() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        output.as_text({"score": float("nan")})


def test_signs_that_the_terminal_has_not_are_escaped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with (tmp_path / "out").open("w", encoding="ascii") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        output.emit({"name": "Zoë"})
    assert json.loads((tmp_path / "out").read_text()) == {"name": "Zoë"}
    with (tmp_path / "plain").open("w", encoding="ascii") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        output.fall_back_to_escapes()
        output.say("Zoë")
    assert (tmp_path / "plain").read_text() == "Zo\\xeb\n"


def test_a_message_is_one_line_without_secrets(capfd: pytest.CaptureFixture[str]) -> None:
    output.tell("ssh://pi:raspberry1@board\nis \x1b[31mred")
    said = capfd.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert "raspberry1" not in said.err
    assert "\x1b" not in said.err
    output.tell("two\nlines", whole=True)
    assert capfd.readouterr().err == "two\nlines\n"


def test_an_error_is_told_on_both_streams_where_a_document_was_asked_for(capfd: pytest.CaptureFixture[str]) -> None:
    error = InvalidFileError("recipe.toml", [("model", "is missing")])
    output.fail(error, str(error), exit_code=2, as_json=True)
    said = capfd.readouterr()
    about = json.loads(said.out)["error"]
    assert about["kind"] == "InvalidFileError"
    assert about["faults"] == [{"place": "model", "what": "is missing"}]
    assert said.err == f"error: {error}\n"
    output.fail(error, str(error), exit_code=2, as_json=False)
    assert capfd.readouterr().out == ""


def test_what_libraries_print_meanwhile_goes_to_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        with output.work_on_stderr():
            print("python talks")
            os.write(1, b"native code talks\n")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        work()
    output.say("done")
    said = capfd.readouterr()
    assert said.out == "done\n"
    assert "python talks" in said.err
    assert "native code talks" in said.err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk_behind_standard_output_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    full = Path("/dev/full").open("w")  # noqa: SIM115 - giving up standard output closes what is behind it
    monkeypatch.setattr(sys, "stdout", full)
    with pytest.raises(InputError, match="standard output cannot be written: No space left on device"):
        output.say("x" * 100_000)


def test_a_traceback_holds_no_secret(capfd: pytest.CaptureFixture[str]) -> None:
    try:
        raise RuntimeError("ssh://pi:raspberry1@board")
    except RuntimeError as error:
        output.trace(error)
    said = capfd.readouterr().err
    assert "Traceback" in said
    assert "raspberry1" not in said
