"""What every transformer family is made of: an embedding, layers that each have their own sizes, and how it is cut.

In:  shapes, and for a cut the heads, channels, neurons and residual dimensions that stay.
Out: `Transformer`, the base of `encoder` (texts) and `vision` (images). Query, key and value are one matrix; any
     matrix may be two of low rank; a layer may have lost its attention or its feed-forward part altogether.
Which parts go is `compress`'s decision; pooling and class heads are `model`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Self, cast

import torch
from torch import Tensor, nn

from edgewright.models.linear_maps import LowRankLinear, copy_linear, copy_norm
from edgewright.models.token_positions import Bias
from edgewright.models.transformer_layer import TransformerLayer
from edgewright.models.transformer_shape import LayerCut, LayerShape, TransformerShape


class Transformer(nn.Module):
    """Inputs to one hidden vector a token; a family says how inputs are embedded and what closes the stack."""

    shape: TransformerShape
    family: ClassVar[str]

    def __init__(self, shape: TransformerShape) -> None:
        super().__init__()
        self.shape = shape
        self.layers = nn.ModuleList(TransformerLayer(shape, layer) for layer in shape.layers)

    def embedded(self, *inputs: Tensor | None) -> Tensor:
        """The first residual stream, (…, length, width)."""
        raise NotImplementedError

    def bias(self, *inputs: Tensor | None) -> Bias:
        """What is added to attention scores, (…, 1, 1, length), or more; None where every token counts alike."""
        raise NotImplementedError

    @property
    def tokens_each(self) -> int:
        """How many tokens an example has for each unit of its size: 1 for a text, whose size is its tokens."""
        return 1

    def mask(self, *inputs: Tensor | None) -> Tensor | None:
        """(…, length), 1 for a token and 0 for padding; None where there is no padding."""
        raise NotImplementedError

    def closed(self, hidden: Tensor) -> Tensor:
        """What follows the last layer; by default nothing."""
        return hidden

    def forward(self, *inputs: Tensor | None) -> Tensor:
        """A batch of the family's inputs → (…, length, width)."""
        bias = self.bias(*inputs)
        hidden = self.embedded(*inputs)
        for layer in self.layers:
            hidden = layer(hidden, bias)
        return self.closed(hidden)

    def all_hidden(self, *inputs: Tensor | None) -> list[Tensor]:
        """The residual stream before each layer, first to last, and the output: one more than there are layers."""
        bias = self.bias(*inputs)
        states = [self.embedded(*inputs)]
        for layer in self.layers:
            states.append(layer(states[-1], bias))
        return [*states[:-1], self.closed(states[-1])]

    def layer(self, index: int) -> TransformerLayer:
        """One layer, typed."""
        return cast(TransformerLayer, self.layers[index])

    @property
    def stack(self) -> tuple[TransformerLayer, ...]:
        """The layers, typed, first to last."""
        return tuple(self.layer(index) for index in range(len(self.layers)))

    def sliced(self, cuts: Sequence[LayerCut], *, width: Sequence[int] | None = None) -> Self:
        """A new, smaller model that keeps these layers, heads and neurons, in this order.

        `width` names the dimensions of the residual stream that stay; None keeps all.
        """
        for cut in cuts:
            if cut.query_key:
                self.shape.require_whole_heads(len(cut.query_key[0]))
        kept = None if width is None else torch.as_tensor(list(width))
        layers = tuple(_cut_shape(self.layer(cut.layer), cut) for cut in cuts)
        shape = replace(self.shape, layers=layers, width=self.shape.width if width is None else len(width))
        smaller = type(self)(shape)
        with torch.no_grad():
            self.copy_around(smaller, kept)
            for index, cut in enumerate(cuts):
                _copy_layer(self.layer(cut.layer), smaller.layer(index), cut, kept)
        return smaller.train(self.training)

    def copy_around(self, smaller: Self, kept: Tensor | None) -> None:
        """Fill all of `smaller` that is not in its layers; `kept` are the dimensions that stay, None for all."""
        raise NotImplementedError


def _cut_shape(source: TransformerLayer, cut: LayerCut) -> LayerShape:
    head_width = len(cut.query_key[0]) if cut.query_key else None
    return source.shape.kept(heads=cut.heads, neurons=len(cut.neurons), head_width=head_width)


def _copy_layer(source: TransformerLayer, target: TransformerLayer, cut: LayerCut, kept: Tensor | None) -> None:
    """Fill `target` with what `cut` keeps of `source`; `kept` are the residual dimensions that stay."""
    if cut.heads:
        query_key, value = (_channels(source.shape, cut.heads, each) for each in (cut.query_key, cut.value))
        inner = source.shape.heads * source.shape.head_width
        rows = torch.cat([query_key, query_key + inner, value + 2 * inner])
        copy_linear(source.query_key_value, target.query_key_value, inputs=kept, outputs=rows)
        _keep_scale(source.shape.head_width, target)
        copy_linear(source.attention_output, target.attention_output, inputs=value, outputs=kept)
        _copy_distances(source, target, cut)
    else:
        copy_linear(source.attention_output, target.attention_output, outputs=kept)
    neurons = torch.as_tensor(cut.neurons, dtype=torch.long)
    if cut.neurons:
        copy_linear(source.up, target.up, inputs=kept, outputs=source.up_rows(neurons))
    copy_linear(source.down, target.down, inputs=neurons if cut.neurons else None, outputs=kept)
    copy_norm(source.attention_norm, target.attention_norm, kept)
    copy_norm(source.feed_forward_norm, target.feed_forward_norm, kept)


def _copy_distances(source: TransformerLayer, target: TransformerLayer, cut: LayerCut) -> None:
    """The tables of distances: their heads and channels that stay."""
    if not source.shape.distances:
        return
    heads, width = torch.as_tensor(cut.heads), source.shape.head_width
    channels = torch.as_tensor(cut.query_key or [range(width)] * len(cut.heads))[:, None, :]
    rows = torch.arange(source.shape.distances)[None, :, None]
    target.distance_keys.copy_(source.distance_keys[heads[:, None, None], rows, channels])
    target.distance_queries.copy_(source.distance_queries[heads[:, None, None], rows, channels])


def _channels(shape: LayerShape, heads: Sequence[int], channels: Sequence[Sequence[int]] | None) -> Tensor:
    """The places of the kept heads' kept channels in one of the three parts of `query_key_value`."""
    chosen = channels if channels is not None else [range(shape.head_width)] * len(heads)
    return torch.as_tensor(
        [head * shape.head_width + channel for head, own in zip(heads, chosen, strict=True) for channel in own]
    )


def _keep_scale(head_width: int, target: TransformerLayer) -> None:
    """Scores are divided by the root of the head's width; a narrower head's queries make up for it."""
    if target.shape.head_width == head_width:
        return
    inner = target.shape.heads * target.shape.head_width
    factor = (target.shape.head_width / head_width) ** 0.5
    module = target.query_key_value
    final = module.second if isinstance(module, LowRankLinear) else module
    for values in (final.weight, final.bias):
        cast(Tensor, values)[:inner] *= factor
