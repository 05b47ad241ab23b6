"""Programs of several methods with unlike tensors and state: calls in any order give what torch gives in that order."""

import platform
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest
import torch

from edgewright.errors import RunnerError
from edgewright.measure.kept import KeptRunner
from edgewright.measure.measuring import infer, measure
from edgewright.measure.protocol import Protocol, RemoteArtifact, RemoteRuntime
from edgewright.runtimes.device import runtime_for
from edgewright.runtimes.table import RUNTIMES
from edgewright.specs.signature import Array, Call
from tests.device_scripts.artifacts import Artifact, arrays_of, lay_out, run_job, write_calls_job
from tests.device_scripts.stateful import (
    STATE,
    adding,
    buffered_artifact,
    by_torch,
    every_dtype_artifact,
    of_one_graph,
    random_calls,
    shape_of,
    stateful_artifact,
)
from tests.measure.examples import ThisMachine

SEEDS = range(3)
BUFFERED = Call(method="add", entry="add", inputs={}, outputs=("total",), elements=3)


@pytest.fixture(params=RUNTIMES, scope="module")
def runtime(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> RemoteRuntime:
    return laid_out(request.param, tmp_path_factory.mktemp(f"signatures-{request.param}"))


def laid_out(name: str, place: Path) -> RemoteRuntime:
    made = runtime_for(name, machine=platform.machine())
    return RemoteRuntime(runtime=made, directory=PurePosixPath(lay_out(made, place / "runtime")))


def remote(artifact: Artifact) -> RemoteArtifact:
    return RemoteArtifact(
        path=PurePosixPath(artifact.path),
        sha256=artifact.sha256,
        size_bytes=artifact.path.stat().st_size,
        state=STATE,
    )


def asked_of(runtime: RemoteRuntime, seed: int) -> tuple[RemoteArtifact, list[Call], list[dict[str, Array]]]:
    """An artifact, calls of it as its files name them, and what torch gives for them."""
    name = runtime.runtime.name
    only = ("write", "read")[seed % 2] if name == "onnx" else None
    calls = random_calls(seed, only=only)
    return remote(stateful_artifact(name, only=only)), of_one_graph(calls) if only else calls, by_torch(calls)


def require_alike(found: Sequence[dict[str, Array]], wanted: Sequence[dict[str, Array]]) -> None:
    assert len(found) == len(wanted)
    for ours, theirs in zip(found, wanted, strict=True):
        assert ours.keys() == theirs.keys()
        for name, array in ours.items():
            assert array.dtype == theirs[name].dtype
            assert array.shape == theirs[name].shape
            np.testing.assert_allclose(array.astype(np.float64), theirs[name].astype(np.float64), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_calls_in_any_order_give_what_torch_gives_in_that_order(
    tmp_path: Path, runtime: RemoteRuntime, seed: int
) -> None:
    artifact, calls, wanted = asked_of(runtime, seed)
    require_alike(infer(ThisMachine(tmp_path), artifact, runtime, calls), wanted)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_runner_that_stays_keeps_the_state_from_line_to_line(runtime: RemoteRuntime, seed: int) -> None:
    artifact, calls, wanted = asked_of(runtime, seed)
    with KeptRunner(artifact, runtime) as kept:
        found = [kept.outputs([call])[0] for call in calls]
        require_alike(found, wanted)
        require_alike(kept.outputs(calls), wanted)


@pytest.mark.parametrize("initial", [False, True])
def test_a_program_with_buffers_of_its_own_keeps_them_until_a_call_resets_it(tmp_path: Path, initial: bool) -> None:
    runtime = laid_out("executorch", tmp_path)
    artifact = replace(remote(buffered_artifact(initial=initial)), state=())
    chance = np.random.default_rng(int(initial))
    names = ["add", "add", "subtract", "subtract", "add", "subtract", "add"]
    calls = [
        replace(BUFFERED, entry=name, inputs={"row": chance.normal(size=(1, 3)).astype(np.float32)}, reset=place == 4)
        for place, name in enumerate(names)
    ]
    wanted = []
    modules: dict[str, Any] = {}
    for call in calls:
        if call.reset:
            modules = {}
        module = modules.setdefault(call.entry, adding(call.entry, initial=initial))
        wanted.append({"total": module(torch.from_numpy(call.inputs["row"])).numpy().copy()})
    require_alike(infer(ThisMachine(tmp_path), artifact, runtime, calls), wanted)
    with KeptRunner(artifact, runtime) as kept:
        require_alike([kept.outputs([call])[0] for call in calls], wanted)
        again = kept.outputs([replace(calls[0], reset=True), *calls[1:]])
    require_alike(again, wanted)


def test_tensors_of_every_dtype_and_of_many_ranks_go_in_and_come_out(tmp_path: Path, runtime: RemoteRuntime) -> None:
    artifact, dtypes = every_dtype_artifact(runtime.runtime.name)
    chance = np.random.default_rng(0)
    inputs = {
        f"x_{name}": chance.integers(0, 2 if name == "bool" else 100, shape_of(place)).astype(name)
        for place, name in enumerate(dtypes)
    }
    outputs = tuple(f"y_{name}" for name in reversed(dtypes))
    call = Call(method="forward", entry="forward", inputs=inputs, outputs=outputs, elements=1)
    wanted = {f"y_{name}": np.swapaxes(inputs[f"x_{name}"], -1, -2) for name in dtypes}
    found = infer(ThisMachine(tmp_path), replace(remote(artifact), state=()), runtime, [call])
    require_alike(found, [wanted])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"state": ("kv",)}, "call 0"),
        ({"state": ("reads", "kv")}, "call 0"),
        ({"state": ()}, "call 0"),
        ({"outputs": ("total", "more")}, "call 0"),
        ({"state": ("kv", "reads", "other")}, 'the state "other", which is not there'),
    ],
)
def test_a_call_with_other_state_or_outputs_than_the_entry_has_is_refused(
    tmp_path: Path, runtime: RemoteRuntime, change: dict[str, Any], said: str
) -> None:
    name = runtime.runtime.name
    if name != "executorch" and change == {"state": ("reads", "kv")}:
        pytest.skip("by name, so the order does not matter")
    only = "write" if name == "onnx" else None
    (call,) = random_calls(0, 1, only="write")
    asked = replace(of_one_graph([call])[0] if only else call, **change)
    with pytest.raises(RunnerError, match=f"refused its job: .*{said}"):
        infer(ThisMachine(tmp_path), remote(stateful_artifact(name, only=only)), runtime, [asked])


