"""Whether a recipe's student can keep its budget on a device at all, known before anything is trained.

In:  a recipe and a profile.
Out: `Unreachable` limits, each with the nearest that could be kept; none where that cannot be said.
Only what a prediction's interval does not leave open counts as out of reach, and of sizes that are known later the
least that they can be. How near the rest comes is for the build and `bench` to tell.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from edgewright.cost.context_memory import ContextMemory, usable_bytes
from edgewright.cost.device_prices import of_narrow_weights, prices_for
from edgewright.cost.pricing import Prices, predict
from edgewright.cost.writing import writing_forecast
from edgewright.errors import InputError, UnreachableBudgetError, UnsupportedModelError
from edgewright.quantize.schemes import narrow_weights, rounds_to_integers
from edgewright.runtimes.descriptor import Runtime
from edgewright.runtimes.table import RUNTIMES, priced_runtimes
from edgewright.specs.budget import BYTES_PER_MB
from edgewright.specs.profiles import Profile
from edgewright.specs.recipe import Recipe
from edgewright.specs.structure import Structure
from edgewright.stages.chosen_sizes import are_open
from edgewright.stages.planned_decoder import PlannedDecoder, planned_decoder
from edgewright.stages.planned_student import Planned, planned

SHORT_TEXT = 8  # tokens; texts may turn out to be so short
FEWEST_PIECES = 256  # of a vocabulary that a recipe may ask for
CONTEXT = "context"
AT_LEAST = ("tokens_per_second", CONTEXT)
UNITS = {
    "first_token_ms": "ms", "tokens_per_second": "tokens/s", CONTEXT: "tokens", "artifact_mb": "MB",
    "peak_memory_mb": "MB",
}  # fmt: skip
DIGITS = 2  # of a limit that is proposed


@dataclass(frozen=True, kw_only=True)
class Unreachable:
    """A limit of the budget, and the least that the recipe's student takes, and the least of any student.

    `smallest` has one layer of one head and the fewest neurons that kernels like. Of a limit that `is_least` both are
    the most that they reach.
    """

    name: str
    limit: float
    least: float
    smallest: float
    unit: str
    runtime: str
    is_least: bool = False

    @property
    def nearest(self) -> float:
        """A limit that may be kept, in few digits."""
        step = 10.0 ** (math.floor(math.log10(self.least)) - DIGITS + 1)
        steps = math.floor(self.least / step) if self.is_least else math.ceil(self.least / step)
        return float(f"{steps * step:.6g}")

    @property
    def excess(self) -> float:
        """How many times too much it takes, or too little it reaches."""
        return self.limit / self.least if self.is_least else self.least / self.limit

    def sentence(self) -> str:
        """What is asked for, what there is, and what a student of one layer would have."""
        reached = "it reaches {0} at the most" if self.is_least else "it takes {0} at the least"
        has = reached.format(f"{self.least:.3g} {self.unit}")
        return f"{self.name} is to be {self.limit:g} {self.unit}, and {has} ({_of_smallest(self)})"


def unreachable(recipe: Recipe, profile: Profile) -> tuple[Unreachable, ...]:
    """The limits that the student cannot keep under the runtime that comes nearest to all of them.

    Empty where one keeps them, or where nothing can be said: of images, of an encoder that a factory makes, of a
    runtime that has no prices, and of ranks that activations will tell.
    """
    runtimes = [name for name in recipe.stages.export.runtimes if name in profile.preferences.runtimes]
    low_rank = recipe.stages.low_rank
    open_ranks = low_rank.enabled and (low_rank.energy is not None or low_rank.keep_parameters is not None)
    if (
        not runtimes
        or set(runtimes) - set(priced_runtimes())
        or open_ranks
        or not rounds_to_integers(recipe.stages.quantize.scheme)
    ):
        return ()
    try:
        if recipe.task.description.generates:
            return _fewest(_missed_writing(_least_vocabulary(recipe), profile, runtimes))
        plan = planned(_least_vocabulary(recipe), profile)
        smallest = _smallest(plan, profile)
        if are_open(recipe):  # its sizes are chosen for the budget, so only the smallest is out of reach
            plan = smallest
        priced = {name: prices_for(profile, runtime=name, precision="int8") for name in runtimes}
    except (
        InputError,
        UnsupportedModelError,
    ):  # what is wrong is told where it is needed
        return ()
    return _fewest(tuple(_missed(recipe, name, priced[name], plan, smallest)) for name in runtimes)


def _fewest(missed: Iterable[tuple[Unreachable, ...]]) -> tuple[Unreachable, ...]:
    """Of the runtime that comes nearest to all limits."""
    return min(missed, key=lambda each: (len(each), sum(miss.excess for miss in each)))


def require_reachable(recipe: Recipe, profile: Profile) -> None:
    """Raise `UnreachableBudgetError` with the nearest budget where this one is out of reach.

    Raises `InputError` with the largest context that fits where the device's memory does not hold the recipe's.
    """
    _require_room(recipe, profile)
    if not (missed := unreachable(recipe, profile)):
        return
    misses = "; ".join(each.sentence() for each in missed)
    nearest = " and ".join(f"{each.name} = {each.nearest:g}" for each in missed)
    raise UnreachableBudgetError(recipe.name, profile.name, misses, nearest)


def _require_room(recipe: Recipe, profile: Profile) -> None:
    """Of a model that writes: its cache is to fit beside all else, at the lower end of what that takes."""
    runtimes = [name for name in recipe.stages.export.runtimes if name in priced_runtimes()]
    if not recipe.task.description.generates or not runtimes:
        return
    try:
        plan = planned_decoder(_least_vocabulary(recipe), profile)
        rooms = [_memory(plan, name, profile) for name in runtimes]
    except (InputError, UnsupportedModelError):  # as in `unreachable`
        return
    least = min(rooms, key=lambda each: each.at(recipe.context))
    least.require_room(recipe.context, usable_bytes(profile), device=profile.name)


def _memory(plan: PlannedDecoder, runtime: str, profile: Profile) -> ContextMemory:
    """The least that a context takes under a runtime."""
    prices = of_narrow_weights(prices_for(profile, runtime=runtime, precision="int8"), plan.weight_bytes)
    writing = plan.writing(RUNTIMES[runtime])
    memory, spread = writing.memory(prices, plan.least_file_bytes), predict(prices, writing.decode, length=1)
    share = 1 / (1 + spread.memory_spread)
    return ContextMemory(
        fixed_bytes=memory.fixed_bytes * share,
        each_bytes=writing.row_bytes + (memory.each_bytes - writing.row_bytes) * share,
    )


def _missed_writing(recipe: Recipe, profile: Profile, runtimes: Sequence[str]) -> Iterator[tuple[Unreachable, ...]]:
    """Of a model that writes, runtime by runtime."""
    plan, budget = planned_decoder(recipe, profile), recipe.budget
    others = plan.smallest(profile, pieces=FEWEST_PIECES)
    for runtime in runtimes:
        prices = prices_for(profile, runtime=runtime, precision="int8")
        ours, least = (_best_case(each, RUNTIMES[runtime], prices, profile) for each in (plan, others))
        limits = {name: getattr(budget, name) for name in ours}
        yield tuple(
            Unreachable(
                name=name,
                limit=limit,
                least=ours[name],
                smallest=least[name],
                unit=UNITS[name],
                runtime=runtime,
                is_least=name in AT_LEAST,
            )
            for name, limit in limits.items()
            if limit is not None and (limit > ours[name] if name in AT_LEAST else ours[name] > limit)
        )


def _best_case(plan: PlannedDecoder, runtime: Runtime, prices: Prices, profile: Profile) -> dict[str, float]:
    """The favourable ends of what a decoder takes and reaches, by the budget's names."""
    writing = plan.writing(runtime)
    spread = predict(prices, writing.decode, length=1).memory_spread
    found = writing_forecast(
        writing,
        of_narrow_weights(prices, plan.weight_bytes),
        profile,
        threads=profile.processor.cores.value,
        file_bytes=plan.file_bytes,
        weight_bytes=plan.weight_bytes,
    )
    return {
        "first_token_ms": found.typical().low_ms,
        "tokens_per_second": found.whole.high_tokens_per_second,
        "context": float(plan.context),
        "artifact_mb": plan.least_file_bytes / BYTES_PER_MB,
        "peak_memory_mb": found.whole.peak_memory_bytes / (1 + spread) / BYTES_PER_MB,
    }


