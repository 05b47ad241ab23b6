"""What was predicted of an artifact on a device, and whether it keeps its budget there."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from edgewright.base.json_values import JsonObject
from edgewright.cost.pricing import Prediction
from edgewright.cost.roofline import Roof
from edgewright.cost.terms import Precision
from edgewright.cost.writing import WritingForecast
from edgewright.specs.budget import Verdict
from edgewright.specs.profiles import Clock


@dataclass(frozen=True, kw_only=True)
class Predicted:
    """One runtime's artifact on one device, and the verdict on the budget as far as a prediction can tell.

    The instruction clock knows no `roof`. Of an artifact that generates the `prediction` is that of writing one token,
    and `writing` tells the rest.
    """

    runtime: str
    precision: Precision
    profile: str
    clock: Clock
    length: int | None
    threads: int
    prediction: Prediction
    verdict: Verdict
    roof: Roof | None
    writing: WritingForecast | None = None

    def document(self) -> JsonObject:
        """What `edgewright predict --json` prints of it."""
        return {
            "runtime": self.runtime,
            "precision": self.precision,
            "profile": self.profile,
            "clock": self.clock,
            "length": self.length,
            "threads": self.threads,
            **self.prediction.document(),
            "roof": asdict(self.roof) if self.roof else None,
            "budget": self.verdict.summary(),
            **({"writing": self.writing.document()} if self.writing else {}),
        }
