"""What was to be expected of a measurement of an artifact that generates, told beside it.

In:  a bundle's artifact, and the measurement of it.
Out: `WritingExpectation`, or why nothing is known. Nothing is learned from it for the next prediction.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from edgewright.base.json_values import JsonObject
from edgewright.bundles.schema import ArtifactFacts
from edgewright.cost.device_prices import as_measured, of_narrow_weights
from edgewright.cost.expected import NoExpectation, prices_beside, writing_artifact
from edgewright.cost.pricing import Prediction, predict
from edgewright.cost.writing import WritingForecast, writing_forecast
from edgewright.errors import InputError
from edgewright.measure.generation_measurement import GenerationMeasurement
from edgewright.runtimes.table import priced_runtimes


@dataclass(frozen=True, kw_only=True)
class WritingExpectation:
    """On a profile's device: of a `token` with the cache for the whole context, and of all else that is measured."""

    profile: str
    token: Prediction
    writing: WritingForecast

    def document(self) -> JsonObject:
        """As `edgewright bench --json` prints it."""
        return {"profile": self.profile, **self.token.document(), "writing": self.writing.document()}


def expected_writing(
    artifact: ArtifactFacts, measurement: GenerationMeasurement, profile_name: str
) -> WritingExpectation | NoExpectation | None:
    """What was to be expected on that profile's device, after the prompts that were measured too.

    None where predictions are not made of such artifacts.
    """
    known = writing_artifact(artifact)
    if known is None or artifact.runtime not in priced_runtimes():
        return None
    try:
        profile, prices = prices_beside(measurement, artifact.runtime, profile_name)
    except InputError as error:  # a profile of the user's, say, that is not here; the measurement stands without it
        return NoExpectation(reason=str(error))
    weight_bytes = known.weight_bytes(artifact.bytes)
    prices = of_narrow_weights(prices, weight_bytes)
    forecast = writing_forecast(
        known,
        prices,
        as_measured(profile),
        threads=measurement.threads,
        file_bytes=artifact.bytes,
        weight_bytes=weight_bytes,
        prompts=measurement.workload.prompts,
    )
    token = predict(prices, known.decode, length=known.context, threads=measurement.threads, file_bytes=artifact.bytes)
    token = replace(token, peak_memory_bytes=forecast.whole.peak_memory_bytes)
    return WritingExpectation(profile=profile.name, token=token, writing=forecast)
