"""What a bundle, or the student that a recipe asks for, will take on a device that is not at hand.

In:  a bundle or a recipe, and a profile.
Out: `Predicted` for each runtime: latency and memory with intervals, what limits them, and whether the budget is kept.
Reading a model's structure takes a second; asking for its price after that takes less than a millisecond.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from edgewright.base.extras import need_build
from edgewright.bundles.bundle import Bundle
from edgewright.bundles.files import MANIFEST
from edgewright.cost.context_memory import usable_bytes
from edgewright.cost.device_prices import FACTS, as_measured, of_narrow_weights, prices_for
from edgewright.cost.expected import PricedArtifact, priced_artifact
from edgewright.cost.pricing import Prediction, Prices, predict
from edgewright.cost.roofline import roof_of
from edgewright.cost.terms import WEIGHT_BYTES, Precision
from edgewright.cost.writing import WritingArtifact, WritingForecast, writing_forecast
from edgewright.errors import InputError
from edgewright.forecast.predicted import Predicted
from edgewright.models.source import check
from edgewright.runtimes.table import RUNTIMES, priced_runtimes
from edgewright.specs.budget import BYTES_PER_MB, Budget, judge
from edgewright.specs.profiles import Clock, Profile
from edgewright.specs.recipe import Recipe, load_recipe

INT8_BYTES = 0.95  # a weight of fewer is of a narrower format
USUAL_LENGTH = 16  # tokens, where neither the user nor a bundle says


def predictions(
    subject: str | Path | Bundle,
    profile: Profile,
    *,
    runtime: str | None = None,
    length: int | None = None,
    threads: int | None = None,
    clock: Clock = "wall",
    precision: Precision = "int8",
    cluster: str | None = None,
) -> tuple[Predicted, ...]:
    """Of each artifact of a bundle, or that a recipe asks for, or of one runtime's alone; or of their float twins.

    Without a `length` it is the median of a bundle's own examples; of an artifact that generates it is another prompt's
    length, beside the usual ones. A process that is pinned to a `cluster` of slower
    cores is priced by facts alone, for a calibration is of the fastest. Raises `InputError` where nothing can be said.
    """
    if not isinstance(subject, Bundle) and _is_bundle(subject):
        subject = Bundle.open(subject)
    if isinstance(subject, Bundle):
        budget, found = subject.manifest.budget, list(_of_bundle(subject))
        texts = () if any(each.writing for each in found) else _lengths(subject)
    else:
        recipe = load_recipe(subject)
        need_build("predict what a recipe's student takes")
        if not recipe.task.description.generates:  # of those the configuration is read with all it says
            check(recipe.model, recipe.task.description.modality, weighed=False)
        budget, texts, found = recipe.budget, (), list(_of_recipe(recipe, profile, length or USUAL_LENGTH))
    chosen = [each for each in found if runtime in (None, each.runtime)]
    if not chosen:
        name = subject.path if isinstance(subject, Bundle) else subject
        raise InputError(f"{name} has nothing for {runtime}; it has {', '.join(each.runtime for each in found)}")
    known = [each for each in chosen if each.runtime in priced_runtimes()]
    if not known:
        raise InputError(f"predictions are made for {' and '.join(priced_runtimes())}, not for {chosen[0].runtime}")
    asked = texts if length is None else (length,)
    pinned = profile.on_cluster(cluster) if cluster else profile
    prompts = () if length is None else (length,)
    return tuple(
        writing_prediction(each, each.writing, pinned, budget, prompts, threads, clock, precision)
        if each.writing
        else _predicted(each, pinned, budget, asked, threads, clock, precision)
        for each in known
    )


def _is_bundle(subject: str | Path) -> bool:
    path = Path(subject)
    return (path / MANIFEST).is_file() or path.suffix == ".zip"


def _lengths(bundle: Bundle) -> tuple[int, ...]:
    """Those of its examples; 0 where all are of one size."""
    if not bundle.manifest.task.modality.has_length:
        return (0,)
    return tuple(sum(each.size for each in call.inputs.values()) for call in bundle.vectors().calls)


def _of_bundle(bundle: Bundle) -> Iterator[PricedArtifact]:
    for artifact in bundle.manifest.artifacts:
        yield priced_artifact(artifact, bundle.manifest.task.max_length)


def _of_recipe(recipe: Recipe, profile: Profile, length: int) -> Iterator[PricedArtifact]:
    need_build("predict what a recipe's student takes")
    from edgewright.stages.chosen_sizes import sized
    from edgewright.stages.planned_student import planned

    if recipe.task.description.generates:
        yield from _of_writing_recipe(recipe, profile)
        return
    chosen = sized(recipe, profile, length=length)
    plan = planned(chosen.recipe, profile)
    for runtime in recipe.stages.export.runtimes:
        fixed = RUNTIMES[runtime].fixed_shapes
        yield PricedArtifact(
            runtime=runtime,
            structure=plan.structure(padded=fixed),
            lengths=plan.spec.lengths if fixed else (),
            file_bytes=None,
            planned_length=None if fixed else plan.spec.max_length,
            notes=(*((chosen.note,) if chosen.note else ()), *plan.notes),
        )


def _of_writing_recipe(recipe: Recipe, profile: Profile) -> Iterator[PricedArtifact]:
    from edgewright.stages.planned_decoder import planned_decoder

    plan = planned_decoder(recipe, profile)
    for runtime in recipe.stages.export.runtimes:
        yield PricedArtifact(
            runtime=runtime,
            structure=plan.structures.decode,
            lengths=(),
            file_bytes=plan.file_bytes,
            planned_length=None,
            notes=plan.notes,
            writing=plan.writing(RUNTIMES[runtime]),
            weight_bytes=plan.weight_bytes,
        )


def _predicted(
    subject: PricedArtifact,
    profile: Profile,
    budget: Budget,
    texts: tuple[int, ...],
    threads: int | None,
    clock: Clock,
    precision: Precision,
) -> Predicted:
    """Of a text of the median length; in memory there are the shapes that texts of all of these lengths want.

    Where no text is known, as of a recipe, it is of the usual length, and every shape may be wanted.
    """
    length = int(statistics.median(texts)) if texts else USUAL_LENGTH
    shapes = subject.shapes(texts or subject.lengths)
    count = threads or profile.preferences.default_threads.value
    prices = prices_for(profile, runtime=subject.runtime, precision=precision, clock=clock)
    known = subject.file_bytes if precision == "int8" else None
    file_bytes = subject.structure.weight_bytes(int8=precision == "int8") if known is None else known
    found = predict(
        prices,
        subject.structure,
        length=subject.run_length(length),
        threads=count,
        file_bytes=file_bytes,
        planned_length=subject.planned_length,
        shapes=shapes,
    )
    roof = None
    if clock == "wall":
        run = subject.run_length(length)
        roof = roof_of(as_measured(profile), prices, subject.structure, length=run, precision=precision)
    return Predicted(
        runtime=subject.runtime,
        precision=precision,
        profile=profile.name,
        clock=clock,
        length=length or None,
        threads=count,
        roof=roof,
        prediction=replace(found, notes=(*subject.notes, *found.notes, *_memory_notes(found, profile, shapes))),
        verdict=judge(
            with_memory(budget, profile),
            latency_ms=found.latency_ms if clock == "wall" else None,
            artifact_bytes=round(file_bytes),
            peak_rss_bytes=found.peak_memory_bytes,
        ),
    )


def writing_prediction(
    subject: PricedArtifact,
    writing: WritingArtifact,
    profile: Profile,
    budget: Budget,
    prompts: tuple[int, ...],
    threads: int | None,
    clock: Clock,
    precision: Precision,
) -> Predicted:
    """Of an artifact that generates: of a token with a cache for the whole context, of first tokens, and of memory."""
    count = threads or profile.preferences.default_threads.value
    narrow = subject.weight_bytes if precision == "int8" else float(WEIGHT_BYTES[precision])
    prices = prices_for(profile, runtime=subject.runtime, precision=precision, clock=clock)
    notes = list(subject.notes)
    if narrow < INT8_BYTES:
        if _is_measured(prices):
            notes.append("its weights are narrower than int8, by whose prices it is predicted: it may be faster")
        prices = of_narrow_weights(prices, narrow)
    known = subject.file_bytes if precision == "int8" else None
    file_bytes = writing.decode.weight_bytes(int8=precision == "int8") if known is None else known
    forecast = writing_forecast(
        writing,
        prices,
        as_measured(profile),
        threads=count,
        file_bytes=file_bytes,
        weight_bytes=narrow,
        prompts=prompts,
    )
    token = predict(prices, writing.decode, length=writing.context, threads=count, file_bytes=file_bytes)
    token = replace(token, peak_memory_bytes=forecast.whole.peak_memory_bytes)
    notes += [*token.notes, *_context_notes(forecast, profile)]
    is_wall = clock == "wall"
    roof = None
    if is_wall:
        roof = roof_of(as_measured(profile), prices, writing.decode, length=writing.context, precision=precision)
    return Predicted(
        runtime=subject.runtime,
        precision=precision,
        profile=profile.name,
        clock=clock,
        length=writing.context,
        threads=count,
        prediction=replace(token, notes=tuple(notes)),
        verdict=judge(
            with_memory(budget, profile),
            first_token_ms=forecast.typical().first_token_ms if is_wall else None,
            tokens_per_second=forecast.whole.tokens_per_second if is_wall else None,
            context=writing.context,
            artifact_bytes=round(file_bytes),
            peak_rss_bytes=token.peak_memory_bytes,
        ),
        roof=roof,
        writing=forecast,
    )


def _is_measured(prices: Prices) -> bool:
    return FACTS not in prices.source


def _context_notes(forecast: WritingForecast, profile: Profile) -> Iterator[str]:
    """Where the context does not fit, the largest that does."""
    if forecast.whole.peak_memory_bytes > usable_bytes(profile):
        largest = forecast.largest_context
        fits = f"the largest context that fits is {largest}" if largest else "no context fits"
        yield f"a context of {forecast.whole.context} tokens does not fit into the device's memory: {fits}"


def with_memory(budget: Budget, profile: Profile) -> Budget:
    """The budget with the memory that a profile asks for, where it names none itself."""
    if budget.peak_memory_mb is not None or profile.budget is None:
        return budget
    return budget.model_copy(update={"peak_memory_mb": float(profile.budget.peak_memory_mb.value)})


def peak_memory(found: Predicted, profile: Profile) -> str:
    """The peak memory, beside what the device has."""
    peak = found.prediction.peak_memory_bytes / BYTES_PER_MB
    return (
        f"Its peak memory is about {peak:.3g} MB, of {usable_bytes(profile) / BYTES_PER_MB:.0f} MB that the device has."
    )


def _memory_notes(found: Prediction, profile: Profile, shapes: int) -> Iterator[str]:
    if shapes > 1:
        yield f"its memory is with {shapes} of its lengths in use; the runtime packs the weights anew for each"
    if found.peak_memory_bytes > usable_bytes(profile):
        yield (
            f"{found.peak_memory_bytes / BYTES_PER_MB:.0f} MB do not fit into what the device has, "
            f"{usable_bytes(profile) / BYTES_PER_MB:.0f} MB"
        )
