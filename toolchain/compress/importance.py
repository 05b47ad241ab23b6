"""How much each attention head and each feed-forward neuron contributes to its layer's output.

In:  a float encoder and a sample of texts.
Out: `LayerImportance` for each layer: one score a head, one a neuron; only their order within a layer has meaning.
Which ones go is `prune`'s decision.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from toolchain.models.encoder import Encoder, EncoderLayer
from toolchain.models.text import over_batches
from toolchain.models.tokenizer import Encoded


@dataclass(frozen=True, kw_only=True)
class LayerImportance:
    """Scores (heads,) and (neurons,), not negative."""

    heads: Tensor
    neurons: Tensor


@torch.inference_mode()
def activation_importance(encoder: Encoder, texts: Sequence[Encoded]) -> list[LayerImportance]:
    """The energy that each head and neuron adds to the residual stream, summed over all tokens of `texts`.

    For a neuron that is its squared activation times the squared norm of its output column: the activation-aware
    magnitude of Sun et al. 2023 (Wanda) taken over whole structures. For a head it is the squared norm of its share
    of the attention output.
    """
    totals = [
        LayerImportance(heads=torch.zeros(layer.heads), neurons=torch.zeros(layer.neurons))
        for layer in encoder.shape.layers
    ]
    for _, ids, mask in over_batches(texts):
        bias = encoder.attention_bias(mask)
        hidden = encoder.embedded(ids)
        for layer, total in zip(encoder.layers, totals, strict=True):
            hidden = _add_contributions(cast(EncoderLayer, layer), hidden, mask, bias, total)
    return totals


def _add_contributions(
    layer: EncoderLayer, hidden: Tensor, mask: Tensor, bias: Tensor, total: LayerImportance
) -> Tensor:
    """Add one batch's energies to `total` in place; return the layer's output."""
    tokens = mask[..., None]
    attended = layer.attended(hidden, bias)
    weights = layer.attention_output.weight
    for head in range(layer.heads):
        part = slice(head * layer.head_width, (head + 1) * layer.head_width)
        total.heads[head] += ((attended[..., part] * tokens) @ weights[:, part].T).square().sum()
    hidden = layer.attention_norm(hidden + layer.attention_output(attended))
    activated = layer.activated(hidden)
    energy = (activated * tokens).square().sum(dim=(0, 1))
    total.neurons.add_(energy * layer.down.weight.square().sum(dim=0))
    output: Tensor = layer.output_norm(hidden + layer.down(activated))
    return output
