"""Where an inference spends its time: in delegates, in the runtime's own kernels, and between them.

In:  a `Measurement` that was taken with a profile.
Out: `Operators`: shares of the whole, and a row for each kind of operator.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from edgewright.base.json_values import JsonObject
from edgewright.measure.measurement import Measurement

DELEGATE_CALL = "DELEGATE_CALL"  # the runner's name for a delegate's calls as a whole


@dataclass(frozen=True, kw_only=True)
class OperatorRow:
    """One kind of operator in one inference; `share` is of the whole inference."""

    name: str
    delegated: bool
    calls: int
    ms: float
    share: float


@dataclass(frozen=True, kw_only=True)
class Operators:
    """An inference of `total_ms` while one looks, which is longer than it is otherwise.

    The three shares add up to 1: `between` is what the runtime needs to get from one operator to the next. `rows` are
    the kernels and the delegates' parts, the longest first, as far as the delegates tell of theirs.
    """

    total_ms: float
    delegated_share: float
    own_share: float
    between_share: float
    rows: tuple[OperatorRow, ...]

    def document(self) -> JsonObject:
        """As `bench --json` prints it."""
        return asdict(self)


def operators_of(measurement: Measurement) -> Operators | None:
    """None where no operators were timed: none were asked for, or the runtime does not tell."""
    total = measurement.profiled_ms
    if not total or not measurement.operators:
        return None
    delegates = sum(each.ms for each in measurement.operators if each.name == DELEGATE_CALL and not each.delegated)
    own = sum(each.ms for each in measurement.operators if each.name != DELEGATE_CALL and not each.delegated)
    rows = (
        OperatorRow(name=each.name, delegated=each.delegated, calls=each.calls, ms=each.ms, share=each.ms / total)
        for each in measurement.operators
        if each.name != DELEGATE_CALL
    )
    return Operators(
        total_ms=total,
        delegated_share=delegates / total,
        own_share=own / total,
        between_share=max(0.0, 1 - (delegates + own) / total),
        rows=tuple(rows),
    )
