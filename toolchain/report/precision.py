"""What int8 does to a student's outputs, and which of its parts were excluded from it, in a sentence.

In:  a bundle's manifest.
Out: a sentence; None of a bundle of an earlier version.
"""

from __future__ import annotations

from edgewright.bundles.build_record import BuildRecord
from edgewright.bundles.findings import SensitivityRecord
from edgewright.bundles.schema import Manifest


def precision_of(manifest: Manifest) -> str | None:
    """What int8 does to the student's outputs, and which parts were excluded from it; None of an earlier version."""
    sensitivity = BuildRecord.of(manifest).sensitivity
    if sensitivity.error is None or sensitivity.left is None:
        return None
    error, left, narrow = _share(sensitivity.error), _share(sensitivity.left), _narrow(sensitivity)
    if sensitivity.kept_float:
        named = ", ".join(sensitivity.kept_float)
        return f"Kept in float: {named}; with them in int8 outputs would be {error} off, so they are {left}.{narrow}"
    worst = next(iter(sensitivity.parts), None)
    alone = f"; alone {worst.name} does {_share(worst.error)}" if worst and worst.error is not None else ""
    return f"int8 puts outputs {error} off{alone}.{narrow}"


def _narrow(sensitivity: SensitivityRecord) -> str:
    """The share of linear layers with int4 weights, where these were asked for."""
    if not sensitivity.int4_parts or sensitivity.left is None:
        return ""
    judged, chosen = len(sensitivity.int4_parts), len(sensitivity.int4)
    off = _share(sensitivity.left)
    return f" Of {judged} linear layers {chosen} have int4 weights: with them outputs are {off} off."


def _share(value: float) -> str:
    return f"{100 * value:.2g} %"
