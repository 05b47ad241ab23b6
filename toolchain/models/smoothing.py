"""Where channels may be rescaled: what one part of a transformer makes and another alone reads.

In:  a transformer.
Out: pairs of such parts. A norm that comes after a sum is read by the residual stream too, and is in none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

from torch import Tensor, nn

from edgewright.models.encoder import Encoder
from edgewright.models.linear_maps import LowRankLinear
from edgewright.models.model import TransformerModel
from edgewright.models.transformer_shape import LINEARS


def pairs_of(model: TransformerModel) -> Iterator[tuple[Sequence[Tensor], nn.Linear]]:
    """Token tables of low rank, attention's values, norms before a part, and the middle of products of low rank.

    Each is the tensors that make the channels, channels first and as they are in the model, and the layer that reads.
    """
    encoder = model.encoder
    if isinstance(encoder, Encoder) and encoder.shape.token_rank:
        yield [encoder.tokens.weight.data.T], encoder.token_projection
    for index in range(len(encoder.layers)):
        layer = encoder.layer(index)
        if layer.shape.heads:
            inner = layer.shape.heads * layer.shape.head_width
            made = _end(layer.query_key_value)
            values = slice(2 * inner, 3 * inner)
            yield [made.weight.data[values], made.bias.data[values]], _start(layer.attention_output)
            if layer.norm_first and layer.shape.normed:
                yield _made_by(cast(nn.LayerNorm, layer.attention_norm)), _start(layer.query_key_value)
        if layer.shape.neurons and layer.norm_first:
            yield _made_by(layer.feed_forward_norm), _start(layer.up)
        for name in LINEARS:
            if isinstance(part := getattr(layer, name, None), LowRankLinear):
                yield [part.first.weight.data], part.second


def _made_by(norm: nn.LayerNorm) -> Sequence[Tensor]:
    return [norm.weight.data, norm.bias.data]


def _start(part: nn.Module) -> nn.Linear:
    return part.first if isinstance(part, LowRankLinear) else cast(nn.Linear, part)


def _end(part: nn.Module) -> nn.Linear:
    return part.second if isinstance(part, LowRankLinear) else cast(nn.Linear, part)
