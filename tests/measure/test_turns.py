"""Contenders take turns until all have enough; what fails afterwards is noted, and nothing is lost to it."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from edgewright.base.json_values import JsonValue
from edgewright.errors import TargetError
from edgewright.measure.protocol import Protocol
from edgewright.measure.turns import machine_afterwards, machine_at_rest, take_turns
from edgewright.targets.transports.local import LocalTarget


@dataclass
class Contender:
    name: str
    log: list[str]
    enough: int
    done: int = field(default=0)

    @property
    def count(self) -> int:
        return self.done

    @property
    def is_enough(self) -> bool:
        return self.done >= self.enough

    def run(self) -> None:
        self.done += 1
        self.log.append(self.name)

    def run_cold(self) -> None:
        self.log.append(f"{self.name} cold")


def order(protocol: Protocol, *enough: int) -> tuple[list[str], list[tuple[int, int]]]:
    log: list[str] = []
    heard: list[tuple[int, int]] = []
    contenders = [Contender(name, log, count) for name, count in zip("ab", enough, strict=False)]
    take_turns(contenders, protocol, lambda done, total: heard.append((done, total)))
    return log, heard


def test_each_is_run_before_the_next_round_until_all_have_enough() -> None:
    log, heard = order(Protocol(restarts=1, extra_restarts=5), 1, 3)
    assert log == ["a", "b"] * 3
    assert heard == [(1, 2), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6)]


def test_there_are_no_more_than_the_protocol_allows() -> None:
    assert order(Protocol(restarts=2, extra_restarts=1), 100)[0] == ["a"] * 3


def test_cold_starts_come_first_where_they_are_wanted() -> None:
    assert order(Protocol(restarts=1, cold=True), 1, 1)[0] == ["a cold", "b cold", "a", "b"]


def test_a_machine_that_cannot_be_read_afterwards_is_a_fault_that_is_told() -> None:
    def fails(_: Any) -> Any:
        raise TargetError("gone")

    before: dict[str, JsonValue] = {"processes": {}}
    after = machine_afterwards(LocalTarget(), fails, before, [])
    assert after["faults"] == ["how the machine was afterwards could not be read: gone"]
    assert before == {}


def test_a_machine_is_asked_to_come_to_rest_only_where_it_is_given_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgewright.measure.turns.settled", lambda *_: True)
    facts = {"cores": 4}
    assert machine_at_rest(LocalTarget(), Protocol(), lambda _: facts, None) == facts
    assert machine_at_rest(LocalTarget(), Protocol(settle_s=1), lambda _: facts, None) == {**facts, "settled": True}
