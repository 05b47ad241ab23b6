"""Move the spread of activations into weights, which tolerate int8 better; the outputs stay as they are.

In:  a model, pairs of what makes channels and the one layer that reads them, and examples.
Out: a copy in which each channel is scaled down on one side and up on the other, so that none is so large that a
     scale's step is too coarse for all others.
The scales are those of Xiao et al. 2023 (SmoothQuant): the largest activation to the power `strength` against the
largest weight to the rest. Between two linear maps this is the cross-layer equalisation of Nagel et al. 2019.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

from edgewright.quantize.ranges import listening

STRENGTH = 0.5
TINY = 1e-6
Model = TypeVar("Model", bound=nn.Module)
Pair = tuple[Sequence[Tensor], nn.Linear]
"""The tensors that make each channel, channels first, changed in place; and the one layer that reads the channels."""


@torch.no_grad()
def smoothed(
    model: Model,
    pairs_of: Callable[[Model], Iterable[Pair]],
    run: Callable[[Model], object],
    *,
    strength: float = STRENGTH,
) -> Model:
    """A smoothed copy; `pairs_of` gives the places where channels may be scaled, `run` runs a model on examples."""
    smoother = copy.deepcopy(model).eval()
    pairs = list(pairs_of(smoother))
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


def _largest(readers: Sequence[nn.Linear], run: Callable[[], object]) -> dict[nn.Module, Tensor]:
    """The largest size of each channel that a layer reads while the examples run."""
    sizes: dict[nn.Module, Tensor] = {}

    def observe(reader: nn.Module, inputs: Tensor) -> None:
        largest = inputs.abs().flatten(0, -2).amax(dim=0)
        sizes[reader] = torch.maximum(sizes[reader], largest) if reader in sizes else largest

    with listening(readers, observe):
        run()
    return sizes
