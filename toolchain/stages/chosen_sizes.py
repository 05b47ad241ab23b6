"""The sizes of a student whose recipe leaves them open: the largest that keeps the budget, by prediction.

In:  a recipe for texts with a budget and without `[stages.prune]`, a profile, and how long texts are.
Out: `Sized`: the recipe with its sizes, and a sentence that says what was chosen and what it is predicted to take; or
     the plan of a build with them, by a stage of its own.
Predictions are by the profile's facts alone, so that a recipe has the same student on every machine, whatever was
calibrated there. A recipe that names sizes is left as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from edgewright.base.cache import ARTIFACT_PACKAGES
from edgewright.compress.cut_plan import cut_plan
from edgewright.compress.cut_transformers import prune_sizes
from edgewright.cost.nominal_prices import Roofline
from edgewright.cost.pricing import predict
from edgewright.models.encoder import EncoderShape
from edgewright.models.transformer_shape import LayerShape
from edgewright.runtimes.table import RUNTIMES
from edgewright.specs.budget import BYTES_PER_MB, Budget
from edgewright.specs.profiles import Profile
from edgewright.specs.recipe import LowRank, Prune, Recipe, Vocabulary
from edgewright.stages.float_models import dataset_of
from edgewright.stages.plan import Plan
from edgewright.stages.planned_student import Planned, can_be_planned, planned
from edgewright.stages.stage import Build, Findings, Stage, Workspace

TABLE_SHARE = 0.6  # of the artifact that the token table may take
MEASURED_TEXTS = 256  # of the held-out part, whose median length is planned for
CHOSEN = ("prune", "low_rank", "vocabulary")  # the sections
SPARE = 0.95  # of a limit that is planned for: an artifact is more than its weights
# (word pieces, what the width is divided by for the table's rank), from the largest to the smallest table.
TABLES: tuple[tuple[int | None, int | None], ...] = (
    (None, None),
    (20_000, None),
    (10_000, None),
    (10_000, 3),
    (10_000, 4),
    (7_000, 4),
    (5_000, 4),
    (3_000, 4),
    (2_000, 8),
    (1_000, 8),
)
# The shares of neurons and heads that each layer keeps.
SHARES = ((1.0, 1.0), (0.75, 1.0), (0.5, 0.67), (0.375, 0.5), (0.25, 0.34), (0.125, 0.34), (0.0625, 0.17))


@dataclass(frozen=True, kw_only=True)
class Sized:
    """A recipe with all of its sizes; `note` says how they were chosen, and is empty where the recipe names them."""

    recipe: Recipe
    note: str = ""


class SizesFindings(Findings):
    """How long texts are in the middle, in tokens, and the sections that were chosen."""

    length: int
    prune: Prune
    low_rank: LowRank
    vocabulary: Vocabulary
    notes: tuple[str, ...]


def _settings(build: Build) -> Mapping[str, object]:
    """The budget; and what the recipe says of other sizes, which stays as it says."""
    recipe = build.plan.recipe
    return {
        "budget": recipe.budget.model_dump(),
        "stages": recipe.stages.model_dump(mode="json", include={*CHOSEN, "export", "distill"}),
    }


def _facts(build: Build) -> Mapping[str, object]:
    include = {"name", "processor", "caches", "memory", "preferences"}
    return {"device": build.plan.profile.model_dump(mode="json", include=include)}


def choose_sizes(build: Build, _: Workspace) -> SizesFindings:
    """Choose the student's sizes by prediction, for held-out texts of their median length."""
    plan, dataset = build.plan, dataset_of(build, "teacher")
    length = dataset.usual_size(MEASURED_TEXTS)
    result = sized(plan.recipe, plan.profile, length=length)
    chosen = result.recipe.stages.model_dump(mode="json", include=set(CHOSEN))
    return SizesFindings.model_validate({"length": length, **chosen, "notes": [result.note]})


def with_sizes(plan: Plan, sizes: SizesFindings) -> Plan:
    """The plan with the sizes that were chosen."""
    chosen = {name: getattr(sizes, name) for name in CHOSEN}
    stages = plan.recipe.stages.model_copy(update=chosen)
    return replace(plan, recipe=plan.recipe.model_copy(update={"stages": stages}))


