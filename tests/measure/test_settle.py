import itertools
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edgewright.measure import settle
from edgewright.targets.transports.fake import FakeTarget


def machine(monkeypatch: pytest.MonkeyPatch, *cores: float) -> None:
    """A machine that keeps so many cores busy, second after second, and from then on the last number of them."""
    spent = itertools.accumulate(itertools.chain([0.0], cores, itertools.repeat(cores[-1])))
    looks = ({"uptime_s": float(second), "busy_s": busy, "temperature_c": None} for second, busy in enumerate(spent))
    monkeypatch.setattr(settle, "read_facts", lambda *_: next(looks))
    clock = itertools.count()
    times = SimpleNamespace(monotonic=lambda: float(next(clock)), sleep=lambda _: None)
    monkeypatch.setattr(settle, "time", times)


def test_a_busy_machine_is_waited_for_and_one_hears_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, 1.0, 0.5, 0.02)
    heard: list[Any] = []
    assert settle.settled(FakeTarget(tmp_path), 30.0, lambda *told: heard.append(told))
    assert heard == [(1.0, 30.0), (2.0, 30.0)]


def test_a_machine_that_never_rests_is_given_up_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, 1.0)
    heard: list[Any] = []
    assert not settle.settled(FakeTarget(tmp_path), 4.0, lambda *told: heard.append(told))
    assert [waited for waited, _ in heard] == [1.0, 2.0, 3.0]
