"""Several machines at once; what is done on each of them is replaced by small stand-ins."""

import signal
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edgewright.devices import fleet
from edgewright.devices.fleet import bench_all
from edgewright.devices.inventory import NamedTarget
from edgewright.errors import ToolchainError, UnreachableError
from edgewright.specs.budget import Verdict

MACHINES = tuple(NamedTarget(name=f"m{number}", address=f"ssh://pi@m{number}") for number in range(6))


@pytest.fixture(autouse=True)
def any_bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = SimpleNamespace(artifact=lambda runtime: None)
    monkeypatch.setattr(fleet, "Bundle", SimpleNamespace(open=lambda path: bundle))


def result(met: bool = True) -> Any:
    return SimpleNamespace(verdict=Verdict(met=met), summary=lambda: {"target": "there"})


def test_so_many_are_measured_at_a_time_and_no_result_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    busy, most, lock, together = [0], [0], threading.Lock(), threading.Barrier(3)

    def bench(bundle: object, address: str, **how: object) -> Any:
        assert how == {"runtime": "litert", "quick": True, "progress": how["progress"]}
        with lock:
            busy[0] += 1
            most[0] = max(most[0], busy[0])
        together.wait(timeout=60)
        with lock:
            busy[0] -= 1
        return result()

    monkeypatch.setattr(fleet, "bench", bench)
    outcomes = bench_all(Path("b"), MACHINES, jobs=3, runtime="litert", quick=True)
    assert [each.machine for each in outcomes] == list(MACHINES)
    assert {each.exit_code for each in outcomes} == {0}
    assert most == [3]


def test_one_that_fails_has_its_error_and_exit_code_and_the_others_their_results(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    faults: dict[str, Any] = {"ssh://pi@m1": UnreachableError("m1 is off"), "ssh://pi@m3": KeyError("a fault of ours")}

    def bench(bundle: object, address: str, **how: object) -> Any:
        if address in faults:
            raise faults[address]
        return result(met=address != "ssh://pi@m4")

    monkeypatch.setattr(fleet, "bench", bench)
    outcomes = bench_all("b", MACHINES, jobs=2)
    assert [each.exit_code for each in outcomes] == [0, 3, 0, ToolchainError.exit_code, 1, 0]
    told = outcomes[1].document()
    assert (told["name"], told["error"]) == ("m1", {"kind": "UnreachableError", "message": "m1 is off"})
    assert outcomes[0].document()["measurement"] == {"target": "there"}


def test_an_interruption_ends_every_machines_work_in_its_own_way(monkeypatch: pytest.MonkeyPatch) -> None:
    started, tidied = [], []

    def bench(bundle: object, address: str, **how: object) -> Any:
        started.append(address)
        try:
            while True:
                time.sleep(0.01)
        finally:
            tidied.append(address)

    def press_ctrl_c() -> None:
        while len(started) < 2:
            time.sleep(0.01)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(fleet, "bench", bench)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    threading.Thread(target=press_ctrl_c).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            bench_all("b", MACHINES, jobs=2)
    finally:
        signal.signal(signal.SIGINT, before)
    assert sorted(tidied) == sorted(started)
    assert len(started) == 2
