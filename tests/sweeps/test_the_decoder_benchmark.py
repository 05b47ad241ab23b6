"""The benchmark of decoders says yes or no to each goal, and says of what it did not measure that it did not."""

from tests.benchmarks import decoder
from tests.benchmarks.decoder import NOT_MEASURED, Round, row, table


def test_a_goal_is_reached_from_its_own_side() -> None:
    assert row("faster", 0.95, goal=0.9)["reached"] is True
    assert row("faster", 0.85, goal=0.9)["reached"] is False
    assert row("smaller", 24.0, goal=25.0, is_most=True)["reached"] is True
    assert row("smaller", 26.0, goal=25.0, is_most=True)["reached"] is False
    assert row("beside it", 26.0)["reached"] is None


def test_what_was_not_measured_stands_in_the_table_without_a_value() -> None:
    shown = table({"rows": [row("decode", 0.85, goal=0.9)], "instructions": [], "not_measured": decoder.NOT_YET})
    assert "| decode | 0.85 | 0.9 | no |" in shown
    assert shown.count(NOT_MEASURED) == len(decoder.NOT_YET)
    assert "million" not in shown


def test_instructions_have_a_table_of_their_own() -> None:
    counted = {"core": "A53", "artifact": ".pte int8", "million_a_step": 51.26, "million_a_prompt_token": 20.04}
    assert "| A53 | .pte int8 | 51.3 | 20.0 |" in table({"rows": [], "instructions": [counted], "not_measured": []})


def test_speeds_are_ratios_of_the_processes_of_one_round() -> None:
    slow = Round(prefill_ms=64.0, step_ms=10.0, first_token_ms=64.5, peak_rss_bytes=1)
    fast = Round(prefill_ms=16.0, step_ms=2.0, first_token_ms=16.5, peak_rss_bytes=1)
    found = decoder.ratios_of([(slow, slow), (fast, fast), (slow, fast)])
    assert found == [1.0, 1.0, 0.2]
