"""What limits a bundle on a device, and which change would buy how much.

In:  a bundle and a profile.
Out: `Advice` for each artifact: sentences, and `Change`s with the latency that each would leave, the best first.
All of it follows from predictions (`prediction`); nothing is measured here. Whether int8 is worth it is
`int8_advice`'s concern, what is said of an artifact that generates `writing_advice`'s.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from edgewright.base.json_values import JsonObject
from edgewright.bundles.build_record import BuildRecord
from edgewright.bundles.bundle import Bundle
from edgewright.bundles.schema import ArtifactFacts, Manifest
from edgewright.cost.device_prices import prices_for
from edgewright.cost.expected import PricedArtifact, priced_artifact
from edgewright.cost.pricing import Prediction, Prices, predict
from edgewright.cost.smaller import around_layers, layers_of, with_fewer_neurons
from edgewright.errors import InputError
from edgewright.forecast.advised_changes import Change, change_to, time_goes_to
from edgewright.forecast.int8_advice import WORTH_TELLING, Int8Advice, int8_advice
from edgewright.forecast.predicted import Predicted
from edgewright.forecast.prediction import peak_memory, predictions
from edgewright.forecast.writing_advice import SizeAdvice, WritingCase, writing_case
from edgewright.specs.profiles import Profile
from edgewright.specs.recipe import LEAST_LENGTH
from edgewright.specs.structure import Structure


@dataclass(frozen=True, kw_only=True)
class Advice:
    """One artifact on one device. `changes` are each by itself; together they buy less than their sum.

    Of an artifact that generates they are of what a token takes, and `sizes` tell which keep the budget.
    """

    predicted: Predicted
    limits: tuple[str, ...]
    changes: tuple[Change, ...]
    no_changes: tuple[str, ...]
    int8: Int8Advice
    sizes: tuple[SizeAdvice, ...] = ()

    def document(self) -> JsonObject:
        """What `edgewright advise --json` prints of it."""
        return {
            **self.predicted.document(),
            "limits": list(self.limits),
            "changes": [asdict(each) for each in self.changes],
            "no_changes": list(self.no_changes),
            "int8": asdict(self.int8),
            **({"sizes": [asdict(each) for each in self.sizes]} if self.predicted.writing else {}),
        }


def advise(
    bundle: str | Path,
    profile: Profile,
    *,
    runtime: str | None = None,
    length: int | None = None,
    threads: int | None = None,
) -> tuple[Advice, ...]:
    """For each artifact of a bundle, or one runtime's alone. Raises `InputError` where nothing can be predicted."""
    opened = Bundle.open(bundle)
    every = predictions(opened, profile, length=length, threads=threads)
    chosen = [each for each in every if runtime in (None, each.runtime)]
    if not chosen:
        known = ", ".join(each.runtime for each in every)
        raise InputError(f"{bundle} has nothing for {runtime} that advice could be given on; it has {known}")
    return tuple(_advice(opened, each, every, profile) for each in chosen)


def _advice(bundle: Bundle, predicted: Predicted, every: tuple[Predicted, ...], profile: Profile) -> Advice:
    artifact = bundle.artifact(predicted.runtime)
    subject = priced_artifact(artifact, bundle.manifest.task.max_length)
    case: _Case | WritingCase
    if subject.writing is not None and predicted.writing is not None:
        case = writing_case(bundle.manifest, artifact, subject, predicted, profile)
    else:
        prices = prices_for(profile, runtime=predicted.runtime, precision=predicted.precision)
        case = _Case(
            manifest=bundle.manifest,
            artifact=artifact,
            subject=subject,
            predicted=predicted,
            profile=profile,
            prices=prices,
        )
    found = [*case.changes(), *_other_runtimes(predicted, every)]
    least = WORTH_TELLING * predicted.prediction.latency_ms
    worth = sorted((each for each in found if each.saves_ms >= least), key=lambda each: each.latency_ms)
    return Advice(
        predicted=predicted,
        limits=(*case.limits(), peak_memory(predicted, profile)),
        changes=tuple(worth),
        no_changes=tuple(f"{each.what} ({_instead(each, least)})" for each in found if each.saves_ms < least),
        int8=int8_advice(profile, predicted, subject),
        sizes=tuple(case.sizes()) if isinstance(case, WritingCase) else (),
    )


