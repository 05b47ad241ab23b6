"""What limits an artifact that generates on a device, which change would buy how much, and which sizes keep its budget.

In:  a bundle's artifact that generates, its prediction, and a profile.
Out: sentences, `Change`s of the time of a token, and for each setting of its recipe the largest value that, alone
     changed, keeps every limit of the budget.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from edgewright.bundles.schema import ArtifactFacts, Manifest
from edgewright.cost.device_prices import as_measured, of_narrow_weights, prices_for
from edgewright.cost.expected import PricedArtifact
from edgewright.cost.pricing import Prices
from edgewright.cost.smaller import layers_of
from edgewright.cost.smaller_decoders import file_bytes_of, neurons_of, with_context, with_sizes
from edgewright.cost.writing import LEAST_WEIGHT_BYTES, WritingArtifact, WritingForecast, writing_forecast
from edgewright.forecast.advised_changes import Change, change_to, time_goes_to
from edgewright.forecast.predicted import Predicted
from edgewright.forecast.prediction import INT8_BYTES, with_memory
from edgewright.specs.budget import Budget, judge
from edgewright.specs.profiles import Profile
from edgewright.specs.recipe import LEAST_LENGTH

FEWEST_PIECES = 256  # of a vocabulary that a recipe may ask for


@dataclass(frozen=True, kw_only=True)
class SizeAdvice:
    """A setting of the recipe: what it is `now`, and the `largest` value that keeps the budget by itself, if any does.

    `missed` are the limits that are missed as it is; where no value keeps all of them, those that stay missed.
    """

    setting: str
    now: int
    largest: int | None
    missed: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class WritingCase:
    """One artifact that generates on one device, priced."""

    subject: PricedArtifact
    writing: WritingArtifact
    forecast: WritingForecast
    predicted: Predicted
    profile: Profile
    prices: Prices
    budget: Budget
    pieces: int

    @property
    def _now_ms(self) -> float:
        return self.forecast.whole.token_ms

    @property
    def _file_bytes(self) -> float:
        return float(self.subject.file_bytes or 0)

    def limits(self) -> Iterator[str]:
        """What a token takes and what its time goes to, a first token, and the memory."""
        rate, first, found = self.forecast.whole, self.forecast.typical(), self.predicted.prediction
        low, high = self.forecast.bound
        yield (
            f"A token takes about {rate.token_ms:.3g} ms on {self.profile.name} with a cache for {rate.context} tokens "
            f"({found.low_ms:.3g} to {found.high_ms:.3g}), so {rate.tokens_per_second:.3g} tokens a second, by "
            f"{found.source}; memory lets through {low:.3g} to {high:.3g}."
        )
        yield (
            f"After a prompt of {first.prompt_tokens} tokens the first comes after about {first.first_token_ms:.3g} ms "
            f"({first.low_ms:.3g} to {first.high_ms:.3g})."
        )
        yield from time_goes_to(found)

    def changes(self) -> Iterator[Change]:
        """Of what a token takes."""
        cores = self.profile.processor.cores.value
        for count in sorted({min(2, cores), cores}):
            if count > self.predicted.threads:
                yield self._change(
                    self._priced(threads=count),
                    f"{count} threads instead of {self.predicted.threads}",
                    f"--threads {count}",
                    "cores that do nothing else meanwhile",
                )
        for setting, now, least, made in self._settings():
            value = now - 1 if setting == "stages.prune.layers" else now // 2
            if value >= least:
                costs = "shorter texts" if setting == "stages.export.context" else "score; the build says how much"
                found = self._priced(made(value))
                yield self._change(found, f"{value} instead of {now} {_NAMES[setting]}", f"{setting} = {value}", costs)
        if self.subject.weight_bytes >= INT8_BYTES:
            found = self._priced(prices=of_narrow_weights(self.prices, LEAST_WEIGHT_BYTES))
            if found.whole.token_ms < self._now_ms:  # prices that were measured are of int8 alone
                costs = "a larger error; the build says how much"
                yield self._change(found, "weights in int4", 'stages.quantize.weights = "int4"', costs)

    def sizes(self) -> Iterator[SizeAdvice]:
        """Of each setting."""
        missed = self._missed(self.writing)
        for setting, now, least, made in self._settings():
            if not missed:
                yield SizeAdvice(setting=setting, now=now, largest=now, missed=())
            elif still := self._missed(made(least)):
                yield SizeAdvice(setting=setting, now=now, largest=None, missed=still)
            else:
                yield SizeAdvice(setting=setting, now=now, largest=self._largest(made, least, now), missed=missed)

    def _largest(self, made: Callable[[int], WritingArtifact], kept: int, missed: int) -> int:
        """Between a value that keeps the budget and a larger one that does not."""
        while missed - kept > 1:
            middle = (kept + missed) // 2
            kept, missed = (kept, middle) if self._missed(made(middle)) else (middle, missed)
        return kept

    def _settings(self) -> Iterator[tuple[str, int, int, Callable[[int], WritingArtifact]]]:
        """(setting, its value, the least it may have, the artifact with another value)."""
        writing = self.writing
        if (layers := layers_of(writing.decode)) > 1:
            yield "stages.prune.layers", layers, 1, lambda value: with_sizes(writing, layers=value)
        if (neurons := neurons_of(writing.decode)) is not None:
            yield "stages.prune.neurons", neurons, 1, lambda value: with_sizes(writing, neurons=value)
        if self.pieces > FEWEST_PIECES:
            yield (
                "stages.vocabulary.size",
                self.pieces,
                FEWEST_PIECES,
                lambda value: with_sizes(writing, pieces=(self.pieces, value)),
            )
        if writing.context > LEAST_LENGTH:
            least = max(LEAST_LENGTH, self.budget.context or 0)
            if least < writing.context:
                yield "stages.export.context", writing.context, least, lambda value: with_context(writing, value)

    def _priced(
        self, writing: WritingArtifact | None = None, threads: int = 0, prices: Prices | None = None
    ) -> WritingForecast:
        made = writing or self.writing
        return writing_forecast(
            made,
            prices or self.prices,
            as_measured(self.profile),
            threads=threads or self.predicted.threads,
            file_bytes=file_bytes_of(made, self.writing, self._file_bytes),
            weight_bytes=self.subject.weight_bytes,
        )

    def _missed(self, writing: WritingArtifact) -> tuple[str, ...]:
        """The limits that it would miss."""
        found = self._priced(writing)
        verdict = judge(
            self.budget,
            first_token_ms=found.typical().first_token_ms,
            tokens_per_second=found.whole.tokens_per_second,
            context=writing.context,
            artifact_bytes=round(file_bytes_of(writing, self.writing, self._file_bytes)),
            peak_rss_bytes=found.whole.peak_memory_bytes,
        )
        return tuple(each.name for each in verdict.missed)

    def _change(self, found: WritingForecast, what: str, how: str, costs: str) -> Change:
        return change_to(found.whole.token_ms, self._now_ms, what, how, costs)


def writing_case(
    manifest: Manifest, artifact: ArtifactFacts, subject: PricedArtifact, predicted: Predicted, profile: Profile
) -> WritingCase:
    """Of an artifact that generates; its prices are those that it was predicted by."""
    assert subject.writing is not None
    assert predicted.writing is not None
    assert artifact.signature.generation is not None
    prices = prices_for(profile, runtime=predicted.runtime, precision=predicted.precision)
    if subject.weight_bytes < INT8_BYTES:
        prices = of_narrow_weights(prices, subject.weight_bytes)
    return WritingCase(
        subject=subject,
        writing=subject.writing,
        forecast=predicted.writing,
        predicted=predicted,
        profile=profile,
        prices=prices,
        budget=with_memory(manifest.budget, profile),
        pieces=artifact.signature.generation.vocabulary,
    )


_NAMES = {
    "stages.prune.layers": "layers",
    "stages.prune.neurons": "neurons in each layer",
    "stages.vocabulary.size": "word pieces",
    "stages.export.context": "tokens of context",
}
