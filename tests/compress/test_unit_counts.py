"""Counts of heads and neurons are those asked for, rounded up to what a device computes in, and never more than is."""

import pytest
import torch

from edgewright.compress.importance_scores import Importance, LayerImportance, UnitKind
from edgewright.compress.unit_counts import PruneSizes, global_counts, rounded, uniform_counts
from edgewright.models.transformer_shape import LayerShape, TransformerShape

SHAPE = TransformerShape(
    width=32,
    layers=(LayerShape(heads=4, head_width=8, neurons=16), LayerShape(heads=2, head_width=8, neurons=8)),
)


def scored(first: float, second: float, kind: UnitKind = "fisher") -> Importance:
    """All of a layer's parts have the same score."""
    return Importance(
        kind=kind,
        layers=tuple(
            LayerImportance(
                heads=torch.full((layer.heads,), score),
                neurons=torch.full((layer.neurons,), score),
                query_key=torch.ones(layer.heads, 8),
                value=torch.ones(layer.heads, 8),
                layer=torch.tensor(score),
            )
            for layer, score in zip(SHAPE.layers, (first, second), strict=True)
        ),
        width=torch.ones(32),
    )


@pytest.mark.parametrize(
    ("count", "available", "multiple", "expected"),
    [(None, 10, 4, 10), (5, 12, 4, 8), (8, 12, 4, 8), (11, 10, 4, 10), (0, 10, 4, 0), (99, 10, 1, 10)],
)
def test_a_count_goes_up_to_a_multiple_but_not_beyond_what_there_is(
    count: int | None, available: int, multiple: int, expected: int
) -> None:
    assert rounded(count, available, multiple) == expected


def test_each_layer_keeps_the_same_as_far_as_it_has_so_many() -> None:
    sizes = PruneSizes(heads=3, neurons=10)
    assert uniform_counts(SHAPE, sizes, (0, 1)) == [(3, 10), (2, 8)]
    assert uniform_counts(SHAPE, sizes, (1,)) == [(2, 8)]


def test_heads_are_rounded_so_that_all_their_channels_are_a_multiple() -> None:
    # Heads of 8 channels: two of them are 16 channels, and of 4 channels each it takes four.
    assert uniform_counts(SHAPE, PruneSizes(heads=1, multiple=16), (0,)) == [(2, 16)]
    assert uniform_counts(SHAPE, PruneSizes(heads=1, head_width=4, multiple=4), (0,)) == [(1, 16)]
    assert uniform_counts(SHAPE, PruneSizes(heads=1, multiple=8), (0,)) == [(1, 16)]


def test_an_average_goes_to_the_layer_that_matters_more() -> None:
    sizes = PruneSizes(heads=2, neurons=8, ranking="global")
    assert global_counts(SHAPE, scored(2, 1), sizes, (0, 1)) == [(4, 16), (0, 0)]
    assert global_counts(SHAPE, scored(1, 2), sizes, (0, 1)) == [(2, 8), (2, 8)]


def test_what_is_not_named_stays_whole() -> None:
    found = global_counts(SHAPE, scored(1, 2), PruneSizes(heads=1, ranking="global"), (0, 1))
    assert found == [(0, 16), (2, 8)]


def test_scores_of_layers_with_scales_of_their_own_are_shares_of_their_layers() -> None:
    # By activation a layer ten times as loud has no more to say: each of its four heads has less of its sum.
    sizes = PruneSizes(heads=1, neurons=4, ranking="global")
    assert global_counts(SHAPE, scored(10, 1, "activation"), sizes, (0, 1)) == [(0, 0), (2, 8)]
    assert global_counts(SHAPE, scored(10, 1, "taylor"), sizes, (0, 1)) == [(2, 8), (0, 0)]


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75, 1.0])
def test_a_share_of_the_work_stays_and_at_most_one_block_more(share: float) -> None:
    counts = global_counts(SHAPE, scored(2, 1), PruneSizes(share=share), (0, 1))
    head, neuron = 4 * 8 * 32, 2 * 32
    whole = sum(layer.heads * head + layer.neurons * neuron for layer in SHAPE.layers)
    kept = sum(heads * head + neurons * neuron for heads, neurons in counts)
    assert share * whole <= kept < share * whole + head


def test_scores_of_nothing_at_all_are_no_fault() -> None:
    counts = global_counts(SHAPE, scored(0, 0, "activation"), PruneSizes(heads=1, neurons=4, ranking="global"), (0, 1))
    assert sum(heads for heads, _ in counts) == 2
    assert sum(neurons for _, neurons in counts) == 8