def are_open(recipe: Recipe) -> bool:
    """Whether the student's sizes follow from the budget: the recipe has one, and says nothing of sizes."""
    budget = recipe.budget
    limited = any(limit is not None for limit in (budget.latency_ms, budget.artifact_mb, budget.peak_memory_mb))
    named = "prune" in recipe.stages.model_fields_set or recipe.stages.prune != Prune()
    return limited and not named and can_be_planned(recipe)


def sized(recipe: Recipe, profile: Profile, *, length: int) -> Sized:
    """Choose what the recipe leaves open, for texts of `length` tokens; the smallest sizes where none keep the budget.

    Raises `InputError` where the teacher's configuration cannot be read.
    """
    if not are_open(recipe):
        return Sized(recipe=recipe)
    uncut = _with_sizes(recipe, prune=Prune(enabled=False))
    trial = _Trial(recipe=recipe, profile=profile, length=length, teacher=planned(uncut, profile))
    chosen = trial.chosen()
    taken = trial.taken(chosen)
    shape = chosen.layers[0]
    takes = ", ".join(
        text for text in (f"{taken.latency_ms:.3g} ms", f"{taken.artifact_mb:.3g} MB", f"peak {taken.peak_mb:.3g} MB")
    )
    return Sized(
        recipe=chosen.recipe,
        note=(
            f"the recipe names no sizes, so they were chosen for its budget on {profile.name}: {len(chosen.layers)} of "
            f"{len(trial.teacher.shape.layers)} layers, {shape.heads} heads and {shape.neurons} neurons each, "
            f"{_table_words(chosen)}; predicted of {length} tokens: {takes} ({taken.runtime}, by the profile's facts, "
            f"within a factor of two{'' if taken.excess <= 1 else '; the budget is out of reach'})"
        ),
    )


@dataclass(frozen=True, kw_only=True)
class _Sizes:
    """One choice: the recipe that asks for it, and the layers that follow from it."""

    recipe: Recipe
    layers: tuple[LayerShape, ...]


@dataclass(frozen=True, kw_only=True)
class _Taken:
    """What a choice is predicted to take under the runtime that comes nearest to the budget.

    `excess` is the largest share of a limit that it takes; at most 1 where all are kept.
    """

    runtime: str
    latency_ms: float
    artifact_mb: float
    peak_mb: float
    excess: float


