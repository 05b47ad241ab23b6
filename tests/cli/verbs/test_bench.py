"""The verb `bench`: what is asked of a measurement, what is told of it and what is kept."""

import json
from pathlib import Path
from typing import Any

import pytest

from edgewright.cli.main import main
from edgewright.specs.budget import Budget, Verdict, judge
from tests.cli.verb_work import (
    BENCHING,
    Result,
    bench_document,
    stand_in,
)


@pytest.mark.parametrize(
    ("changed", "note"),
    [
        ({}, "these are not a board's milliseconds"),
        ({"clock": "wall"}, "They say nothing about a board's speed"),
    ],
)
def test_a_bench_on_an_emulated_target_says_what_its_clock_is_not(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], changed: dict[str, Any], note: str
) -> None:
    given: dict[str, Any] = {}

    def bench(bundle: Path, address: str, **options: Any) -> Result:
        given.update(options, bundle=bundle, address=address)
        return Result(Verdict(met=True, undecided=("latency_ms",)), bench_document(**changed))

    stand_in(monkeypatch, BENCHING, bench)
    assert main(["bench", "out", "--target", "emulated://raspberry-pi-4", "--threads", "2", "--quick"]) == 0
    said = capfd.readouterr().out
    assert note in " ".join(said.split())
    assert "Not measured here: latency_ms." in said
    given.pop("progress")
    assert given == {
        "bundle": Path("out"),
        "address": "emulated://raspberry-pi-4",
        "runtime": None,
        "quick": True,
        "threads": 2,
        "batched": False,
        "against_float": False,
        "operators": False,
        "wait_s": 0,
        "cores": (),
        "etdump": None,
        "prompt_tokens": (),
        "contexts": (),
    }


def test_a_history_that_cannot_be_written_is_a_warning_and_the_result_stands(
    monkeypatch: pytest.MonkeyPatch, own_history: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    own_history.parent.mkdir()
    own_history.write_text("no database")
    stand_in(monkeypatch, BENCHING, lambda *_, **__: Result(Verdict(met=True), bench_document()))
    assert main(["bench", "out", "--target", "local:", "--json"]) == 0
    said = capfd.readouterr()
    assert json.loads(said.out)["bundle"] == bench_document()["bundle"]
    assert "warning: this bench is not in the history" in said.err


def test_a_bench_on_a_real_board_has_no_such_note(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    document = bench_document(emulated=False, clock="wall", target="ssh://pi@board")
    stand_in(monkeypatch, BENCHING, lambda *_, **__: Result(Verdict(met=True), document))
    assert main(["bench", "out", "--target", "ssh://pi@board"]) == 0
    assert "Emulated" not in capfd.readouterr().out


def test_a_budget_that_a_measurement_misses_is_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    missed = judge(Budget(latency_ms=5), latency_ms=11.5)
    stand_in(monkeypatch, BENCHING, lambda *_, **__: Result(missed, bench_document()))
    assert main(["bench", "out", "--target", "local:"]) == 1
    assert "Budget missed: latency_ms is 11.5 ms" in " ".join(capfd.readouterr().out.split())


def test_operators_that_a_runtime_does_not_time_are_told_as_such(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    stand_in(monkeypatch, BENCHING, lambda *_, **__: Result(Verdict(met=True), bench_document()))
    assert main(["bench", "out", "--target", "local:", "--operators"]) == 0
    assert "the executorch runtime does not tell the time of its operators" in capfd.readouterr().err


def test_cores_are_read_as_ranges_and_what_is_no_range_is_refused(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    cores: list[Any] = []

    def bench(*_: Any, **how: Any) -> Result:
        cores.append(how["cores"])
        return Result(Verdict(met=True), bench_document())

    stand_in(monkeypatch, BENCHING, bench)
    assert main(["bench", "out", "--target", "local:", "--cores", "1,4-6"]) == 0
    assert main(["bench", "out", "--target", "local:", "--cores", "six"]) == 2
    assert cores == [(1, 4, 5, 6)]
    assert "six" in capfd.readouterr().err


def test_lengths_of_prompts_and_contexts_are_read_as_lists_and_what_is_no_list_is_refused(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    asked: list[Any] = []

    def bench(*_: Any, **how: Any) -> Result:
        asked.append((how["prompt_tokens"], how["contexts"]))
        return Result(Verdict(met=True), bench_document())

    stand_in(monkeypatch, BENCHING, bench)
    told = ["bench", "out", "--target", "local:"]
    assert main([*told, "--prompt-tokens", "16, 64,256", "--contexts", "512"]) == 0
    assert asked == [((16, 64, 256), (512,))]
    for flag in ("--prompt-tokens", "--contexts"):
        for wrong in ("16,x", "0", "-4", "16,"):
            assert main([*told, flag, wrong]) == 2
            assert f"{flag} is {wrong!r}; give numbers of tokens, as 16,64,256" in capfd.readouterr().err
