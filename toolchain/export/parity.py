"""Whether an artifact still says what the model it was made from says.

In:  outputs of both for the same texts.
Out: `Parity`: the worst cosine, the largest error, and whether that is within the tolerance.
A single number has no direction, only a sign; there the relative error stands in for the angle.
Different cores run different kernels, so the same file is compared anew wherever it runs.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

COSINE_LIMIT = 0.98  # int8 with activations scaled as they come keeps 0.99 and more; a wrong kernel does not
TINY = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True, kw_only=True)
class Parity:
    """The worst of all texts. Where an output is not finite, or there is none, there is no error and a cosine of -1.

    An error at right angles to a vector, as large as the share r of it, leaves a cosine of 1 / √(1 + r²). With one
    output a text that is what `cosine_min` is reckoned from, r being the error as a share of the typical (root mean
    square) expected value or of the text's own, whichever is larger: so one limit, 0.2 at 0.98, holds for both.
    """

    passed: bool
    cosine_min: float
    max_abs_error: float | None
    cosine_limit: float

    def document(self) -> dict[str, Any]:
        """As it stands in a manifest and in `bench --json`."""
        return asdict(self)


def compare(
    outputs: Sequence[ArrayLike] | ArrayLike,
    expected: Sequence[ArrayLike] | ArrayLike,
    *,
    cosine_limit: float = COSINE_LIMIT,
) -> Parity:
    """Both a row for each text, which may be of different sizes: a longer text has more tags."""
    found, wanted = _rows(outputs), _rows(expected)
    comparable = len(found) > 0 and [row.shape for row in found] == [row.shape for row in wanted]
    if not (comparable and all(row.size and np.isfinite(row).all() for row in (*found, *wanted))):
        return Parity(passed=False, cosine_min=-1.0, max_abs_error=None, cosine_limit=cosine_limit)
    if all(row.size == 1 for row in wanted):
        worst = float(_of_values(np.concatenate(found), np.concatenate(wanted)).min())
    else:
        worst = min(map(_cosine, found, wanted))
    return Parity(
        passed=worst >= cosine_limit,
        cosine_min=worst,
        max_abs_error=max(float(np.abs(one - other).max()) for one, other in zip(found, wanted, strict=True)),
        cosine_limit=cosine_limit,
    )


def _rows(outputs: Sequence[ArrayLike] | ArrayLike) -> list[NDArray[np.float64]]:
    return [np.asarray(row, dtype=np.float64).reshape(-1) for row in outputs]  # type: ignore[union-attr]


def _cosine(found: NDArray[np.float64], wanted: NDArray[np.float64]) -> float:
    lengths = np.linalg.norm(found) * np.linalg.norm(wanted)
    return float(found @ wanted / np.maximum(lengths, TINY))


def _of_values(found: NDArray[np.float64], wanted: NDArray[np.float64]) -> NDArray[np.float64]:
    """What a cosine would be at the same relative error."""
    typical = np.sqrt(np.square(wanted).mean())
    relative = np.abs(found - wanted) / np.maximum(np.maximum(np.abs(wanted), typical), TINY)
    return np.asarray(1.0 / np.hypot(1.0, relative))
