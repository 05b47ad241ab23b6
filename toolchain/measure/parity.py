"""Whether an artifact still says what the model it was made from says.

In:  outputs of both for the same texts.
Out: `Parity`: the worst cosine, the largest error, and whether that is within the tolerance.
A single number has no direction, only a sign; there the relative error stands in for the angle.
Different cores run different kernels, so the same file is compared anew wherever it runs.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgewright.base.json_values import JsonObject

COSINE_LIMIT = 0.98  # int8 with activations scaled as they come keeps 0.99 and more; a wrong kernel does not
TINY = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True, kw_only=True)
class Parity:
    """The worst of all texts, or of all their tokens.

    Where an output is not finite, or there is none, there is no error and a cosine of -1.

    An error at right angles to a vector, as large as the share r of it, leaves a cosine of 1 / √(1 + r²). With one
    output a text that is what `cosine_min` is reckoned from, r being the error as a share of the typical (root mean
    square) expected value or of the text's own, whichever is larger: so one limit, 0.2 at 0.98, holds for both. So it
    is of tokens with outputs of their own: among hundreds there is always one whose outputs are next to nothing.
    """

    passed: bool
    cosine_min: float
    max_abs_error: float | None
    cosine_limit: float

    def document(self) -> JsonObject:
        """As it stands in a manifest and in `bench --json`."""
        return asdict(self)


def compare(
    outputs: Iterable[ArrayLike], expected: Iterable[ArrayLike], *, tags: int = 0, cosine_limit: float = COSINE_LIMIT
) -> Parity:
    """Both a row for each text; with `tags` it has so many numbers for each token, one token after another."""
    found, wanted = _rows(outputs), _rows(expected)
    sizes = [row.size for row in wanted]
    comparable = len(sizes) > 0 and [row.size for row in found] == sizes and all(sizes)
    comparable = comparable and (all(size % tags == 0 for size in sizes) if tags else len(set(sizes)) == 1)
    if not (comparable and all(np.isfinite(row).all() for row in (*found, *wanted))):
        return Parity(passed=False, cosine_min=-1.0, max_abs_error=None, cosine_limit=cosine_limit)
    width = tags or sizes[0]
    ours, theirs = (np.concatenate(rows).reshape(-1, width) for rows in (found, wanted))
    worst = float((_by_error(ours, theirs) if tags or width == 1 else _cosines(ours, theirs)).min())
    return Parity(
        passed=worst >= cosine_limit,
        cosine_min=worst,
        max_abs_error=float(np.abs(ours - theirs).max()),
        cosine_limit=cosine_limit,
    )


def _rows(outputs: Iterable[ArrayLike]) -> list[NDArray[np.float64]]:
    return [np.asarray(row, dtype=np.float64).reshape(-1) for row in outputs]


def _cosines(found: NDArray[np.float64], wanted: NDArray[np.float64]) -> NDArray[np.float64]:
    lengths = np.linalg.norm(found, axis=-1) * np.linalg.norm(wanted, axis=-1)
    return np.asarray((found * wanted).sum(axis=-1) / np.maximum(lengths, TINY))


def _by_error(found: NDArray[np.float64], wanted: NDArray[np.float64]) -> NDArray[np.float64]:
    """What a cosine would be at the same relative error."""
    sizes = np.linalg.norm(wanted, axis=-1)
    typical = np.sqrt(np.square(sizes).mean())
    relative = np.linalg.norm(found - wanted, axis=-1) / np.maximum(np.maximum(sizes, typical), TINY)
    return np.asarray(1.0 / np.hypot(1.0, relative))
