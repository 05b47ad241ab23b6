"""Two measurements of writing: first tokens and rates with intervals, and a gate in the right direction."""

from typing import Any

import pytest

from edgewright.base.json_values import JsonObject
from edgewright.measure.generation_process import GenerationProcess
from edgewright.report.compare import Comparison, compare
from edgewright.report.gate import GateLimits, decide
from edgewright.report.measured import measured_of
from tests.measure.generation_examples import generation_measurement, process


def processes(scale: float) -> tuple[GenerationProcess, ...]:
    """So many times as slow, within a per mille."""
    return tuple(process(*(scale * (1 + spread / 1000) for spread in (-1, 0, 1))) for _ in range(7))


def document(scale: float = 1.0, **changes: Any) -> JsonObject:
    return {"bundle": "build/docstrings", **generation_measurement(*processes(scale), **changes).document()}


def compared(before: JsonObject, after: JsonObject) -> Comparison:
    return compare(measured_of(before, "before"), measured_of(after, "after"))


def test_a_slower_writer_has_a_later_first_token_and_fewer_tokens_a_second() -> None:
    comparison = compared(document(), document(1.25))
    assert comparison.obstacles == ()
    assert comparison.latency is None
    first, rate = comparison.speeds
    assert (first.name, first.unit, first.more_is_better) == ("first token", "ms", False)
    assert first.change_percent == pytest.approx(25, abs=0.1)
    assert (rate.name, rate.unit, rate.more_is_better) == ("tokens per second", "tokens/s", True)
    assert rate.change_percent == pytest.approx(-20, abs=0.1)
    assert rate.low_percent is not None
    assert rate.high_percent is not None
    assert rate.low_percent < rate.change_percent < rate.high_percent
    assert rate.after == pytest.approx(rate.before / 1.25, rel=0.01)


@pytest.mark.parametrize(
    ("scale", "outcomes", "passes"),
    [(1.0, ("passed", "passed"), True), (1.25, ("failed", "failed"), False), (0.8, ("passed", "passed"), True)],
)
def test_a_gate_fails_what_is_slower_and_lets_what_is_faster_in(
    scale: float, outcomes: tuple[str, ...], passes: bool
) -> None:
    decision = decide(compared(document(), document(scale)), GateLimits(slowdown_percent=10))
    assert tuple(each.outcome for each in decision.findings) == outcomes
    assert [each.name for each in decision.findings] == ["slowdown of first token", "slowdown of tokens per second"]
    assert decision.passed is passes
    assert "a loss of 10 % is allowed" in decision.findings[1].sentence
    assert "tokens/s: " in decision.findings[1].sentence


def test_an_interval_across_the_limit_is_unsure_in_both_directions() -> None:
    decision = decide(compared(document(), document(1.02)), GateLimits(slowdown_percent=2))
    assert {each.outcome for each in decision.findings} == {"unsure"}
    assert decision.passed


def test_by_a_clock_of_instructions_their_times_are_compared_and_no_rates() -> None:
    both = [document(scale, clock="instructions", emulated=True) for scale in (1.0, 1.1)]
    first, token = compared(*both).speeds
    assert (first.name, token.name, token.more_is_better) == ("first token", "token", False)
    assert token.change_percent == pytest.approx(10, abs=0.01)


def test_other_lengths_of_prompts_and_one_that_does_not_write_are_obstacles() -> None:
    before, after = document(), document()
    prompts = after["generation"]["prompts"]  # type: ignore[index,call-overload]
    other = {**after, "generation": {**after["generation"], "prompts": prompts[:1]}}  # type: ignore[dict-item]
    found = compared(before, other)
    assert found.obstacles == ("their prompts had other lengths",)
    assert [each.name for each in found.speeds] == ["tokens per second"]
    plain = {name: value for name, value in after.items() if name != "generation"}
    assert "one generates text, and the other does not" in compared(before, plain).obstacles
