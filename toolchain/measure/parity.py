"""Whether an artifact gives what the model that it was made from gives.

In:  the named outputs of both for the same examples.
Out: `Parity`: of each output the worst cosine and the largest error, and whether all are within the tolerance.
A single number has no direction, only a sign; there the relative error stands in for the angle.
Different cores run different kernels, so the same file is compared anew wherever it runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgewright.base.json_values import JsonObject
from edgewright.specs.signature import BATCH, FORWARD

COSINE_LIMIT = 0.98  # int8 with dynamic activations keeps 0.99 and more; a wrong kernel does not
TINY = float(np.finfo(np.float64).tiny)
NamedOutputs = Mapping[str, ArrayLike]
"""Of one example by name. What has several rows, (…, rows, width), is compared row by row."""


@dataclass(frozen=True, kw_only=True)
class OutputParity:
    """One output at its worst; where it is not finite, or there is none, there is no error and a cosine of -1."""

    cosine_min: float
    max_abs_error: float | None


@dataclass(frozen=True, kw_only=True)
class Parity:
    """The worst over all examples and outputs; `outputs` has each by name.

    An error at right angles to a vector, as large as the share r of it, leaves a cosine of 1 / √(1 + r²). With one
    number an example that is what `cosine_min` is reckoned from, r being the error as a share of the typical (root mean
    square) expected value or of the example's own, whichever is larger: so one limit, 0.2 at 0.98, holds for both. So
    it is of outputs with several rows, such as one a token: among hundreds there is always one that is next to nothing.
    """

    passed: bool
    cosine_min: float
    max_abs_error: float | None
    cosine_limit: float
    outputs: Mapping[str, OutputParity] = field(default_factory=dict)

    @property
    def worst_output(self) -> str | None:
        """The name of the output that is furthest off; None where there is but one, or none."""
        if len(self.outputs) < 2:
            return None
        return min(self.outputs, key=lambda name: self.outputs[name].cosine_min)

    def document(self) -> JsonObject:
        """As it stands in a manifest and in `bench --json`; of several outputs each, and which is the worst."""
        document = asdict(self)
        outputs = document.pop("outputs")
        return document | ({"worst_output": self.worst_output, "outputs": outputs} if self.worst_output else {})


def compare(
    outputs: Iterable[NamedOutputs], expected: Iterable[NamedOutputs], *, cosine_limit: float = COSINE_LIMIT
) -> Parity:
    """Compare the outputs of each example, in the same order, with those that are expected of it.

    What is expected says of each output how many rows an example has; one that is missing never passes. Outputs that
    nothing is expected of are not compared.
    """
    found, wanted = list(outputs), list(expected)
    names = list(dict.fromkeys(name for example in wanted for name in example))
    compared = {name: _compared(_column(found, wanted, name)) for name in names if len(found) == len(wanted)}
    errors = [each.max_abs_error for each in compared.values()]
    worst = min((each.cosine_min for each in compared.values()), default=-1.0)
    return Parity(
        passed=worst >= cosine_limit,
        cosine_min=worst,
        max_abs_error=None if not errors or None in errors else max(each for each in errors if each is not None),
        cosine_limit=cosine_limit,
        outputs=compared,
    )


def qualified(method: str, outputs: NamedOutputs) -> NamedOutputs:
    """Outputs by the names that a comparison has them under: of another method than the usual with its name before."""
    return outputs if method in (FORWARD, BATCH) else {f"{method}.{name}": each for name, each in outputs.items()}


def worst_of(parities: Sequence[Parity]) -> Parity:
    """The worst of several comparisons of the same outputs."""
    return min(parities, key=lambda each: each.cosine_min)


Pairs = list[tuple[NDArray[np.float64] | None, NDArray[np.float64]]]


def _column(found: Sequence[NamedOutputs], wanted: Sequence[NamedOutputs], name: str) -> Pairs:
    """What there is of one output in each example that it is expected of: ours, and what it should be."""
    return [
        (_numbers(ours[name]) if name in ours else None, _numbers(theirs[name]))
        for ours, theirs in zip(found, wanted, strict=True)
        if name in theirs
    ]


def _numbers(output: ArrayLike) -> NDArray[np.float64]:
    return np.asarray(output, dtype=np.float64)


def _compared(pairs: Pairs) -> OutputParity:
    widths = {theirs.shape[-1] if theirs.ndim else 1 for _, theirs in pairs}
    alike = len(widths) == 1 and all(ours is not None and ours.size == theirs.size > 0 for ours, theirs in pairs)
    if not alike or not all(np.isfinite(each).all() for pair in pairs for each in pair if each is not None):
        return OutputParity(cosine_min=-1.0, max_abs_error=None)
    (width,) = widths
    ours = np.concatenate([each.reshape(-1, width) for each, _ in pairs if each is not None])
    theirs = np.concatenate([each.reshape(-1, width) for _, each in pairs])
    by_rows = width == 1 or any(each.size > width for _, each in pairs)
    worst = (_by_error(ours, theirs) if by_rows else _cosines(ours, theirs)).min()
    return OutputParity(cosine_min=float(worst), max_abs_error=float(np.abs(ours - theirs).max()))


def _cosines(found: NDArray[np.float64], wanted: NDArray[np.float64]) -> NDArray[np.float64]:
    lengths = np.linalg.norm(found, axis=-1) * np.linalg.norm(wanted, axis=-1)
    return np.asarray((found * wanted).sum(axis=-1) / np.maximum(lengths, TINY))


def _by_error(found: NDArray[np.float64], wanted: NDArray[np.float64]) -> NDArray[np.float64]:
    """What a cosine would be at the same relative error."""
    sizes = np.linalg.norm(wanted, axis=-1)
    typical = np.sqrt(np.square(sizes).mean())
    relative = np.linalg.norm(found - wanted, axis=-1) / np.maximum(np.maximum(sizes, typical), TINY)
    return np.asarray(1.0 / np.hypot(1.0, relative))
