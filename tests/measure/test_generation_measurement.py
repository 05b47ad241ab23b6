"""Figures of generation are right by hand, rates are of real clocks alone, and unstable first tokens are told."""

from typing import Any

import pytest

from edgewright.measure.generation_measurement import Bandwidth
from tests.measure.generation_examples import CACHE, CONTEXT, generation_measurement, process


def told(**changes: Any) -> dict[str, Any]:
    document = generation_measurement(**changes).document()["generation"]
    assert isinstance(document, dict)
    return document


def test_figures_are_those_reckoned_by_hand() -> None:
    found = generation_measurement()
    document = told()
    assert (found.first_token_ms, document["first_token_ms"]) == (80.0, 80.0)  # the typical prompt has 32
    assert found.tokens_per_second == document["tokens_per_second"] == 50.0  # the slower context
    short, typical = document["prompts"]
    assert (short["tokens"], short["prefill_tokens_per_second"]) == (4, 500.0)
    assert (typical["tokens"], typical["prefill_tokens_per_second"]) == (32, 500.0)
    near, full = document["contexts"]
    assert (near["tokens_per_second"], full["tokens_per_second"]) == (100.0, 50.0)
    assert full["token_ms"]["p90"] == pytest.approx(20.2)
    assert full["tokens_per_second_low"] < 50.0 < full["tokens_per_second_high"]
    cache = 2 * CONTEXT * 8 * 4
    assert CACHE.name == "cache"
    assert (document["cache_bytes"], full["read_bytes_per_token"]) == (cache, 40_000_000 + cache)
    assert near["read_bytes_per_token"] == full["read_bytes_per_token"]  # a step looks at the whole cache
    known = told(token_bytes=25_000_000)
    assert {each["read_bytes_per_token"] for each in known["contexts"]} == {25_000_000}
    assert found.stable
    assert found.document()["input_lengths"] == [20, 64]


def test_what_is_read_of_memory_a_second_is_told_beside_what_one_core_copies() -> None:
    assert told()["bandwidth_share"] is None
    document = told(bandwidth=Bandwidth(copy_gb_s=8.0, source="the profile x"))
    assert document["contexts"][0]["read_gb_s"] == pytest.approx(4.0, rel=0.01)
    assert document["bandwidth_share"] == pytest.approx(0.5, rel=0.01)
    assert document["bandwidth_source"] == "the profile x"


def test_a_clock_of_instructions_tells_instructions_and_no_rates() -> None:
    document = told(clock="instructions", emulated=True)
    assert document["first_token_ms"] is document["tokens_per_second"] is None
    assert [each["instructions_per_token"] for each in document["contexts"]] == [5_000_000, 10_000_000]
    assert [each["first_token_instructions"] for each in document["prompts"]] == [5_000_000, 40_000_000]
    assert [each["prefill_instructions_per_token"] for each in document["prompts"]] == [1_000_000, 1_000_000]
    assert all(each["tokens_per_second"] is None for each in document["contexts"])
    assert document["bandwidth_share"] is None


def test_first_tokens_that_do_not_repeat_make_it_unstable_though_tokens_do() -> None:
    found = generation_measurement(*(process(1.0, 1.0, 1.0) for _ in range(3)))
    assert found.stable
    wild = [[each.model_copy() for each in one.run.generated] for one in found.processes]
    slow = [
        [text.model_copy(update={"first_token_ms": 80.0 * (1 + place % 3)}) for place, text in enumerate(texts)]
        for texts in wild
    ]
    processes = tuple(
        type(one)(run=one.run.model_copy(update={"generated": tuple(texts)}), workload=one.workload, uncounted=1)
        for one, texts in zip(found.processes, slow, strict=True)
    )
    stability = generation_measurement(*processes).stability
    assert not stability.stable
    assert any("the time to a first token varies by" in each for each in stability.reasons)