def _of_smallest(missed: Unreachable) -> str:
    if missed.name == CONTEXT:
        return "raise stages.export.context"
    if missed.is_least:
        if missed.smallest < missed.limit:
            return f"even a student of one layer {missed.smallest:.3g}: no student of this teacher can keep to it"
        return f"a student of one layer may reach {missed.smallest:.3g}: ask for a smaller one in stages.prune"
    if missed.smallest > missed.limit:
        return f"even a student of one layer {missed.smallest:.3g}: no student of this teacher can keep to it"
    return f"a student of one layer may take as little as {missed.smallest:.3g}: ask for a smaller one in stages.prune"


def _missed(recipe: Recipe, runtime: str, prices: Prices, plan: Planned, smallest: Planned) -> Iterator[Unreachable]:
    budget, padded = recipe.budget, RUNTIMES[runtime].fixed_shapes
    ours, others = (
        _Least(recipe=recipe, prices=prices, structure=each.structure(padded=padded), plan=each, padded=padded)
        for each in (plan, smallest)
    )
    for name, limit, least, other, unit in (
        ("latency_ms", budget.latency_ms, ours.latency_ms, others.latency_ms, "ms"),
        ("artifact_mb", budget.artifact_mb, ours.artifact_mb, others.artifact_mb, "MB"),
        ("peak_memory_mb", budget.peak_memory_mb, ours.peak_memory_mb, others.peak_memory_mb, "MB"),
    ):
        if limit is not None and least > limit:
            yield Unreachable(name=name, limit=limit, least=least, smallest=other, unit=unit, runtime=runtime)


