"""Every way to fail is a sentence and an exit code, and 1 is only ever a missed budget or gate."""

import json
import os
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError
from safetensors import SafetensorError
from sqlalchemy.exc import OperationalError
from tokenizers import Regex, Tokenizer, models, pre_tokenizers

from edgewright.cli.failures import failure_of
from edgewright.cli.main import main
from edgewright.errors import BundleError, ModelError, UnreachableError

ROOT = Path(__file__).parent.parent.parent


class Sized(BaseModel):
    size: int


def invalid() -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        Sized.model_validate({"size": "large"})
    return caught.value


def panic() -> BaseException:
    """A real one, of Rust."""
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("(a|a|aa)+$"), "isolated")  # type: ignore[assignment]
    with pytest.raises(BaseException) as caught:
        tokenizer.encode("a" * 60 + "b")
    return caught.value


@pytest.mark.parametrize(
    ("error", "exit_code", "said"),
    [
        (BundleError("altered"), 2, "altered"),
        (UnreachableError("gone"), 3, "gone"),
        (ModelError("diverged"), 4, "diverged"),
        (FileNotFoundError(2, "No such file or directory", "/x"), 2, "/x: No such file or directory; check its path"),
        (IsADirectoryError(21, "Is a directory", "/x"), 2, "/x: Is a directory"),
        (OSError(36, "File name too long", "x" * 300), 2, "File name too long"),
        (OSError(24, "Too many open files"), 2, "standard output or a file: Too many open files"),
        (ConnectionResetError(104, "Connection reset by peer"), 3, "a connection was lost or refused"),
        (TimeoutError("timed out"), 3, "a connection was lost or refused"),
        (MemoryError(), 2, "memory ran out"),
        (RecursionError("maximum recursion depth exceeded"), 2, "nests deeper"),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"), 2, "is no Unicode"),
        (json.JSONDecodeError("Expecting value", "", 0), 2, "damaged or cut short"),
        (zipfile.BadZipFile("no zip"), 2, "damaged or cut short"),
        (struct.error("unpack requires 4 bytes"), 2, "damaged or cut short"),
        (EOFError(), 2, "damaged or cut short"),
        (SafetensorError("header too large"), 2, "a file of weights is damaged"),
        (OperationalError("SELECT 1", {}, Exception("disk I/O error")), 2, "the history cannot be read or written"),
    ],
)
def test_a_fault_of_others_is_called_by_its_kind(error: BaseException, exit_code: int, said: str) -> None:
    failure = failure_of(error)
    assert (failure.exit_code, failure.expected) == (exit_code, True)
    assert said in failure.message
    assert "unexpected" not in failure.message
    assert len(failure.message) < 600


def test_what_a_document_may_not_hold_is_called_by_its_kind() -> None:
    failure = failure_of(invalid())
    assert (failure.exit_code, failure.expected) == (2, True)
    assert "has values that cannot be" in failure.message


def test_a_panic_of_rust_is_a_fault_of_the_model() -> None:
    failure = failure_of(panic())
    assert (failure.exit_code, failure.expected) == (4, True)
    assert "PanicException: Onig: Regex search error: retry-limit-in-match over" in failure.message


@pytest.mark.parametrize("error", [ValueError("odd"), KeyError("x"), ZeroDivisionError(), AssertionError()])
def test_a_fault_of_ours_is_called_unexpected(error: Exception) -> None:
    failure = failure_of(error)
    assert (failure.exit_code, failure.expected) == (4, False)
    assert failure.message.startswith(f"unexpected {type(error).__name__}")


@pytest.mark.parametrize("as_json", [False, True])
def test_a_panic_ends_a_verb_with_4_and_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], as_json: bool
) -> None:
    found = panic()

    def panics(*_: object, **__: object) -> None:
        raise found

    monkeypatch.setattr("edgewright.bundles.answering.ask", panics)
    capfd.readouterr()
    assert main(["run", "out", "--input", "x", *(["--json"] if as_json else [])]) == 4
    said = capfd.readouterr()
    assert said.err.startswith("error: a library that was called for this gave up (PanicException")
    assert "Traceback" not in said.err
    assert not as_json or json.loads(said.out)["error"]["exit_code"] == 4


def ended(*words: str, stdout: str = "", stderr: str = "") -> "subprocess.CompletedProcess[bytes]":
    command = [sys.executable, "-m", "edgewright.cli.main", *words]
    with open(stdout or os.devnull, "wb") as out, open(stderr or os.devnull, "wb") as err:  # noqa: PTH123
        return subprocess.run(command, cwd=ROOT, stdout=out, stderr=err if stderr else subprocess.PIPE, check=False)


@pytest.mark.parametrize(
    "words",
    [("recipes", "list", "--json"), ("recipes", "list"), ("recipes", "show", "demo"), ("--help",), ("--version",)],
)
def test_a_full_disk_behind_standard_output_ends_with_2(words: tuple[str, ...]) -> None:
    done = ended(*words, stdout="/dev/full")
    assert done.returncode == 2
    assert done.stderr.startswith(b"error: standard output ")
    assert b"No space left on device; check " in done.stderr
    assert done.stderr.count(b"\n") == 1


def test_an_error_keeps_its_exit_code_where_nobody_can_be_told() -> None:
    assert ended("recipes", "show", "nowhere", "--json", stdout="/dev/full", stderr="/dev/full").returncode == 2


@pytest.mark.parametrize("words", [("build",), ("odd",), ("bench", "--threads", "x"), ("recipes",), ("--odd",)])
def test_a_command_line_that_cannot_be_read_ends_with_2(
    words: tuple[str, ...], capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(list(words)) == 2
    assert "Traceback" not in capfd.readouterr().err


def test_a_package_of_the_build_extra_that_is_not_there_is_named_with_what_to_install() -> None:
    failure = failure_of(ModuleNotFoundError("No module named 'torch.nn'", name="torch.nn"))
    assert (failure.exit_code, failure.expected) == (2, True)
    assert failure.message == (
        "the package torch is needed to do this and was not found; pip install 'edgewright[build]'"
    )
    assert not failure_of(ModuleNotFoundError("No module named 'mine'", name="mine")).expected
