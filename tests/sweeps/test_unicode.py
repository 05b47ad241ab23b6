"""What is no Unicode: refused where it is read, written as escapes where a stream has no sign for it."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import edgewright.bundles.answering
from edgewright.bundles.answering import Answer, Answerer, AskOptions
from edgewright.cli.main import main
from edgewright.errors import InputError
from edgewright.modality.text_spec import TextInputSpec
from tests import tiny

ROOT = Path(__file__).parent.parent.parent
PLAIN = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}  # a locale in which Python writes ASCII
FOUND = {"kind": "classification", "labels": [{"label": "süß \U0001f36f \ud83d", "score": 0.75}]}
ANSWER = Answer(document=FOUND, heads=("score", "label"), rows=[(0.75, "süß \U0001f36f \ud83d")])


def ended(*arguments: str | bytes) -> "subprocess.CompletedProcess[bytes]":
    command = [sys.executable, "-m", "edgewright.cli.main", *arguments]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **PLAIN}, capture_output=True, check=False)


def written_to(stream: io.TextIOWrapper) -> str:
    stream.flush()
    assert isinstance(stream.buffer, io.BytesIO)
    return stream.buffer.getvalue().decode(stream.encoding)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_an_answer_is_shown_on_a_stream_of_any_encoding(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    monkeypatch.setattr(edgewright.bundles.answering, "ask", lambda *_, **__: ANSWER)
    shown = {}
    for more in ((), ("--json",)):
        stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
        monkeypatch.setattr(sys, "stdout", stream)
        assert main(["run", "out", "--input", "honey", *more]) == 0
        shown[more] = written_to(stream)
    assert json.loads(shown[("--json",)]) == FOUND
    assert "s" in shown[()]
    assert ("süß" if encoding != "ascii" else r"s\xfc\xdf") in shown[()]


@pytest.mark.parametrize(
    "line",
    [
        "--help",
        "build --help",
        "recipes list",
        "recipes show demo",
        "profiles list",
        "profiles show raspberry-pi-4",
        "profiles check raspberry-pi-4",
        "history list --database sqlite:///{folder}/h.db",
    ],
)
def test_every_table_is_written_in_a_c_locale(line: str, tmp_path: Path) -> None:
    done = ended(*line.format(folder=tmp_path).split())
    assert done.returncode in (0, 2)
    assert b"Traceback" not in done.stderr
    assert b"unexpected" not in done.stderr
    assert done.returncode == 0 or b"error: " in done.stderr
    (done.stdout + done.stderr).decode("ascii")


@pytest.mark.parametrize("verb", ["run", "advise", "predict", "report"])
def test_bytes_that_are_no_utf8_are_an_error_and_no_traceback(verb: str) -> None:
    more: tuple[str | bytes, ...] = {"run": ("--input", b"caf\xe9"), "report": ()}.get(
        verb, ("--profile", b"gr\xfc\xdfe")
    )
    done = ended(verb, b"no b\xfcndle", *more)
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    assert done.stderr.startswith(b"error: ")


def test_a_text_of_half_a_pair_is_refused_before_anything_is_run(tmp_path: Path) -> None:
    tiny.tokenizer().save(tmp_path / "tokenizer.json")
    facts: Callable[..., Any] = lambda **given: SimpleNamespace(**given)  # noqa: E731
    task = facts(input_spec=TextInputSpec(max_length=16))
    bundle: Any = SimpleNamespace(
        manifest=facts(task=task),
        artifact=lambda _: facts(runtime="executorch", signature=facts(generation=None)),
        file=lambda name: tmp_path / name,
    )
    with pytest.raises(InputError, match="the input is no Unicode text; give --input in UTF-8"):
        Answerer(bundle).answer(os.fsdecode(b"caf\xe9"), AskOptions(top=1))
