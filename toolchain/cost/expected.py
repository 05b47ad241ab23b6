"""What was to be expected of a measurement, told beside it, and how far off that was, kept for the next prediction.

In:  a bundle's artifact, and the measurement of it.
Out: `Expectation`, or why nothing is known; and `PricedArtifact`, what prices are asked of.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from edgewright.base.fields import Fields
from edgewright.base.json_values import JsonObject
from edgewright.bundles.schema import ArtifactFacts
from edgewright.cost.corrections import Observation, learn
from edgewright.cost.device_prices import Corrected, basis_of, prices_for
from edgewright.cost.pricing import Prediction, Prices, predict
from edgewright.cost.writing import WritingArtifact
from edgewright.errors import InputError
from edgewright.measure.generation_measurement import GenerationMeasurement
from edgewright.measure.measurement import Measurement
from edgewright.runtimes.table import priced_runtimes
from edgewright.specs.profiles import Profile, load_profile
from edgewright.specs.structure import Structure


@dataclass(frozen=True, kw_only=True)
class PricedArtifact:
    """An artifact that is there, or will be; `lengths` are its fixed ones.

    Where it takes any, its memory is set aside for the longest, `planned_length`. Of one that generates the `structure`
    is that of writing a token, whose length is the context, and `writing` is all the rest. A weight of its products
    takes `weight_bytes` in int8.
    """

    runtime: str
    structure: Structure
    lengths: tuple[int, ...]
    file_bytes: float | None
    planned_length: int | None
    notes: tuple[str, ...] = ()
    writing: WritingArtifact | None = None
    weight_bytes: float = 1.0

    def run_length(self, length: int) -> int:
        """How long a text of this length is when it is run: as long as the smallest shape that holds it."""
        return next((each for each in self.lengths if each >= length), length)

    def shapes(self, lengths: Iterable[int]) -> int:
        """How many fixed shapes a process runs that is given texts of these lengths."""
        return max(len({self.run_length(each) for each in lengths}), 1) if self.lengths else 1


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """What a measurement was expected to be on a profile's device.

    `uncorrected_ms` is what it would have been but for what was learned, and `basis` which prices that is by.
    """

    profile: str
    prediction: Prediction
    length: int
    uncorrected_ms: float
    basis: str

    def document(self) -> JsonObject:
        """As `edgewright bench --json` prints it."""
        return {
            "profile": self.profile,
            **self.prediction.document(),
            "length": self.length,
            "uncorrected_ms": self.uncorrected_ms,
            "basis": self.basis,
        }


@dataclass(frozen=True, kw_only=True)
class NoExpectation:
    """Why nothing could be predicted."""

    reason: str

    def document(self) -> JsonObject:
        """As `edgewright bench --json` prints it."""
        return {"unknown": self.reason}


def prices_beside(
    measurement: Measurement | GenerationMeasurement, runtime: str, profile_name: str
) -> tuple[Profile, Prices]:
    """The profile and its prices of int8, by the clock and the runtime's version of a measurement.

    Raises `InputError` where there is no such profile, or its prices are of another version.
    """
    profile = load_profile(profile_name)
    return profile, prices_for(
        profile, runtime=runtime, precision="int8", clock=measurement.clock, version=measurement.runtime_version
    )


def expected(
    artifact: ArtifactFacts, measurement: Measurement, profile_name: str, *, longest: int
) -> Expectation | NoExpectation | None:
    """What was to be expected of a measurement on that profile's device; texts have `longest` tokens at most.

    None where predictions are not made of such artifacts or measurements.
    """
    unpriced = artifact.structure is None or artifact.signature.generation is not None
    if unpriced or artifact.runtime not in priced_runtimes() or measurement.batch > 1:
        return None
    try:
        profile, prices = prices_beside(measurement, artifact.runtime, profile_name)
    except InputError as error:  # a profile of the user's, say, that is not here; the measurement stands without it
        return NoExpectation(reason=str(error))
    subject = priced_artifact(artifact, longest)
    lengths = sorted(subject.run_length(each) for each in measurement.input_lengths)
    length = lengths[len(lengths) // 2]
    bare = prices.prices if isinstance(prices, Corrected) else prices

    def priced(chosen: Prices) -> Prediction:
        return predict(
            chosen,
            subject.structure,
            length=length,
            threads=measurement.threads,
            file_bytes=artifact.bytes,
            planned_length=subject.planned_length,
            shapes=subject.shapes(measurement.input_lengths),
        )

    return Expectation(
        profile=profile.name,
        prediction=priced(prices),
        length=length,
        uncorrected_ms=priced(bare).latency_ms,
        basis=basis_of(bare, profile, measurement.clock),
    )


def learn_from(summary: JsonObject) -> bool:
    """Keep, of what `bench` tells with --json, how far the prediction was off, for the next one; whether it did.

    It does not of a measurement that is not stable or was kept to some cores, nor of a latency that is not above 0.
    """
    found = Fields(summary)
    predicted, artifact = found.inner("predicted"), found.inner("artifact")
    measured_ms, predicted_ms = found.inner("latency_ms").number("p50"), predicted.number("uncorrected_ms")
    profile, basis = predicted.text("profile"), predicted.text("basis")
    trusted = found.flag("stable") and not found.series("cores")
    if profile is None or basis is None or not trusted or not measured_ms or not predicted_ms:
        return False
    learn(
        profile,
        "instructions" if found.text("clock") == "instructions" else "wall",
        Observation(
            runtime=artifact.text("runtime") or "",
            runtime_version=artifact.text("runtime_version") or "",
            basis=basis,
            sha256=artifact.text("sha256") or "",
            length=predicted.count("length") or 0,
            threads=found.count("threads") or 1,
            predicted_ms=predicted_ms,
            measured_ms=measured_ms,
        ),
    )
    return True


def writing_artifact(artifact: ArtifactFacts) -> WritingArtifact | None:
    """What a bundle says of an artifact that generates; None of another."""
    prefill, decode = artifact.structure, artifact.decode_structure
    if artifact.signature.generation is None or prefill is None or decode is None:
        return None
    return WritingArtifact.of(artifact.signature, prefill, decode)


def priced_artifact(artifact: ArtifactFacts, longest: int) -> PricedArtifact:
    """A bundle's artifact, whose texts have so many tokens at most. Raises `InputError` for a bundle of old."""
    generates = artifact.signature.generation is not None
    if artifact.structure is None or (generates and artifact.decode_structure is None):
        raise InputError(
            "the bundle does not say what its model computes: it was built before that was kept; build it again"
        )
    if (writing := writing_artifact(artifact)) is not None:
        return PricedArtifact(
            runtime=artifact.runtime,
            structure=writing.decode,
            lengths=(),
            file_bytes=artifact.bytes,
            planned_length=None,
            writing=writing,
            weight_bytes=writing.weight_bytes(artifact.bytes),
        )
    return PricedArtifact(
        runtime=artifact.runtime,
        structure=artifact.structure,
        lengths=artifact.lengths,
        file_bytes=artifact.bytes,
        planned_length=None if artifact.lengths else longest,
    )