@dataclass(frozen=True, kw_only=True)
class _Case:
    """One artifact on one device, priced."""

    manifest: Manifest
    artifact: ArtifactFacts
    subject: PricedArtifact
    predicted: Predicted
    profile: Profile
    prices: Prices

    @property
    def now_ms(self) -> float:
        return self.predicted.prediction.latency_ms

    @property
    def length(self) -> int:
        """Tokens of a text as they are asked for; 0 of an image."""
        return self.predicted.length or 0

    def _priced(self, structure: Structure | None = None, length: int | None = None, threads: int = 0) -> Prediction:
        return predict(
            self.prices,
            structure or self.subject.structure,
            length=self.subject.run_length(self.length) if length is None else length,
            threads=threads or self.predicted.threads,
        )

    def _change(self, what: str, how: str, found: Prediction, costs: str = "") -> Change:
        return change_to(found.latency_ms, self.now_ms, what, how, costs)

    def limits(self) -> Iterator[str]:
        """What the time goes to."""
        found = self.predicted.prediction
        of = f" of a text of {self.length} tokens" if self.length else ""
        yield (
            f"An inference{of} takes about {found.latency_ms:.3g} ms on {self.profile.name} ({found.low_ms:.3g} to "
            f"{found.high_ms:.3g}), by {found.source}."
        )
        yield from time_goes_to(found)

    def changes(self) -> Iterator[Change]:
        """Those that this artifact itself could undergo."""
        yield from self._threads()
        yield from self._shorter()
        yield from self._smaller()
        yield from self._wider_int8()

    def _threads(self) -> Iterator[Change]:
        cores = self.profile.processor.cores.value
        for count in sorted({min(2, cores), cores}):
            if count > self.predicted.threads:
                plural = "s" if self.predicted.threads > 1 else ""
                what = f"{count} threads instead of {self.predicted.threads} thread{plural}"
                yield self._change(
                    what, f"--threads {count}", self._priced(threads=count), "cores that do nothing else meanwhile"
                )

    def _shorter(self) -> Iterator[Change]:
        if not self.length:
            return
        run = self.subject.run_length(self.length)
        if run > self.length:
            yield self._change(
                f"a signature of {self.length} tokens, where texts of so many are padded to {run}",
                f"add {self.length} to stages.export.lengths",
                self._priced(length=self.length),
                "some kilobytes of the file",
            )
        half = max(self.length // 2, LEAST_LENGTH)  # less no recipe may set
        if half >= self.length:
            return
        yield self._change(
            f"texts of {half} tokens instead of {self.length}",
            f"shorten what you give it, or set task.max_length = {half}",
            self._priced(length=half),
            "whatever the rest of a text says",
        )

    def _smaller(self) -> Iterator[Change]:
        structure = self.subject.structure
        if narrower := with_fewer_neurons(structure):
            yield self._change(
                "a student of half as many neurons",
                "halve stages.prune.neurons",
                self._priced(narrower),
                "score; the build says how much",
            )
        if (layers := layers_of(structure)) > 1:
            found = self._priced()
            each_ms = (found.latency_ms - self._priced(around_layers(structure)).latency_ms) / layers
            yield self._change(
                f"a student of {layers - 1} layer{'s' if layers > 2 else ''} instead of {layers}",
                f"stages.prune.layers = {layers - 1}",
                replace(found, latency_ms=found.latency_ms - each_ms),
                "score; the build says how much",
            )

    def _wider_int8(self) -> Iterator[Change]:
        sensitivity = BuildRecord.of(self.manifest).sensitivity
        kept = sensitivity.kept_float
        if not kept or self.profile.name != self.manifest.profile:
            return
        slower = sum(part.float_ms for part in sensitivity.parts if part.name in kept)
        if slower:
            found = self._priced()
            yield self._change(
                f"int8 for {', '.join(kept)} too, which stayed float",
                "raise stages.quantize.max_error_percent, or leave stages.quantize.exclude out",
                replace(found, latency_ms=max(found.latency_ms - slower, 0.0)),
                "outputs that are further from the float student's",
            )


def _other_runtimes(predicted: Predicted, every: tuple[Predicted, ...]) -> Iterator[Change]:
    """The bundle's other artifacts, where both are priced from one kind of source."""
    for other in every:
        if other.runtime != predicted.runtime and _kind_of(other) == _kind_of(predicted):
            memory = other.prediction.peak_memory_bytes / 1e6
            yield change_to(
                other.prediction.latency_ms,
                predicted.prediction.latency_ms,
                f"the bundle's {other.runtime} artifact",
                f"--runtime {other.runtime}",
                f"a peak memory of about {memory:.0f} MB",
            )


def _instead(change: Change, least: float) -> str:
    return f"{change.latency_ms:.3g} ms, {'slower' if change.saves_ms < -least else 'hardly anything'}"


def _kind_of(predicted: Predicted) -> bool:
    return "facts" in predicted.prediction.source
