"""What int8 does to a student's outputs, and which of its parts were excluded from it, in a sentence.

In:  a bundle's manifest.
Out: a sentence; None of a bundle of an earlier version.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from edgewright.bundles.schema import Manifest


def precision_of(manifest: Manifest) -> str | None:
    """What int8 does to the student's outputs, and which parts were kept float for it; None of an earlier version."""
    findings = next((stage.findings for stage in manifest.stages if stage.name == "sensitivity"), {})
    error, left = _share(findings.get("error")), _share(findings.get("left"))
    if error is None or left is None:
        return None
    kept, narrow = findings.get("kept_float"), _narrow(findings, left)
    if isinstance(kept, list) and kept:
        named = ", ".join(map(str, kept))
        return f"Kept in float: {named}; with them in int8 outputs would be {error} off, so they are {left}.{narrow}"
    parts = findings.get("parts")
    worst = next((part for part in parts if isinstance(part, Mapping)), {}) if isinstance(parts, list) else {}
    alone = _share(worst.get("error"))
    return f"int8 puts outputs {error} off" + (f"; alone {worst.get('name')} does {alone}." if alone else ".") + narrow


def _narrow(findings: Mapping[str, Any], left: str) -> str:
    """What is said of int4 weights, where they were asked for."""
    judged, chosen = findings.get("int4_parts"), findings.get("int4")
    if not isinstance(judged, list) or not isinstance(chosen, list) or not judged:
        return ""
    return f" Of {len(judged)} linear layers {len(chosen)} have int4 weights: with them outputs are {left} off."


def _share(value: Any) -> str | None:
    return f"{100 * value:.2g} %" if isinstance(value, int | float) and math.isfinite(value) else None
