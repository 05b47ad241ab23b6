"""Measuring goes through a real target, a real runner and a real artifact, all on this machine."""

import json
import platform
import subprocess
import sys
import uuid
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from edgewright.errors import CommandTimeoutError, InputError, TransferError
from edgewright.measure import protocol as protocol_module
from edgewright.measure import turns as turns_module
from edgewright.measure.measuring import infer, measure, measure_in_turn
from edgewright.measure.protocol import Protocol, RemoteArtifact, RemoteRuntime, RunOptions
from edgewright.runtimes.device import DeviceRuntime, runtime_for
from edgewright.runtimes.table import RUNTIMES
from edgewright.specs.profiles import Clock
from edgewright.targets.transports.fake import FakeTarget
from edgewright.targets.transports.local import LocalTarget
from tests.calls import rows_of
from tests.device_scripts.artifacts import INPUTS, Artifact, artifact_for, calls_for, expected, lay_out
from tests.measure.examples import SHA256, TWO_CALLS, ThisMachine, result_document

BRIEF = Protocol(restarts=3, warmup_runs=2, warmup_s=0.0, samples=4, min_seconds=0.0, max_seconds=5.0)


@pytest.fixture(scope="module", params=RUNTIMES)
def artifact(request: pytest.FixtureRequest) -> Artifact:
    return artifact_for(request.param)


def placed(artifact: Artifact) -> RemoteArtifact:
    return RemoteArtifact(
        path=PurePosixPath(artifact.path),
        sha256=artifact.sha256,
        size_bytes=artifact.path.stat().st_size,
    )


@pytest.fixture(scope="module")
def runtime(artifact: Artifact, tmp_path_factory: pytest.TempPathFactory) -> RemoteRuntime:
    made = runtime_for(artifact.runtime, machine=platform.machine())
    return RemoteRuntime(runtime=made, directory=PurePosixPath(lay_out(made, tmp_path_factory.mktemp("runtime"))))


def test_a_measurement_pools_every_process_and_keeps_the_outputs(
    tmp_path: Path, artifact: Artifact, runtime: RemoteRuntime
) -> None:
    target, heard = ThisMachine(tmp_path), []
    facts = iter([{"throttling": {"raw": "0x0"}}, {"throttling": {"raw": "0x0"}}])
    seen = measure(
        target,
        placed(artifact),
        runtime,
        calls_for(artifact),
        protocol=BRIEF,
        facts=lambda _: next(facts),
        note=lambda done, of: heard.append((done, of)),
    )
    assert [len(run.latency_ms) for run in seen.runs] == [9, 9, 9]
    assert heard == [(1, 3), (2, 3), (3, 3)]
    assert rows_of(seen.outputs)[2] == pytest.approx(expected()[2], abs=1e-5)
    assert seen.latency is not None
    assert seen.latency.p50 > 0
    assert (seen.runtime, seen.target, seen.emulated) == (artifact.runtime, "here:", False)
    assert seen.machine_after == {"throttling": {"raw": "0x0"}, "busiest": []}
    assert seen.cold is None
    assert seen.took_s is not None
    assert seen.memory["start"]["rss_bytes"] < seen.memory["steady"]["rss_bytes"] <= seen.peak_rss_bytes


def test_a_first_process_starts_cold_and_is_no_sample(
    tmp_path: Path, artifact: Artifact, runtime: RemoteRuntime
) -> None:
    target = ThisMachine(tmp_path)
    seen = measure(
        target,
        placed(artifact),
        runtime,
        calls_for(artifact),
        protocol=replace(BRIEF, restarts=2, cold=True),
        facts=lambda _: {},
    )
    jobs = [command[-1].rpartition("/")[2] for command in target.commands if command[0] != "rm"]
    assert jobs == ["cold.json", "job.json", "job.json"]
    assert seen.cold is not None
    assert seen.cold.latency_ms == ()
    assert seen.cold.outputs == seen.runs[0].outputs
    assert seen.document()["cold"]["load_ms"] > 0


