"""A training's course over tokens, and what more of them would buy: a power law, told with how well it fits.

In:  (tokens, score) points, and the score that no amount of training goes beyond: the teacher's own.
Out: `PowerLaw`: the distance from that score is `factor` · tokens ** -`exponent`. It is fitted by least squares in
logarithms, and `residual` is the root of their mean square: 0.05 is about 5 % of the distance at a point.
Hestness et al. 2017, "Deep Learning Scaling is Predictable, Empirically".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp

import numpy as np

FEWEST_POINTS = 3  # two lie on every power law


@dataclass(frozen=True, kw_only=True)
class PowerLaw:
    """What was fitted to so many `points`; `floor` is the score that it falls to."""

    floor: float
    factor: float
    exponent: float
    residual: float
    points: int

    def at(self, tokens: float) -> float:
        """The score after so many tokens."""
        return float(self.floor + self.factor * tokens**-self.exponent)

    def bounds(self, tokens: float) -> tuple[float, float]:
        """The same with its distance a residual nearer and further: what the points themselves leave open."""
        distance = self.at(tokens) - self.floor
        return tuple(self.floor + distance * exp(sign * self.residual) for sign in (-1, 1))  # type: ignore[return-value]


def fitted(points: Sequence[tuple[float, float]], floor: float) -> PowerLaw | None:
    """None where there are fewer than three points above the floor, or where the score does not fall."""
    above = [(tokens, score - floor) for tokens, score in points if score > floor and tokens > 0]
    if len({tokens for tokens, _ in above}) < FEWEST_POINTS:
        return None
    tokens, distances = np.log(np.array(above)).T
    slope, start = np.polyfit(tokens, distances, 1)
    if slope >= 0:
        return None
    residual = float(np.sqrt(np.mean((start + slope * tokens - distances) ** 2)))
    return PowerLaw(
        floor=floor, factor=float(np.exp(start)), exponent=-float(slope), residual=residual, points=len(above)
    )
