"""The plugin's budgets: the nearest marker's limits count, and each that is missed is told with what was measured."""

from types import SimpleNamespace
from typing import Any

import pytest

from edgewright import pytest_plugin
from tests.measure.generation_examples import generation_measurement


def node(*markers: Any) -> Any:
    """A test; the nearest of its markers comes first, as pytest has it."""
    return SimpleNamespace(iter_markers=lambda name: (each.mark for each in markers if each.mark.name == name))


def result(*, p50: float | None = 4.0, stable: bool = True, clock: str = "wall", **sizes: int) -> Any:
    latency = None if p50 is None else SimpleNamespace(p50=p50)
    measurement = SimpleNamespace(
        latency=latency,
        artifact_bytes=sizes.get("artifact", 2_000_000),
        peak_rss_bytes=sizes.get("rss", 30_000_000),
        stable=stable,
        stability=SimpleNamespace(reasons=("it got hot", "it got slow")),
        clock=clock,
        runtime="litert",
    )
    return SimpleNamespace(measurement=measurement, bundle=SimpleNamespace(path="build/tickets"))


budget = pytest.mark.edge_budget


def test_the_nearest_marker_stands_above_those_of_the_class_and_module() -> None:
    limits = pytest_plugin._limits(node(budget(p50_ms=3), pytest.mark.slow, budget(p50_ms=9, artifact_mb=5)))
    assert limits == {"p50_ms": 3, "artifact_mb": 5}
    assert pytest_plugin._limits(node()) == {}


@pytest.mark.parametrize("marker", [budget(p99_ms=3), budget(40), budget("p50_ms")])
def test_what_is_no_limit_fails_the_test_with_those_that_are(marker: Any) -> None:
    with pytest.raises(pytest.fail.Exception, match=r"edge_budget takes p50_ms, peak_rss_mb, .*context, not "):
        pytest_plugin._limits(node(marker))


def test_within_its_budget_there_is_no_fault() -> None:
    assert pytest_plugin._faults(result(), {"p50_ms": 4.5, "artifact_mb": 2.5, "peak_rss_mb": 40}) == []
    assert pytest_plugin._faults(result(stable=False), {}) == []


def test_each_limit_that_is_missed_is_a_sentence() -> None:
    faults = pytest_plugin._faults(result(), {"p50_ms": 2, "artifact_mb": 1, "peak_rss_mb": 10})
    assert len(faults) == 3
    assert sorted(each.split()[0] for each in faults) == ["artifact_mb", "latency_ms", "peak_memory_mb"]
    assert any("4 ms" in each for each in faults)


def test_a_latency_that_is_not_stable_counts_for_no_budget_of_it() -> None:
    unsteady = result(stable=False)
    assert pytest_plugin._faults(unsteady, {"artifact_mb": 5}) == []
    assert pytest_plugin._faults(unsteady, {"p50_ms": 9}) == ["the measurement is not stable: it got hot; it got slow"]


@pytest.mark.parametrize(
    ("clock", "said"),
    [
        ("wall", "build/tickets (litert) on local::"),
        ("instructions", "build/tickets (litert) on local:, by a clock that counts instructions:"),
    ],
)
def test_a_failure_names_the_bundle_the_runtime_and_the_clock(clock: str, said: str) -> None:
    assert pytest_plugin._headline(result(clock=clock), "local:") == said


def writer(**changes: Any) -> Any:
    measurement = generation_measurement(**changes)
    return SimpleNamespace(measurement=measurement, bundle=SimpleNamespace(path="build/docstrings"))


def test_a_writers_first_token_is_limited_from_above_and_its_speed_and_context_from_below() -> None:
    assert pytest_plugin._faults(writer(), {"first_token_ms": 80, "tokens_per_second": 50, "context": 64}) == []
    faults = pytest_plugin._faults(writer(), {"first_token_ms": 40, "tokens_per_second": 60, "context": 128})
    assert [each.split(" ")[0] for each in faults] == ["first_token_ms", "tokens_per_second", "context"]
    assert "100 % over the limit of 40 ms" in faults[0]
    assert "50 % under the limit of 128 tokens" in faults[2]


def test_a_limit_of_writing_that_cannot_be_judged_fails_and_says_what_can_be() -> None:
    (emulated,) = pytest_plugin._faults(writer(clock="instructions", emulated=True), {"tokens_per_second": 5})
    assert "not known by a clock that counts instructions; limit p50_ms, which is of one token there" in emulated
    assert pytest_plugin._faults(writer(clock="instructions", emulated=True), {"p50_ms": 25, "context": 64}) == []
    for name in ("first_token_ms", "context"):
        (other,) = pytest_plugin._faults(result(), {name: 5})
        assert "of models that generate text, which build/tickets does not" in other
