"""A runner that stays: the answers of one that is started for each question, in a fraction of the time."""

import hashlib
import json
import os
import platform
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest

from edgewright.errors import RunnerError, TransferError
from edgewright.measure.generation_documents import GeneratedText
from edgewright.measure.kept import KeptRunner
from edgewright.measure.measuring import infer
from edgewright.measure.prompts import Decoding, Prompt
from edgewright.measure.protocol import RemoteArtifact, RemoteRuntime
from edgewright.runtimes.device import DeviceRuntime, runtime_for
from edgewright.runtimes.table import RUNTIMES
from tests.calls import rows_of
from tests.device_scripts.artifacts import (
    BROKEN_TOKEN,
    INPUTS,
    Artifact,
    artifact_for,
    calls_for,
    expected,
    image_artifact_for,
    images,
    lay_out,
)
from tests.device_scripts.counting import counting_artifact, counting_input
from tests.measure.examples import TWO_CALLS, output


def remote(artifact: Artifact, sha256: str | None = None) -> RemoteArtifact:
    return RemoteArtifact(
        path=PurePosixPath(artifact.path),
        sha256=sha256 or artifact.sha256,
        size_bytes=artifact.path.stat().st_size,
    )


@pytest.fixture(params=RUNTIMES, scope="module")
def runtime(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> RemoteRuntime:
    made = runtime_for(request.param, machine=platform.machine())
    place = lay_out(made, tmp_path_factory.mktemp(f"kept-{made.name}"))
    return RemoteRuntime(runtime=made, directory=PurePosixPath(place))


@pytest.fixture
def kept(runtime: RemoteRuntime) -> Iterator[KeptRunner]:
    with KeptRunner(remote(artifact_for(runtime.runtime.name)), runtime) as runner:
        yield runner


def test_one_process_answers_question_after_question_whatever_their_lengths(
    runtime: RemoteRuntime, kept: KeptRunner
) -> None:
    pid, calls = kept._process.pid, partial(calls_for, artifact_for(runtime.runtime.name))
    for _ in range(2):
        for ids, meant in zip(INPUTS, expected(), strict=True):
            (found,) = rows_of(kept.outputs(calls([ids])))
            assert found == pytest.approx(meant, abs=1e-5)
    assert [list(row) for row in rows_of(kept.outputs(calls(INPUTS)))] == [
        pytest.approx(row, abs=1e-5) for row in expected()
    ]
    assert kept._process.pid == pid
    assert kept.is_alive


def test_its_answers_are_those_of_a_runner_that_is_started_for_them(runtime: RemoteRuntime, kept: KeptRunner) -> None:
    from edgewright.targets.transports.local import LocalTarget

    artifact = remote(artifact_for(runtime.runtime.name))
    calls = calls_for(artifact_for(runtime.runtime.name))
    assert rows_of(infer(LocalTarget(), artifact, runtime, calls)) == rows_of(kept.outputs(calls))


def test_images_are_answered_one_after_another(runtime: RemoteRuntime) -> None:
    import torch

    from tests.device_scripts.artifacts import tiny_image_model

    with torch.no_grad():
        meant = tiny_image_model()(torch.from_numpy(images())).tolist()
    image_artifact = image_artifact_for(runtime.runtime.name)
    with KeptRunner(remote(image_artifact), runtime) as kept:
        for place in (0, 3, 0):
            (found,) = rows_of(kept.outputs(calls_for(image_artifact, images()[place : place + 1])))
            assert found == pytest.approx(meant[place], abs=1e-5)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, "not a number"),
        ({"entry": "backward"}, "no entry .backward."),
        ({"inputs": {"ids": np.ones((1, 40), dtype=np.int16)}}, "is int16; the artifact takes int"),
        ({"inputs": {}}, "call 0"),
    ],
)
def test_a_call_that_cannot_be_answered_is_told_with_its_reason(
    runtime: RemoteRuntime, kept: KeptRunner, changes: dict[str, Any], why: str
) -> None:
    (call,) = calls_for(artifact_for(runtime.runtime.name), [[BROKEN_TOKEN]])
    with pytest.raises(RunnerError, match=why):
        kept.outputs([replace(call, **changes)])
    assert not kept.is_alive  # who is asked again starts another


def test_a_runner_that_is_killed_between_two_questions_is_told(runtime: RemoteRuntime, kept: KeptRunner) -> None:
    calls = calls_for(artifact_for(runtime.runtime.name), INPUTS[:1])
    kept.outputs(calls)
    os.kill(kept._process.pid, signal.SIGKILL)
    kept._process.wait()
    assert not kept.is_alive
    with pytest.raises(RunnerError, match="killed"):
        kept.outputs(calls)


def test_an_artifact_with_another_hash_is_refused_at_the_start(runtime: RemoteRuntime) -> None:
    other = remote(artifact_for(runtime.runtime.name), sha256=hashlib.sha256(b"another").hexdigest())
    with pytest.raises(TransferError, match="not the one in the bundle"):
        KeptRunner(other, runtime)


def pretending(tmp_path: Path, program: str) -> RemoteRuntime:
    """A runtime that is a few lines of Python."""
    script = tmp_path / "runner.py"
    script.write_text(textwrap.dedent(program))
    made = DeviceRuntime(
        name="executorch", version="1", files={"runner.py": script}, argv=(sys.executable, "{runtime}/runner.py")
    )
    return RemoteRuntime(runtime=made, directory=PurePosixPath(tmp_path))


def answering(outputs: list[Any]) -> str:
    return f"print({json.dumps({'schema': 2, 'outputs': outputs})!r})"