def test_state_of_another_shape_or_dtype_than_the_entry_has_is_refused(tmp_path: Path, runtime: RemoteRuntime) -> None:
    artifact, calls, _ = asked_of(runtime, 0)
    for changed in ({"shape": (4, 4)}, {"dtype": "float64"}):
        state = (STATE[0].model_copy(update=changed), STATE[1])
        with pytest.raises(RunnerError, match=r'refused its job: the (tensor|state) "kv" of call 0 '):
            infer(ThisMachine(tmp_path), replace(artifact, state=state), runtime, calls)


def test_what_is_timed_goes_through_the_state_too(tmp_path: Path, runtime: RemoteRuntime) -> None:
    artifact, calls, wanted = asked_of(runtime, 1)
    protocol = Protocol(restarts=2, warmup_runs=2, warmup_s=0.0, samples=4, min_seconds=0.0, max_seconds=5.0)
    seen = measure(ThisMachine(tmp_path), artifact, runtime, calls, protocol=protocol, facts=lambda _: {})
    assert [len(run.latency_ms) for run in seen.runs] == [3 * len(calls)] * 2
    require_alike(seen.outputs, wanted)


@pytest.mark.skipif(shutil.which("qemu-aarch64-static") is None, reason="qemu-user-static is not installed")
@pytest.mark.skipif(shutil.which("aarch64-linux-gnu-g++") is None, reason="g++-aarch64-linux-gnu is not installed")
def test_the_cross_built_runner_keeps_state_on_the_instructions_of_a_board(tmp_path: Path) -> None:
    emulator = ("qemu-aarch64-static", "-cpu", "cortex-a72", "-L", "/usr/aarch64-linux-gnu")
    made, calls = runtime_for("executorch", machine="aarch64"), random_calls(3)
    job = write_calls_job(tmp_path, stateful_artifact("executorch"), calls, state=STATE, profile=True)
    ran = run_job(made, lay_out(made, tmp_path / "runtime"), job, through=emulator)
    assert ran.status == 0, ran.document
    require_alike(arrays_of(ran.document), by_torch(calls))
    assert ran.document["operators"]