@pytest.mark.parametrize(("precision", "processes"), [(1e-9, 5), (10.0, 2)])
def test_there_are_further_processes_until_the_latency_is_known_or_there_were_enough(
    tmp_path: Path, artifact: Artifact, runtime: RemoteRuntime, precision: float, processes: int
) -> None:
    protocol = replace(BRIEF, restarts=2, extra_restarts=3, precision=precision)
    heard: list[tuple[int, int]] = []
    seen = measure(
        ThisMachine(tmp_path),
        placed(artifact),
        runtime,
        calls_for(artifact),
        protocol=protocol,
        facts=lambda _: {},
        note=lambda done, of: heard.append((done, of)),
    )
    assert len(seen.runs) == processes
    assert heard[0] == (1, 2)
    assert heard[-1] == (processes, processes)


def test_an_etdump_is_brought_here_and_only_executorch_writes_one(
    tmp_path: Path, artifact: Artifact, runtime: RemoteRuntime
) -> None:
    dump = tmp_path / "dump.etdp"
    contest, asked = [(placed(artifact), runtime)], RunOptions(etdump=dump)
    if artifact.runtime == "executorch":
        measure_in_turn(
            ThisMachine(tmp_path), contest, calls_for(artifact), options=asked, protocol=BRIEF, facts=lambda _: {}
        )
        assert dump.stat().st_size > 100
        assert list((tmp_path / "jobs").iterdir()) == []
        return
    with pytest.raises(InputError, match="only executorch writes an ETDump"):
        measure_in_turn(
            ThisMachine(tmp_path), contest, calls_for(artifact), options=asked, protocol=BRIEF, facts=lambda _: {}
        )


def test_who_else_was_busy_is_kept_and_all_the_others_are_not(
    tmp_path: Path, artifact: Artifact, runtime: RemoteRuntime
) -> None:
    protocol = replace(BRIEF, restarts=1, min_seconds=1.0)
    busy = [sys.executable, "-c", "while True: pass"]
    with subprocess.Popen(busy) as competitor:
        seen = measure(ThisMachine(tmp_path), placed(artifact), runtime, calls_for(artifact), protocol=protocol)
        competitor.kill()
    assert not {"processes"} & {*seen.machine_before, *seen.machine_after}
    assert any(each["name"].startswith("python") for each in seen.machine_after["busiest"])


def test_a_machine_that_does_not_come_to_rest_is_measured_and_it_is_said(
    tmp_path: Path, artifact: Artifact, runtime: RemoteRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns_module, "settled", lambda *_: False)
    protocol = replace(BRIEF, settle_s=1.0)
    seen = measure(
        ThisMachine(tmp_path), placed(artifact), runtime, calls_for(artifact), protocol=protocol, facts=lambda _: {}
    )
    assert seen.machine_before == {"settled": False}
    assert "the machine had not come to rest when it was measured" in seen.stability.reasons


def test_artifacts_that_are_compared_run_in_turn(tmp_path: Path, artifact: Artifact, runtime: RemoteRuntime) -> None:
    target, heard = ThisMachine(tmp_path), []
    altered = tmp_path / "copy"
    altered.write_bytes(artifact.path.read_bytes())
    second = replace(placed(artifact), path=PurePosixPath(altered))
    first, other = measure_in_turn(
        target,
        [(placed(artifact), runtime), (second, runtime)],
        calls_for(artifact),
        protocol=BRIEF,
        facts=lambda _: {},
        note=lambda done, of: heard.append((done, of)),
    )
    jobs = [command[-1] for command in target.commands if command[0] != "rm"]
    assert len(set(jobs)) == 2
    assert jobs == jobs[:2] * 3
    assert heard == [(done, 6) for done in range(1, 7)]
    assert (first.artifact, other.artifact) == (artifact.path.name, "copy")
    assert len(first.runs) == len(other.runs) == 3
    assert rows_of(first.outputs) == rows_of(other.outputs)
    assert list((tmp_path / "jobs").iterdir()) == []


