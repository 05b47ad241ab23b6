"""A decoder's layer: its norm, its groups, its activations, and what it is without a part."""

import pytest
import torch
from torch.nn import functional

from edgewright.models.decoder_layer import RootMeanSquareNorm, activation_of
from tests import tiny_decoders


def test_the_norm_is_that_of_torch() -> None:
    norm, hidden = RootMeanSquareNorm(12, 1e-5), 3 * torch.randn(4, 12, generator=torch.Generator().manual_seed(0))
    norm.weight.data += torch.arange(12) / 5
    expected = functional.rms_norm(hidden, (12,), norm.weight, eps=1e-5)
    assert float((norm(hidden) - expected).abs().max()) < 1e-5


@pytest.mark.parametrize("name", ["silu", "gelu", "gelu_new", "gelu_pytorch_tanh", "gelu_fast", "relu"])
def test_activations_are_those_of_transformers(name: str) -> None:
    from transformers.activations import ACT2FN

    values = torch.linspace(-6, 6, 101)
    assert float((activation_of(name)(values) - ACT2FN[name](values)).abs().max()) < 1e-6


def test_a_group_is_its_key_value_head_and_the_query_heads_that_read_it() -> None:
    layer = tiny_decoders.decoder("llama").layer(0)
    queries, keys, values = layer.rows_of([1])
    assert queries.tolist() == list(range(16, 32))
    assert keys.tolist() == list(range(32 + 8, 32 + 16))
    assert values.tolist() == list(range(48 + 8, 48 + 16))
