"""Measuring a bundle: what is refused before a board is booted, what a result says, and what stays undecided."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edgewright.bundles.bundle import Bundle, write
from edgewright.devices import benchmark
from edgewright.devices.benchmark import BenchResult, bench
from edgewright.errors import InputError, ParityError
from edgewright.measure.measurement import Measurement
from edgewright.measure.results import parse_result
from edgewright.specs.budget import Budget
from tests.bundles.made import fill, manifest
from tests.measure.examples import SHA256, asked, completed, output, result_document

SAMPLES = [1.0, 1.01, 0.99, 1.0, 1.02, 0.98, 1.0, 1.0]


def measurement(*, emulated: bool = False, outputs: list[float] | None = None, batch: int = 1) -> Measurement:
    """Of the one example that the made bundle has."""
    document = result_document(latency_ms=SAMPLES, outputs=[[output([outputs or [1.0]])]])
    run = parse_result(completed(document), asked(outputs=(("output",),)))
    return Measurement(
        artifact="model.tflite",
        artifact_bytes=1000,
        runtime="litert",
        runtime_version="1.5.1",
        sha256=SHA256,
        target="ssh://pi@kitchen",
        emulated=emulated,
        clock="wall",
        threads=1,
        input_lengths=(2,),
        runs=(run,),
        machine_before={},
        machine_after={},
        batch=batch,
    )


class Board:
    """Stands for a machine and all that is asked of it: what was asked is kept, and `gives` is what it measures."""

    emulated = False

    def __init__(self) -> None:
        self.gives = measurement()
        self.doubt = ""
        self.closed = 0
        self.opened: list[str] = []
        self.calls: list[dict[str, Any]] = []

    def close(self) -> None:
        self.closed += 1

    def open(self, address: str, *, instruction_clock: bool) -> "Board":
        self.opened.append(address)
        return self

    @contextmanager
    def leased(self, *_: object, **__: object) -> Iterator[Any]:
        yield SimpleNamespace(
            doubt=self.doubt, hold=lambda _: None, hold_on=lambda _: None, recording=lambda: "the recorded device"
        )

    def measure_in_turn(
        self, target: object, contenders: list[Any], calls: object, **how: Any
    ) -> tuple[Measurement, ...]:
        assert target == "the recorded device"  # whose runner is ended where this process is killed
        self.calls.append(how)
        return tuple(self.gives for _ in contenders)


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> Board:
    board = Board()
    monkeypatch.setattr(benchmark, "open_target", board.open)
    monkeypatch.setattr(benchmark, "leased", board.leased)
    monkeypatch.setattr(benchmark, "measure_in_turn", board.measure_in_turn)
    monkeypatch.setattr(benchmark, "deploy_from", lambda *_, **__: SimpleNamespace(artifact=None, runtime=None))
    monkeypatch.setattr(benchmark, "blamed_on_age", lambda *_: nullcontext())
    return board


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    monkeypatch.setenv("EDGEWRIGHT_CACHE_DIR", str(tmp_path / "cache"))
    return write(tmp_path / "bundle", manifest, fill)


def with_budget(bundle: Bundle, **limits: float) -> Bundle:
    budget = Budget(**limits)
    return Bundle(
        path=bundle.path, folder=bundle.folder, manifest=bundle.manifest.model_copy(update={"budget": budget})
    )


def measured(bundle: Bundle | Path, **how: Any) -> BenchResult:
    return bench(bundle, "ssh://pi@kitchen", **how)


def test_a_result_says_what_was_measured_of_which_bundle(board: Board, bundle: Bundle) -> None:
    result = measured(bundle.path)
    summary = result.summary()
    assert (summary["bundle"], summary["name"], summary["metric"]) == (str(bundle.path), "tiny", "accuracy")
    assert (summary["score"], summary["target"]) == (0.5, "ssh://pi@kitchen")
    assert summary["parity"]["passed"] is True
    assert summary["latency_ms"]["samples"] == SAMPLES
    assert summary["budget"]["met"] is True
    assert "against_float" not in summary
    assert board.opened == ["ssh://pi@kitchen"]
    assert board.closed == 1


def test_a_target_that_was_opened_already_is_used_and_stays_open(board: Board, bundle: Bundle) -> None:
    open_one: Any = board
    measured(bundle, target=open_one)
    assert (board.opened, board.closed) == ([], 0)


def test_outputs_that_are_not_the_students_are_an_error_with_their_cosine(board: Board, bundle: Bundle) -> None:
    board.gives = measurement(outputs=[-1.0])
    with pytest.raises(
        ParityError, match=r"model\.tflite gives other outputs on ssh://pi@kitchen .*cosine is 0\.\d+, below 0\.98"
    ):
        measured(bundle)


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"against_float": True}, r"stages\.export\.float_reference = true"),
        ({"batched": True}, r"stages\.export\.batch = 8"),
        ({"runtime": "onnx"}, "artifact in .* for the runtime"),
    ],
)
def test_what_a_bundle_has_not_is_told_before_a_board_is_booted(
    how: dict[str, Any], says: str, board: Board, bundle: Bundle
) -> None:
    with pytest.raises(InputError, match=says):
        measured(bundle, **how)
    assert board.opened == []


def test_options_reach_the_measurement(board: Board, bundle: Bundle, tmp_path: Path) -> None:
    measured(bundle, threads=4, cores=[2, 3], operators=True, etdump=tmp_path / "a.etdp", quick=True)
    (how,) = board.calls
    options = how["options"]
    assert (options.threads, options.cores, options.profile, options.batch) == (4, (2, 3), True, 1)
    assert options.etdump == tmp_path / "a.etdp"


def test_a_lease_in_doubt_is_told_as_a_reason(board: Board, bundle: Bundle) -> None:
    board.doubt = "the lease was taken by another"
    assert "the lease was taken by another" in measured(bundle).measurement.stability.reasons


def test_a_limit_of_latency_is_judged_on_a_board_alone(board: Board, bundle: Bundle) -> None:
    strict = with_budget(bundle, latency_ms=0.5)
    assert [miss.name for miss in measured(strict).verdict.missed] == ["latency_ms"]
    for other in (measurement(emulated=True), measurement(batch=4)):
        board.gives = other
        verdict = measured(strict).verdict
        assert (verdict.missed, verdict.undecided) == ((), ("latency_ms",))


def test_a_prediction_that_fails_costs_no_measurement(
    board: Board, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(*_: object, **__: object) -> None:
        raise ValueError("the prices are damaged")

    monkeypatch.setattr(benchmark, "expected", damaged)
    assert measured(bundle).summary()["predicted"] == {"unknown": "the prices are damaged"}
