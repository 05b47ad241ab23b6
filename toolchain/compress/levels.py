"""What each layer may keep, and the error of that: nested choices of heads and neurons.

In:  a float transformer, and examples without labels.
Out: `LayerLevels` for each layer, from everything to nothing, with the error of each once the others are refitted.
Which level each layer gets is `search`'s decision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from edgewright.compress.elimination import elimination
from edgewright.compress.least_squares import Moments
from edgewright.compress.streams import SAMPLE_TOKENS, sampled
from edgewright.models.inputs import Inputs
from edgewright.models.linear_maps import matrix
from edgewright.models.model import TransformerModel


@dataclass(frozen=True, kw_only=True)
class LayerGrams:
    """Second moments, float64, of what a layer's two closing matrices read; the last row and column are of ones.

    `attention` is (heads × head_width + 1,) squared, `feed_forward` (neurons + 1,) squared. The variances (width,) are
    those of the residual stream's dimensions just after each part was added.
    """

    attention: Tensor
    feed_forward: Tensor
    attention_variance: Tensor
    feed_forward_variance: Tensor


@dataclass(frozen=True, kw_only=True)
class Level:
    """What stays of one part, in its old order, and the error of that: 0 for all of it."""

    kept: tuple[int, ...]
    error: float


@dataclass(frozen=True, kw_only=True)
class LayerLevels:
    """The choices there are for one layer, each from everything down to nothing."""

    heads: tuple[Level, ...]
    neurons: tuple[Level, ...]


@torch.no_grad()
def grams(model: TransformerModel, inputs: Inputs, *, tokens: int = SAMPLE_TOKENS) -> tuple[LayerGrams, ...]:
    """One pass over a sample of about so many tokens, evenly spread over `inputs`; padding does not count."""
    encoder, device = model.encoder, next(model.parameters()).device
    layers = encoder.stack
    width = encoder.shape.width
    read = [
        (
            Moments(layer.shape.heads * layer.shape.head_width, 0, device),
            Moments(layer.shape.neurons, 0, device),
            _Spread(width, device),
            _Spread(width, device),
        )
        for layer in layers
    ]
    for batch in sampled(model, inputs, tokens):
        hidden, counted = batch.student, batch.fit | batch.held
        for layer, (attention, feed_forward, after_attention, after_feed_forward) in zip(layers, read, strict=True):
            attended = layer.attended(hidden, batch.bias)
            if layer.shape.heads:
                attention.add(attended[counted])
            after_attention.add((hidden + layer.attention_output(attended))[counted])
            hidden = layer.with_attention(hidden, attended)
            activated = layer.activated(hidden)
            if layer.shape.neurons:
                feed_forward.add(activated[counted])
            after_feed_forward.add((hidden + layer.down(activated))[counted])
            hidden = layer.with_feed_forward(hidden, activated)
    return tuple(
        LayerGrams(
            attention=attention.gram / max(attention.rows, 1),
            feed_forward=feed_forward.gram / max(feed_forward.rows, 1),
            attention_variance=after_attention.variance,
            feed_forward_variance=after_feed_forward.variance,
        )
        for attention, feed_forward, after_attention, after_feed_forward in read
    )


class _Spread:
    """The variance of rows, added to batch by batch."""

    def __init__(self, width: int, device: torch.device) -> None:
        self.sums = torch.zeros(2, width, dtype=torch.float64, device=device)
        self.rows = 0

    def add(self, rows: Tensor) -> None:
        """(n, width)."""
        self.sums += torch.stack([rows.sum(dim=0), rows.square().sum(dim=0)])
        self.rows += len(rows)

    @property
    def variance(self) -> Tensor:
        """(width,) float64."""
        mean, square = (self.sums / max(self.rows, 1)).unbind()
        return (square - mean.square()).clamp(min=0)


@torch.no_grad()
def levels(
    model: TransformerModel, inputs: Inputs, *, multiple: int = 1, tokens: int = SAMPLE_TOKENS
) -> tuple[LayerLevels, ...]:
    """What each layer may keep: every count of heads, and counts of neurons that are multiples of `multiple`.

    Errors are shares of the variance of the residual stream to which the part is added, so that those of different
    layers and parts compare: a part that says little costs little even where nothing of it stays. Each dimension
    counts by its own variance, or the few that are loud in every text would be all that is kept.
    """
    by_layer = []
    for index, measured in enumerate(grams(model, inputs, tokens=tokens)):
        layer = model.encoder.layer(index)
        shape = layer.shape
        channels = torch.arange(shape.heads * shape.head_width).view(shape.heads, shape.head_width).tolist()
        neurons = [[neuron] for neuron in range(shape.neurons)]
        by_layer.append(
            LayerLevels(
                heads=_levels(measured.attention, measured.attention_variance, layer.attention_output, channels, 1),
                neurons=_levels(measured.feed_forward, measured.feed_forward_variance, layer.down, neurons, multiple),
            )
        )
    return tuple(by_layer)


def _levels(
    gram: Tensor, variance: Tensor, module: nn.Module, groups: Sequence[Sequence[int]], multiple: int
) -> tuple[Level, ...]:
    """From all groups to none; what is kept at one level contains what is kept at the next."""
    levels = [Level(kept=tuple(range(len(groups))), error=0.0)]
    if not groups:
        return tuple(levels)
    # A dimension that hardly varies is not to be all that counts.
    scale = variance.clamp(min=1e-4 * float(variance.mean()) + 1e-30).rsqrt()
    removed = elimination(gram, matrix(module) * scale[:, None], groups)
    for count in range(len(groups) - 1, -1, -1):
        if count % multiple == 0:
            gone = len(groups) - count
            error = removed.errors[gone - 1] / len(scale)
            levels.append(Level(kept=tuple(sorted(removed.order[gone:])), error=error))
    return tuple(levels)
