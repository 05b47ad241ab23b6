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
from pathlib import Path, PurePosixPath

import pytest

from edgewright.errors import RunnerError, TransferError
from edgewright.measure.kept import KeptRunner
from edgewright.measure.protocol import RemoteArtifact, RemoteRuntime, infer
from edgewright.runtimes.device import DeviceRuntime, runtime_for
from edgewright.runtimes.table import RUNTIMES
from tests.device_scripts.artifacts import (
    BROKEN_TOKEN,
    INPUTS,
    Artifact,
    artifact_for,
    expected,
    image_artifact_for,
    images,
    lay_out,
)


def remote(artifact: Artifact, sha256: str | None = None) -> RemoteArtifact:
    return RemoteArtifact(
        path=PurePosixPath(artifact.path),
        sha256=sha256 or artifact.sha256,
        size_bytes=artifact.path.stat().st_size,
        lengths=artifact.lengths,
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
    pid = kept._process.pid
    for _ in range(2):
        for ids, meant in zip(INPUTS, expected(), strict=True):
            (found,) = kept.outputs([ids])
            assert found == pytest.approx(meant, abs=1e-5)
    assert [list(row) for row in kept.outputs(INPUTS)] == [pytest.approx(row, abs=1e-5) for row in expected()]
    assert kept._process.pid == pid
    assert kept.is_alive


def test_its_answers_are_those_of_a_runner_that_is_started_for_them(runtime: RemoteRuntime, kept: KeptRunner) -> None:
    from edgewright.targets.transports.local import LocalTarget

    artifact = remote(artifact_for(runtime.runtime.name))
    assert infer(LocalTarget(), artifact, runtime, INPUTS) == kept.outputs(INPUTS)


def test_images_are_answered_one_after_another(runtime: RemoteRuntime) -> None:
    import torch

    from tests.device_scripts.artifacts import tiny_image_model

    with torch.no_grad():
        meant = tiny_image_model()(torch.from_numpy(images())).tolist()
    with KeptRunner(remote(image_artifact_for(runtime.runtime.name)), runtime) as kept:
        for place in (0, 3, 0):
            (found,) = kept.outputs(images()[place : place + 1])
            assert found == pytest.approx(meant[place], abs=1e-5)


@pytest.mark.parametrize(
    ("inputs", "why"), [([[BROKEN_TOKEN]], "not a number"), ([list(range(1, 40))], "at most 16"), ([[-1]], "from 0")]
)
def test_an_input_that_cannot_be_answered_is_told_with_its_reason(
    runtime: RemoteRuntime, kept: KeptRunner, inputs: list[list[int]], why: str
) -> None:
    with pytest.raises(RunnerError, match=why):
        kept.outputs(inputs)
    assert not kept.is_alive  # who is asked again starts another


def test_a_runner_that_is_killed_between_two_questions_is_told(runtime: RemoteRuntime, kept: KeptRunner) -> None:
    kept.outputs(INPUTS[:1])
    os.kill(kept._process.pid, signal.SIGKILL)
    kept._process.wait()
    assert not kept.is_alive
    with pytest.raises(RunnerError, match="killed"):
        kept.outputs(INPUTS[:1])


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


READY = """
import json, sys, time
print(json.dumps({{"schema": 1, "ready": True, "runtime": "{name}", "sha256": "{sha}"}}), flush=True)
"""


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ('print("hello")', "cannot be read"),
        ('print(json.dumps({"schema": 1, "outputs": [[float("nan")]]}))', "cannot be read"),
        ('print(json.dumps({"schema": 1, "outputs": [[1.0], [2.0]]}))', "2 outputs for 1 inputs"),
        ('print(json.dumps({"schema": 1, "outputs": [[]]}))', "empty"),
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
        kept.outputs([[1]])


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
            kept.outputs([[1]])
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