class _Trial:
    def __init__(self, *, recipe: Recipe, profile: Profile, length: int, teacher: Planned) -> None:
        self.recipe, self.profile, self.length, self.teacher = recipe, profile, length, teacher
        self._prices = Roofline(profile=profile, precision="int8")
        self._known: dict[Prune, _Taken] = {}

    def chosen(self) -> _Sizes:
        """The most layers' work that keeps the budget, under the largest token table that leaves room for layers."""
        recipe = self._with_table()
        rising = sorted(
            self._choices(recipe), key=lambda each: (_work(self.teacher.shape, each.layers), len(each.layers))
        )
        low, high = 0, len(rising)  # all below `low` keep the budget, none from `high` on does
        while low < high:
            middle = (low + high) // 2
            if self.taken(rising[middle]).excess <= 1:
                low = middle + 1
            else:
                high = middle
        return rising[max(low - 1, 0)]

    def _with_table(self) -> Recipe:
        """The recipe with the largest token table that takes no more of an artifact than it may."""
        limit, stages = self.recipe.budget.artifact_mb, self.recipe.stages
        free_pieces = stages.vocabulary == Vocabulary()
        free_rank = stages.low_rank == LowRank()
        tables = [
            (pieces if free_pieces else None, divisor if free_rank else None)
            for pieces, divisor in (TABLES if limit is not None else TABLES[:1])
        ]
        recipes = [self._with(pieces, divisor) for pieces, divisor in dict.fromkeys(tables)]
        fits = (each for each in recipes if limit is None or self._table_mb(each) <= TABLE_SHARE * limit)
        return next(fits, recipes[-1])

    def _with(self, pieces: int | None, divisor: int | None) -> Recipe:
        shape, changed = self.teacher.shape, dict[str, Vocabulary | LowRank]()
        if pieces is not None and pieces < shape.vocabulary:
            changed["vocabulary"] = Vocabulary(size=pieces)
        if divisor is not None:
            changed["low_rank"] = LowRank(token_rank=max(shape.width // divisor, 1))
        return self.recipe.model_copy(update={"stages": self.recipe.stages.model_copy(update=changed)})

    def _table_mb(self, recipe: Recipe) -> float:
        shape = self.teacher.shape
        pieces = min(recipe.stages.vocabulary.size or shape.vocabulary, shape.vocabulary)
        rank = recipe.stages.low_rank.token_rank
        return (pieces * shape.width if rank is None else rank * (pieces + shape.width)) / BYTES_PER_MB

    def _choices(self, recipe: Recipe) -> Iterator[_Sizes]:
        multiple = self.profile.preferences.int8_channel_multiple.value
        layers = self.teacher.shape.layers
        for count in range(1, len(layers) + 1):
            for neurons_share, heads_share in SHARES:
                largest = layers[0]
                neurons = _rounded(largest.neurons * neurons_share, multiple, largest.neurons)
                heads = max(1, round(largest.heads * heads_share))
                prune = Prune(layers=count, heads=heads, neurons=neurons)
                student = cut_plan(self.teacher.shape, prune_sizes(prune, multiple)).of(self.teacher.shape)
                yield _Sizes(recipe=_with_sizes(recipe, prune=prune), layers=student.layers)

    def taken(self, sizes: _Sizes) -> _Taken:
        """What a choice takes; asked once."""
        prune = sizes.recipe.stages.prune
        if prune not in self._known:
            plan = planned(sizes.recipe, self.profile)
            by_runtime = [self._under(plan, runtime) for runtime in self.recipe.stages.export.runtimes]
            self._known[prune] = min(by_runtime, key=lambda each: each.excess)
        return self._known[prune]

    def _under(self, plan: Planned, runtime: str) -> _Taken:
        fixed = plan.spec.lengths if RUNTIMES[runtime].fixed_shapes else ()
        structure = plan.structure(padded=bool(fixed))
        weights = structure.weight_bytes(int8=True)
        predicted = predict(
            self._prices,
            structure,
            length=next((each for each in fixed if each >= self.length), self.length),
            threads=self.profile.preferences.default_threads.value,
            file_bytes=weights,
            planned_length=None if fixed else plan.spec.max_length,
            shapes=max(len(fixed), 1),
        )
        sizes = (predicted.latency_ms, weights / BYTES_PER_MB, predicted.peak_memory_bytes / BYTES_PER_MB)
        return _Taken(
            runtime=runtime,
            latency_ms=sizes[0],
            artifact_mb=sizes[1],
            peak_mb=sizes[2],
            excess=max(0.0, *_shares(self.recipe.budget, sizes)),
        )


def _shares(budget: Budget, sizes: Sequence[float]) -> Iterator[float]:
    """How much of each limit is taken."""
    for limit, size in zip((budget.latency_ms, budget.artifact_mb, budget.peak_memory_mb), sizes, strict=True):
        if limit is not None:
            yield size / (SPARE * limit)


def _work(shape: EncoderShape, layers: Sequence[LayerShape]) -> int:
    """Products with weights for a token, by which choices are put in order."""
    return sum(
        shape.width * 4 * each.heads * each.head_width + shape.macs_each_neuron * each.neurons for each in layers
    )


def _rounded(size: float, multiple: int, most: int) -> int:
    return min(max(round(size / multiple), 1) * multiple, most)


def _with_sizes(recipe: Recipe, *, prune: Prune) -> Recipe:
    return recipe.model_copy(update={"stages": recipe.stages.model_copy(update={"prune": prune})})


def _table_words(sizes: _Sizes) -> str:
    pieces, rank = sizes.recipe.stages.vocabulary.size, sizes.recipe.stages.low_rank.token_rank
    table = "the word pieces that the task uses" if pieces is None else f"at most {pieces} word pieces"
    return table if rank is None else f"{table} in a table of rank {rank}"


SIZES = Stage(
    name="sizes",
    version=2,
    findings=SizesFindings,
    make=choose_sizes,
    needs=("examples", "teacher"),
    settings=_settings,
    facts=_facts,
    applies=lambda build: are_open(build.plan.recipe),
    packages=ARTIFACT_PACKAGES,
    amend=with_sizes,
)
