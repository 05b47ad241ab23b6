"""int8 as the runtimes compute it, in PyTorch: to measure what it does to a model, and to train a model for it.

In:  a float model, the names of the parts that are to be int8, and for static scales the ranges of what they read.
Out: the model with those parts rounded, for as long as a context lasts.
Weights are scaled per output channel, tables per row; those of linear layers can have fewer bits. What a part reads is
quantised dynamically, per token, or per image where it is a convolution; or statically, with the scale of a range that
examples need. Where the model is trained, gradients pass the rounding as if it were not there (the
straight-through estimator of Bengio et al. 2013), but for values that a static range cuts off.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgewright.quantize.ranges import DEFAULT, Calibration, ObservedValues, Range, listening

INT8_BITS = 8
LARGEST = 127
INT4 = (-8, 7)  # the range that XNNPACK has kernels for
STEPS = 255
TINY = 1e-12
Part = nn.Linear | nn.Conv2d | nn.Embedding
Model = TypeVar("Model", bound=nn.Module)


def parts_of(model: nn.Module) -> dict[str, Part]:
    """The parts that int8 makes smaller, by their places in the model."""
    return {name: part for name, part in model.named_modules() if isinstance(part, Part)}


def linear_parts(model: nn.Module) -> tuple[str, ...]:
    """The names of those whose weights can have fewer than 8 bits."""
    return tuple(name for name, part in parts_of(model).items() if isinstance(part, nn.Linear))


@torch.no_grad()
def ranges_of(model: Model, run: Callable[[Model], object], *, calibration: Calibration = DEFAULT) -> dict[str, Range]:
    """The range of what each linear layer and convolution reads while `run` has the model run on examples."""
    values: dict[nn.Module, ObservedValues] = defaultdict(ObservedValues)
    names: dict[nn.Module, str] = {
        part: name for name, part in parts_of(model).items() if not isinstance(part, nn.Embedding)
    }
    with listening(names, lambda part, inputs: values[part].add(inputs)):
        run(model)
    return {names[part]: each.range(calibration) for part, each in values.items()}


@contextmanager
def as_int8(
    model: nn.Module,
    names: Sequence[str],
    *,
    ranges: Mapping[str, Range] | None = None,
    weight_bits: Mapping[str, int] | None = None,
    group: int | None = None,
) -> Iterator[None]:
    """Within it these parts of `model` compute as int8 does; with `ranges` on static scales.

    Those among them that `weight_bits` names have weights of so many bits, not 8, with a scale for each `group` of
    inputs where these are a multiple of it. What is trained within it are the parts themselves, which are float again
    afterwards.
    """
    parts = parts_of(model)
    originals = {name: parts[name] for name in names}
    try:
        for name, part in originals.items():
            span = ranges[name] if ranges and name in ranges else None
            model.set_submodule(name, _Int8(part, span, (weight_bits or {}).get(name, INT8_BITS), group))
        yield
    finally:
        for name, part in originals.items():
            model.set_submodule(name, part)


class _Int8(nn.Module):
    """A part with rounded weights, whose inputs are rounded on the way in."""

    def __init__(self, part: Part, span: Range | None, bits: int, group: int | None = None) -> None:
        super().__init__()
        self.part, self.span, self.bits = part, span, bits
        self.group = group if bits < INT8_BITS else None
        self.rounded: Tensor | None = None
        self.train(part.training)

    def train(self, mode: bool = True) -> _Int8:
        """While a model is measured its weights stay, and are rounded once."""
        super().train(mode)
        self.rounded = None
        return self

    def __getattr__(self, name: str) -> Any:
        """What a model reads of its part besides the output, such as a convolution's stride."""
        if name == "part":  # not there yet
            return super().__getattr__(name)
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(self.part, name)

    def forward(self, inputs: Tensor) -> Tensor:
        """As the part's own."""
        part, weight = self.part, self._weight()
        if isinstance(part, nn.Embedding):
            return functional.embedding(inputs, weight)
        if isinstance(part, nn.Linear):
            return functional.linear(self._read(inputs, (-1,)), weight, part.bias)
        output: Tensor = part._conv_forward(self._read(inputs, (-3, -2, -1)), weight, part.bias)
        return output

    def _weight(self) -> Tensor:
        if self.training:
            return _straight_through(self.part.weight, self._rounded_weight())
        if self.rounded is None:
            self.rounded = self._rounded_weight()
        return self.rounded

    def _rounded_weight(self) -> Tensor:
        return rounded_groups(self.part.weight.detach(), bits=self.bits, group=self.group)

    def _read(self, inputs: Tensor, over: tuple[int, ...]) -> Tensor:
        if self.span is None:
            return _straight_through(inputs, rounded_tokens(inputs.detach(), over))
        low, high = inputs.new_tensor(self.span.low), inputs.new_tensor(self.span.high)
        return _straight_through(inputs.clamp(low, high), rounded_between(inputs.detach(), low, high))


def rounded_rows(weights: Tensor, *, bits: int = INT8_BITS) -> Tensor:
    """Weights (rows, …) as int8 has them: integer multiples of a 127th of each row's largest.

    Of fewer bits all levels are used, so that of 4 bits the largest weight is seven and a half steps, as ExecuTorch has
    it; LiteRT's are sevenths.
    """
    low, high = (-LARGEST, LARGEST) if bits == INT8_BITS else (-(1 << bits - 1), (1 << bits - 1) - 1)
    largest = weights.abs().flatten(1).amax(dim=1).clamp_min(TINY)
    scales = (2 * largest / (high - low)).view(-1, *[1] * (weights.ndim - 1))
    return (weights / scales).round().clamp(low, high) * scales


def rounded_groups(weights: Tensor, *, bits: int, group: int | None) -> Tensor:
    """The same with a scale for each `group` of a row's numbers, where a row (rows, inputs) is a multiple of it."""
    if group is None or weights.ndim != 2 or weights.shape[1] % group:
        return rounded_rows(weights, bits=bits)
    return rounded_rows(weights.reshape(-1, group), bits=bits).reshape(weights.shape)


def rounded_tokens(hidden: Tensor, over: tuple[int, ...] = (-1,)) -> Tensor:
    """Activations as runtimes round them dynamically: from the smallest to the largest of a token (or image)."""
    return rounded_between(hidden, hidden.amin(dim=over, keepdim=True), hidden.amax(dim=over, keepdim=True))


def rounded_between(values: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Values in 256 steps from `low` to `high`, 0 among them; what lies outside is cut off."""
    low, high = low.clamp_max(0), high.clamp_min(0)
    scale = ((high - low) / STEPS).clamp_min(TINY)
    zero = (-low / scale).round()
    return ((values / scale).round().add(zero).clamp(0, STEPS) - zero) * scale


def _straight_through(values: Tensor, rounded: Tensor) -> Tensor:
    """The rounded values, with the gradient of the unrounded ones."""
    return values + (rounded - values).detach()
