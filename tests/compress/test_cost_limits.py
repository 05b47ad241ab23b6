"""Costs of heads and neurons are those of the matrices and products they stand for."""

import pytest

from edgewright.compress.cost_limits import ByteCosts, MacCosts


def test_multiply_accumulates_are_those_of_projections_and_of_pairs_of_tokens() -> None:
    costs = MacCosts(width=32, head_width=8, length=16)
    projections = 4 * 16 * 32 * 8  # tokens × width × channels, for queries, keys, values and the output
    pairs = 2 * 16 * 16 * 8  # scores, and what is taken by them
    assert costs.attention(3) == 3 * (projections + pairs)
    assert costs.feed_forward(64) == 2 * 16 * 32 * 64


def test_bytes_are_those_of_weights_in_the_format_they_have() -> None:
    int8 = ByteCosts(width=32, head_width=8)
    assert int8.attention(4) == 4 * 32 * 32
    assert int8.feed_forward(64) == 2 * 32 * 64
    halves = ByteCosts(width=32, head_width=8, weight_bytes=0.5)
    assert halves.attention(4) == int8.attention(4) / 2
    assert halves.feed_forward(64) == int8.feed_forward(64) / 2


@pytest.mark.parametrize("costs", [MacCosts(width=32, head_width=8, length=16), ByteCosts(width=32, head_width=8)])
def test_nothing_kept_costs_nothing_and_what_is_fixed_is_apart(costs: MacCosts | ByteCosts) -> None:
    assert costs.fixed == 0
    assert costs.attention(0) == costs.feed_forward(0) == 0
