"""Move the spread of activations into weights, where int8 bears it better; the model says what it said.

In:  a transformer, and examples.
Out: a copy in which what one layer makes and the next reads is scaled channel by channel, down on one side and up on
     the other, so that no channel is so large that the steps of a scale are too coarse for all others.
The scales are those of Xiao et al. 2023 (SmoothQuant): the largest activation to the power `strength` against the
largest weight to the rest. Between two linear maps this is the cross-layer equalisation of Nagel et al. 2019. It
reaches the norms that come before a part, the values that attention mixes, the middle of a product of low rank, and
such a token table. A norm that comes after a sum is read by the residual stream too, and stays as it is.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from toolchain.models.encoder import Encoder
from toolchain.models.model import TransformerModel
from toolchain.models.transformer import LINEARS, LowRankLinear, Transformer

STRENGTH = 0.5
TINY = 1e-6


@torch.no_grad()
def smoothed(
    model: TransformerModel, run: Callable[[TransformerModel], Any], *, strength: float = STRENGTH
) -> TransformerModel:
    """A smoothed copy of the model; `run` has a model run on examples."""
    smoother = copy.deepcopy(model).eval()
    pairs = list(_pairs(smoother.encoder))
    largest = _largest([reader for _, reader in pairs], lambda: run(smoother))
    for writer, reader in pairs:
        if (read := largest.get(reader)) is None:
            continue
        weights = reader.weight.abs().amax(dim=0)
        scales = read.clamp_min(TINY) ** strength / weights.clamp_min(TINY) ** (1 - strength)
        scales = torch.where((read > TINY) & (weights > TINY), scales, 1.0)
        for channels in writer:
            channels.div_(scales.view(-1, *[1] * (channels.ndim - 1)))
        reader.weight.mul_(scales)
    return smoother


def _pairs(encoder: Transformer) -> Iterator[tuple[Sequence[Tensor], nn.Linear]]:
    """(what makes each channel, channels first; the layer that alone reads them)."""
    if isinstance(encoder, Encoder) and encoder.shape.token_rank:
        yield [encoder.tokens.weight.data.T], encoder.token_projection
    for index in range(len(encoder.layers)):
        layer = encoder.layer(index)
        if layer.shape.heads:
            inner = layer.shape.heads * layer.shape.head_width
            made = _end(layer.query_key_value)
            values = slice(2 * inner, 3 * inner)
            yield [made.weight.data[values], made.bias.data[values]], _start(layer.attention_output)
            if layer.norm_first:
                yield _made_by(layer.attention_norm), _start(layer.query_key_value)
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


def _largest(readers: Sequence[nn.Linear], run: Callable[[], Any]) -> dict[nn.Linear, Tensor]:
    """The largest size of each channel that a layer reads while the examples run."""
    found: dict[nn.Linear, Tensor] = {}

    def heard(reader: nn.Linear, given: Any) -> None:
        largest = given[0].abs().flatten(0, -2).amax(dim=0)
        found[reader] = torch.maximum(found[reader], largest) if reader in found else largest

    hooks = [reader.register_forward_pre_hook(heard) for reader in readers]
    try:
        run()
    finally:
        for hook in hooks:
            hook.remove()
    return found
