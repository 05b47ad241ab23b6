"""int8 as the runtimes compute it, in PyTorch: to see what it does to a model, and to teach a model to bear it.

In:  a float model, the names of the parts that are to be int8, and for static scales the ranges of what they read.
Out: the model with those parts rounded, for as long as a context lasts.
Weights are scaled per output channel, tables per row; those of linear layers can be int4. What a part reads is scaled
as it comes (dynamic): per token, or per image where it is a convolution; or with the scale of a range that examples
were seen to need (static). Where the model is trained, gradients pass the rounding as if it were not there (the
straight-through estimator of Bengio et al. 2013), but for values that a static range cuts off.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgewright.quantize.ranges import DEFAULT, Calibration, Range, Seen, listening

LARGEST = 127
INT4 = (-8, 7)  # the range that XNNPACK has kernels for
STEPS = 255
TINY = 1e-12
Part = nn.Linear | nn.Conv2d | nn.Embedding
Model = TypeVar("Model", bound=nn.Module)


def parts_of(model: nn.Module) -> dict[str, Part]:
    """All that int8 makes smaller, by its place in the model."""
    return {name: part for name, part in model.named_modules() if isinstance(part, Part)}


def linear_parts(model: nn.Module) -> tuple[str, ...]:
    """The names of those that can have int4 weights."""
    return tuple(name for name, part in parts_of(model).items() if isinstance(part, nn.Linear))


@torch.no_grad()
def ranges_of(model: Model, run: Callable[[Model], object], *, calibration: Calibration = DEFAULT) -> dict[str, Range]:
    """The range of what each linear layer and convolution reads while `run` has the model run on examples."""
    seen: dict[nn.Module, Seen] = defaultdict(Seen)
    names: dict[nn.Module, str] = {
        part: name for name, part in parts_of(model).items() if not isinstance(part, nn.Embedding)
    }
    with listening(names, lambda part, given: seen[part].add(given)):
        run(model)
    return {names[part]: values.range(calibration) for part, values in seen.items()}


@contextmanager
def as_int8(
    model: nn.Module,
    names: Sequence[str],
    *,
    ranges: Mapping[str, Range] | None = None,
    int4: Collection[str] = (),
) -> Iterator[None]:
    """Within it these parts of `model` compute as int8 does; with `ranges` on static scales.

    Those among them that are in `int4` have weights in int4. What is trained within it are the parts themselves, which
    are float again afterwards.
    """
    parts = parts_of(model)
    originals = {name: parts[name] for name in names}
    try:
        for name, part in originals.items():
            span = ranges[name] if ranges and name in ranges else None
            model.set_submodule(name, _Int8(part, span, int4=name in int4))
        yield
    finally:
        for name, part in originals.items():
            model.set_submodule(name, part)


class _Int8(nn.Module):
    """A part with rounded weights, whose inputs are rounded on the way in."""

    def __init__(self, whole: Part, span: Range | None, *, int4: bool) -> None:
        super().__init__()
        self.whole, self.span, self.int4 = whole, span, int4
        self.rounded: Tensor | None = None
        self.train(whole.training)

    def train(self, mode: bool = True) -> _Int8:
        """While a model is judged its weights stay, and are rounded once."""
        super().train(mode)
        self.rounded = None
        return self

    def __getattr__(self, name: str) -> Any:
        """What a model asks of its part besides the output, such as a convolution's stride."""
        if name == "whole":  # not there yet
            return super().__getattr__(name)
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(self.whole, name)

    def forward(self, given: Tensor) -> Tensor:
        """As the part's own."""
        whole, weight = self.whole, self._weight()
        if isinstance(whole, nn.Embedding):
            return functional.embedding(given, weight)
        if isinstance(whole, nn.Linear):
            return functional.linear(self._read(given, (-1,)), weight, whole.bias)
        output: Tensor = whole._conv_forward(self._read(given, (-3, -2, -1)), weight, whole.bias)
        return output

    def _weight(self) -> Tensor:
        if self.training:
            return _straight_through(self.whole.weight, rounded_rows(self.whole.weight.detach(), int4=self.int4))
        if self.rounded is None:
            self.rounded = rounded_rows(self.whole.weight.detach(), int4=self.int4)
        return self.rounded

    def _read(self, given: Tensor, over: tuple[int, ...]) -> Tensor:
        if self.span is None:
            return _straight_through(given, rounded_tokens(given.detach(), over))
        low, high = given.new_tensor(self.span.low), given.new_tensor(self.span.high)
        return _straight_through(given.clamp(low, high), rounded_between(given.detach(), low, high))


def rounded_rows(weights: Tensor, *, int4: bool = False) -> Tensor:
    """Weights (rows, …) as int8 has them: whole multiples of a 127th of each row's largest.

    In int4 there are 15 steps, the largest being seven and a half of them, as ExecuTorch has it; LiteRT's are sevenths.
    """
    low, high = INT4 if int4 else (-LARGEST, LARGEST)
    largest = weights.abs().flatten(1).amax(dim=1).clamp_min(TINY)
    scales = (2 * largest / (high - low)).view(-1, *[1] * (weights.ndim - 1))
    return (weights / scales).round().clamp(low, high) * scales


def rounded_tokens(hidden: Tensor, over: tuple[int, ...] = (-1,)) -> Tensor:
    """Activations as runtimes round them where they come: from the smallest to the largest of a token (or image)."""
    return rounded_between(hidden, hidden.amin(dim=over, keepdim=True), hidden.amax(dim=over, keepdim=True))


def rounded_between(values: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Values in 256 steps from `low` to `high`, 0 among them; what lies outside is cut off."""
    low, high = low.clamp_max(0), high.clamp_min(0)
    scale = ((high - low) / STEPS).clamp_min(TINY)
    zero = (-low / scale).round()
    return ((values / scale).round().add(zero).clamp(0, STEPS) - zero) * scale


def _straight_through(values: Tensor, rounded: Tensor) -> Tensor:
    """The rounded values, with the gradient of the whole ones."""
    return values + (rounded - values).detach()