def test_inference_alone_gives_outputs_and_leaves_nothing_behind(
    tmp_path: Path, artifact: Artifact, runtime: RemoteRuntime
) -> None:
    outputs = infer(ThisMachine(tmp_path), placed(artifact), runtime, calls_for(artifact, INPUTS[:1]))
    assert rows_of(outputs)[0] == pytest.approx(expected()[0], abs=1e-5)
    assert list((tmp_path / "jobs").iterdir()) == []


def test_an_artifact_altered_on_the_device_is_an_error_of_its_transfer_and_leaves_nothing_behind(
    tmp_path: Path, artifact: Artifact, runtime: RemoteRuntime
) -> None:
    data = bytearray(artifact.path.read_bytes())
    data[-1] ^= 1
    (tmp_path / "model").write_bytes(data)
    there = RemoteArtifact(path=PurePosixPath(tmp_path / "model"), sha256=artifact.sha256, size_bytes=len(data))
    with pytest.raises(TransferError, match="push it again"):
        measure(ThisMachine(tmp_path), there, runtime, calls_for(artifact), protocol=BRIEF, facts=lambda _: {})
    assert list((tmp_path / "jobs").iterdir()) == []


def test_a_runner_that_never_ends_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol_module, "START_LIMIT_S", 0.3)
    stuck = DeviceRuntime(name="executorch", version="1", files={}, argv=("sleep", "60"))
    there = RemoteArtifact(path=PurePosixPath("/model"), sha256="0" * 64, size_bytes=1)
    with pytest.raises(CommandTimeoutError):
        infer(ThisMachine(tmp_path), there, RemoteRuntime(runtime=stuck, directory=PurePosixPath("/")), TWO_CALLS)


def running(word: str) -> list[str]:
    """The processes that have this word in their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended meanwhile
            if word.encode() in path.read_bytes():
                found.append(path.parent.name)
    return found


def test_a_runner_that_hangs_is_killed_with_its_children_and_leaves_the_device_clean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol_module, "START_LIMIT_S", 0.5)
    seconds = f"{60 + uuid.uuid4().int % 10**9 / 10**9:.9f}"
    hanging = DeviceRuntime(
        name="executorch", version="1", files={}, argv=("sh", "-c", f"sleep {seconds} & sleep {seconds}")
    )
    there = RemoteArtifact(path=PurePosixPath("/model"), sha256="0" * 64, size_bytes=1)
    with pytest.raises(CommandTimeoutError):
        infer(LocalTarget(tmp_path), there, RemoteRuntime(runtime=hanging, directory=PurePosixPath("/")), TWO_CALLS)
    assert running(seconds) == []
    assert list((tmp_path / "jobs").iterdir()) == []


@pytest.mark.parametrize(
    ("clock", "emulated", "threads", "alone"),
    [("instructions", True, 1, True), ("instructions", True, 2, False), ("wall", True, 1, False),
     ("instructions", False, 1, False)],
)  # fmt: skip
def test_one_thread_that_is_timed_by_a_boards_instructions_has_the_core_to_itself(
    tmp_path: Path, clock: Clock, emulated: bool, threads: int, alone: bool
) -> None:
    script = tmp_path / "runner.py"
    said = json.dumps(result_document(latency_ms=[1.0, 2.0] * 10, threads=threads))
    script.write_text(f"print('''{said}''')")
    made = DeviceRuntime(
        name="executorch", version="1", files={"runner.py": script}, argv=(sys.executable, "{runtime}/runner.py")
    )
    target = FakeTarget(tmp_path, emulated=emulated)
    measure(
        target,
        RemoteArtifact(path=PurePosixPath("/model.pte"), sha256=SHA256, size_bytes=1),
        RemoteRuntime(runtime=made, directory=PurePosixPath(tmp_path)),
        TWO_CALLS,
        options=RunOptions(threads=threads),
        protocol=replace(BRIEF, restarts=1),
        clock=clock,
        facts=lambda target: {},
    )
    (command,) = (each for each in target.commands if str(script) in each)
    assert ("chrt" in " ".join(command)) is alone