@dataclass(frozen=True, kw_only=True)
class _Least:
    """The lower ends of what one student takes."""

    recipe: Recipe
    prices: Prices
    structure: Structure
    plan: Planned
    padded: bool

    @property
    def latency_ms(self) -> float:
        lengths = self.plan.spec.lengths if self.padded else ()
        length = next((each for each in lengths if each >= SHORT_TEXT), min(SHORT_TEXT, self.plan.spec.max_length))
        return predict(self.prices, self.structure, length=length).low_ms

    @property
    def artifact_mb(self) -> float:
        narrow = narrow_weights(self.recipe.stages.quantize.weights)
        bytes_each = narrow.weight_bits / 8 if narrow else 1
        return (self.structure.table_weights + self.structure.matrix_weights * bytes_each) / BYTES_PER_MB

    @property
    def peak_memory_mb(self) -> float:
        found = predict(self.prices, self.structure, length=SHORT_TEXT, file_bytes=self.artifact_mb * BYTES_PER_MB)
        return found.peak_memory_bytes / (1 + found.memory_spread) / BYTES_PER_MB


def _least_vocabulary(recipe: Recipe) -> Recipe:
    """Where the task's own texts decide how many word pieces stay, as few as may."""
    vocabulary = recipe.stages.vocabulary
    if not vocabulary.enabled or (vocabulary.size is not None and vocabulary.coverage is None):
        return recipe
    fewest = vocabulary.model_copy(update={"size": FEWEST_PIECES})
    return recipe.model_copy(update={"stages": recipe.stages.model_copy(update={"vocabulary": fewest})})


def _smallest(plan: Planned, profile: Profile) -> Planned:
    width = max(each.head_width for each in plan.shape.layers)
    neurons = profile.preferences.int8_channel_multiple.value
    fewest = plan.shape.layers[0].resized(heads=1, head_width=width, neurons=neurons)
    shape = replace(plan.shape, layers=(fewest,), vocabulary=min(FEWEST_PIECES, plan.shape.vocabulary))
    return plan.resized(shape)
