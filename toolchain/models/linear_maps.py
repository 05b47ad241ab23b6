"""Linear maps: one matrix, a product of two of low rank, or nothing but a bias; how they are copied and cut."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn


class LowRankLinear(nn.Module):
    """A linear map (…, inputs) → (…, outputs) through `rank` dimensions."""

    def __init__(self, inputs: int, outputs: int, rank: int, *, bias: bool = True) -> None:
        super().__init__()
        self.first = nn.Linear(inputs, rank, bias=False)
        self.second = nn.Linear(rank, outputs, bias=bias)

    def forward(self, hidden: Tensor) -> Tensor:
        """(…, inputs) → (…, outputs)."""
        output: Tensor = self.second(self.first(hidden))
        return output


class Constant(nn.Module):
    """What a part without heads or neurons still adds: the same vector (width,) to every token."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, hidden: Tensor) -> Tensor:
        """(…, anything) → (…, width), whatever the input holds."""
        return self.bias.expand(*hidden.shape[:-1], -1)


def linear(inputs: int, outputs: int, rank: int | None = None) -> nn.Module:
    """One matrix, or two where a rank is given; without inputs there is only a bias."""
    if not inputs:
        return Constant(outputs)
    return LowRankLinear(inputs, outputs, rank) if rank else nn.Linear(inputs, outputs)


def optional_linear(inputs: int, outputs: int, rank: int | None = None, *, biased: bool) -> nn.Module | None:
    """The same with a bias or without; None where there are neither inputs nor a bias."""
    if not inputs:
        return Constant(outputs) if biased else None
    return LowRankLinear(inputs, outputs, rank, bias=biased) if rank else nn.Linear(inputs, outputs, bias=biased)


def copy_linear(
    source: nn.Module, target: nn.Module, *, inputs: Tensor | None = None, outputs: Tensor | None = None
) -> None:
    """Fill a (low-rank or whole) linear map with the columns and rows of another of its kind; None takes all."""
    if isinstance(source, LowRankLinear) and isinstance(target, LowRankLinear):
        copy_linear(source.first, target.first, inputs=inputs)
        copy_linear(source.second, target.second, outputs=outputs)
        return
    if isinstance(target, Constant):
        target.bias.copy_(taken(last_bias(source), outputs))
        return
    rows = taken(cast(Tensor, source.weight), outputs)
    cast(Tensor, target.weight).copy_(rows if inputs is None else rows[:, inputs])
    if source.bias is not None:
        cast(Tensor, target.bias).copy_(taken(cast(Tensor, source.bias), outputs))


def rows_of(source: nn.Module, rows: slice) -> nn.Module:
    """A linear map, of the same form, that makes only these outputs of another."""
    if isinstance(source, LowRankLinear):
        return nn.Sequential(source.first, rows_of(source.second, rows))
    weight, bias = cast(Tensor, source.weight)[rows], cast(Tensor, source.bias)[rows]
    target = nn.Linear(weight.shape[1], weight.shape[0])
    with torch.no_grad():
        target.weight.copy_(weight)
        target.bias.copy_(bias)
    return target


def matrix(module: nn.Module) -> Tensor:
    """A linear map's whole matrix, (outputs, inputs), be it kept as one or as a product of two."""
    if isinstance(module, LowRankLinear):
        return module.second.weight @ module.first.weight
    return cast(Tensor, module.weight)


def last_bias(module: nn.Module) -> Tensor:
    """What a linear map, of whatever form, adds to its outputs."""
    end = module.second if isinstance(module, LowRankLinear) else module
    bias = cast(Tensor | None, end.bias)
    return cast(Tensor, end.weight).new_zeros(cast(nn.Linear, end).out_features) if bias is None else bias


def copy_norm(source: nn.Module, target: nn.Module, kept: Tensor | None) -> None:
    """Fill a layer norm with the dimensions of another that stay."""
    for ours, theirs in zip(target.parameters(), source.parameters(), strict=True):
        ours.copy_(taken(theirs, kept))


def taken(values: Tensor, kept: Tensor | None) -> Tensor:
    """The rows that stay; None takes all."""
    return values if kept is None else values[kept]