READY = """
import json, sys, time
print(json.dumps({{"schema": 2, "ready": True, "runtime": "{name}", "sha256": "{sha}"}}), flush=True)
"""


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ('print("hello")', "cannot be read"),
        (answering([[output([float("nan")])]]), "cannot be read"),
        (answering([[output([1.0])], [output([2.0])]]), "outputs of 2 calls for 1 calls"),
        (answering([[]]), "the outputs none, and output were asked for"),
        (answering([[output([])]]), "empty"),
        ("sys.exit(7)", "status 7"),
    ],
)
def test_what_a_runner_says_is_checked(tmp_path: Path, said: str, why: str) -> None:
    artifact = artifact_for("executorch")
    program = READY.format(name="executorch", sha=artifact.sha256) + f"sys.stdin.readline()\n{said}\n"
    with (
        KeptRunner(remote(artifact), pretending(tmp_path, program)) as kept,
        pytest.raises(RunnerError, match=why),
    ):
        kept.outputs(TWO_CALLS[:1])


def test_a_runner_that_holds_another_runtime_or_artifact_is_refused(tmp_path: Path) -> None:
    artifact = artifact_for("executorch")
    with pytest.raises(RunnerError, match="not executorch"):
        KeptRunner(remote(artifact), pretending(tmp_path, READY.format(name="litert", sha=artifact.sha256)))


def test_a_runner_that_never_answers_is_ended_at_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgewright.measure.kept.ANSWER_LIMIT_S", 1.0)
    monkeypatch.setattr("edgewright.measure.kept.ENDING_LIMIT_S", 0.1)
    artifact = artifact_for("executorch")
    program = READY.format(name="executorch", sha=artifact.sha256) + "time.sleep(60)\n"
    with KeptRunner(remote(artifact), pretending(tmp_path, program)) as kept:
        begun = time.monotonic()
        with pytest.raises(RunnerError, match="within 1 s"):
            kept.outputs(TWO_CALLS[:1])
        assert time.monotonic() - begun < 20
        assert not kept.is_alive


def test_a_runner_ends_with_the_process_that_started_it(runtime: RemoteRuntime, tmp_path: Path) -> None:
    """Also where that one is killed and closes nothing."""
    artifact = artifact_for(runtime.runtime.name)
    program = f"""
        import time
        from pathlib import Path, PurePosixPath
        from tests.measure.test_kept import remote
        from tests.device_scripts.artifacts import Artifact
        from edgewright.measure.kept import KeptRunner
        from edgewright.measure.protocol import RemoteRuntime
        from edgewright.runtimes.device import runtime_for
        name, place = {artifact.runtime!r}, Path({str(artifact.path)!r})
        artifact = Artifact(runtime=name, path=place, lengths={artifact.lengths!r})
        made = runtime_for(name, machine={platform.machine()!r})
        runtime = RemoteRuntime(runtime=made, directory=PurePosixPath({str(runtime.directory)!r}))
        kept = KeptRunner(remote(artifact), runtime)
        print(kept._process.pid, flush=True)
        time.sleep(600)
    """
    root = Path(__file__).parent.parent.parent
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], cwd=root, stdout=subprocess.PIPE, text=True
    ) as starter:
        assert starter.stdout is not None
        pid = json.loads(starter.stdout.readline())
        assert Path(f"/proc/{pid}").exists()
        starter.kill()
    until = time.monotonic() + 20
    while Path(f"/proc/{pid}").exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists()


@pytest.fixture(params=["executorch", "onnx"])
def counting(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[KeptRunner]:
    """A runner that holds a model which counts on."""
    made = runtime_for(request.param, machine=platform.machine())
    place = RemoteRuntime(runtime=made, directory=PurePosixPath(lay_out(made, tmp_path)))
    with KeptRunner(remote(counting_artifact(request.param)), place) as runner:
        yield runner


def asked_of(runner: KeptRunner, *prompts: Prompt, **options: Any) -> tuple[GeneratedText, ...]:
    name = "onnx" if "onnx" in " ".join(runner._argv) else "executorch"
    return runner.generate(counting_input(name).signature, prompts, **options)


def test_tokens_are_heard_of_as_they_come_and_the_runner_stays(counting: KeptRunner) -> None:
    heard: list[tuple[int, int]] = []
    prompts = [Prompt(ids=(each,), decoding=Decoding(max_tokens=2)) for each in (3, 8)]
    for _ in range(2):
        texts = asked_of(counting, *prompts, on_token=lambda prompt, token: heard.append((prompt, token)))
        assert [each.tokens for each in texts] == [(4, 5), (9, 0)]
    assert heard == [(0, 4), (0, 5), (1, 9), (1, 0)] * 2
    assert counting.is_alive


def test_ctrl_c_gives_what_was_made_by_then(counting: KeptRunner) -> None:
    heard: list[int] = []

    def interrupted(_: int, token: int) -> None:
        heard.append(token)
        if len(heard) == 5:
            raise KeyboardInterrupt

    (text,) = asked_of(counting, Prompt(ids=(1,), decoding=Decoding(max_tokens=200_000)), on_token=interrupted)
    assert text.ended == "interrupted"
    assert list(text.tokens) == heard


def test_a_prompt_that_is_refused_ends_the_runner_with_one_sentence(counting: KeptRunner) -> None:
    with pytest.raises(RunnerError, match="refused its job: prompt 0 has the id 10, and the vocabulary has those"):
        asked_of(counting, Prompt(ids=(10,)))
    assert not counting.is_alive
