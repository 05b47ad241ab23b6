"""What an artifact may cost at most, and what it has to reach at least, and whether it kept to it.

In:  a `Budget` (a recipe's section) and what was measured, as far as it is known.
Out: a `Verdict` that says by how much each limit was missed and which stage's settings would change it.
Measuring is `measure`'s concern. A megabyte is 1,000,000 bytes.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from edgewright.base.json_values import JsonObject, JsonValue
from edgewright.specs.metrics import as_good_as

BYTES_PER_MB = 1_000_000
Limit = Annotated[float, Field(gt=0, allow_inf_nan=False)]
OF_GENERATION = ("first_token_ms", "tokens_per_second", "context")  # limits of models that generate text


_MB: JsonDict = {"unit": "MB of 1,000,000 bytes"}


class Budget(BaseModel):
    """What an artifact may cost at most, or has to reach at least; a limit that is not given is not set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    latency_ms: Limit | None = Field(
        default=None,
        description="The median latency of one inference, in milliseconds; a model that generates text has "
        "first_token_ms and tokens_per_second instead.",
        json_schema_extra={"unit": "ms"},
    )
    first_token_ms: Limit | None = Field(
        default=None,
        description="Of a model that generates text: the median time from a typical prompt to its first token. Such a "
        "prompt has 64 tokens, or half the context where that is less.",
        json_schema_extra={"unit": "ms"},
    )
    tokens_per_second: Limit | None = Field(
        default=None,
        description="Of a model that generates text: how many tokens it has to write a second at least, at the slowest "
        "of the contexts that are measured, which the full one is among unless others are asked for.",
        json_schema_extra={"unit": "tokens/s, at least"},
    )
    context: Annotated[int, Field(gt=0, le=1 << 31)] | None = Field(
        default=None,
        description="Of a model that generates text: how many tokens a prompt and what follows it may have together at "
        "least.",
        json_schema_extra={"unit": "tokens, at least"},
    )
    artifact_mb: Limit | None = Field(
        default=None,
        description="The size of the artifact's file.",
        json_schema_extra=_MB,
    )
    peak_memory_mb: Limit | None = Field(
        default=None,
        description="The most memory that the runner takes.",
        json_schema_extra=_MB,
    )
    max_score_loss_percent: Annotated[float, Field(gt=0, le=100)] | None = Field(
        default=None,
        description="The student's loss against the teacher, in percent of the teacher's score.",
        json_schema_extra={"unit": "%"},
    )


@dataclass(frozen=True, kw_only=True)
class Miss:
    """One limit that was not kept: `by_percent` is what is too much, or lacks, in percent of the limit."""

    name: str
    limit: float
    actual: float
    unit: str
    by_percent: float
    stage: str
    sentence: str


@dataclass(frozen=True, kw_only=True)
class BetterBaseline:
    """A method without a network that scores at least as well as the student."""

    name: str
    score: float
    student_score: float

    @property
    def sentence(self) -> str:
        """What that means, as the end of a sentence."""
        return (
            f"{self.name} ({self.score:.3f}) is at least as good as the student ({self.student_score:.3f}): you need "
            "no network for this task"
        )


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether the budget was met; `undecided` names the limits for which nothing was measured.

    `baseline` is there where a method without a network is at least as good: no limit is missed by that.
    """

    met: bool
    missed: tuple[Miss, ...] = ()
    undecided: tuple[str, ...] = ()
    baseline: BetterBaseline | None = None

    def summary(self) -> JsonObject:
        """The verdict as it stands in JSON documents; a number that is not finite becomes null."""
        missed = [{key: _finite(value) for key, value in asdict(miss).items()} for miss in self.missed]
        as_good = {**asdict(self.baseline), "sentence": self.baseline.sentence} if self.baseline else None
        return {
            "met": self.met,
            "missed": missed,
            "undecided": list(self.undecided),
            "baseline_at_least_as_good": as_good,
        }


def as_good(name: str, score: float, student_score: float, *, metric: str) -> BetterBaseline | None:
    """The baseline, where it scores at least as well as the student."""
    if not as_good_as(metric, score, student_score):
        return None
    return BetterBaseline(name=name, score=score, student_score=student_score)


@dataclass(frozen=True, kw_only=True)
class _Rule:
    """A limit's unit, the stage whose settings decide it, and what to change there.

    Of a limit that is `at_least` more is better, of any other less.
    """

    unit: str
    stage: str
    remedy: str
    at_least: bool = False


_RULES = {
    "latency_ms": _Rule(
        unit="ms", stage="prune", remedy="lower stages.prune.layers or stages.prune.neurons (of images keep_macs)"
    ),
    "first_token_ms": _Rule(
        unit="ms",
        stage="prune",
        remedy="lower stages.prune.layers or stages.prune.neurons, or give stages.export.prefill_lengths one that is "
        "as long as your prompts",
    ),
    "tokens_per_second": _Rule(
        unit="tokens/s",
        stage="prune",
        remedy="lower stages.prune.layers, stages.prune.neurons or stages.vocabulary.size, or set "
        'stages.quantize.weights = "int4"',
        at_least=True,
    ),
    "context": _Rule(unit="tokens", stage="export", remedy="raise stages.export.context", at_least=True),
    "artifact_mb": _Rule(
        unit="MB",
        stage="vocabulary",
        remedy="lower stages.vocabulary.size or stages.prune.neurons (of images keep_macs)",
    ),
    "peak_memory_mb": _Rule(
        unit="MB", stage="prune", remedy="lower stages.prune.neurons (of images keep_macs) or stages.vocabulary.size"
    ),
    "max_score_loss_percent": _Rule(
        unit="%",
        stage="distill",
        remedy="raise stages.distill.train_tokens or .epochs, or keep more layers in stages.prune.layers",
    ),
}


def is_at_least(name: str) -> bool:
    """Whether the limit of this name is one to be reached, rather than one not to be exceeded."""
    return _RULES[name].at_least


def judge(
    budget: Budget,
    *,
    latency_ms: float | None = None,
    first_token_ms: float | None = None,
    tokens_per_second: float | None = None,
    context: int | None = None,
    artifact_bytes: int | None = None,
    peak_rss_bytes: int | None = None,
    score_loss_percent: float | None = None,
) -> Verdict:
    """Compare what is known with the limits; a limit that is exactly reached is kept, one not measured is undecided."""
    known: dict[str, float | None] = {
        "latency_ms": latency_ms,
        "first_token_ms": first_token_ms,
        "tokens_per_second": tokens_per_second,
        "context": context,
        "artifact_mb": None if artifact_bytes is None else artifact_bytes / BYTES_PER_MB,
        "peak_memory_mb": None if peak_rss_bytes is None else peak_rss_bytes / BYTES_PER_MB,
        "max_score_loss_percent": score_loss_percent,
    }
    limits = {name: limit for name in _RULES if (limit := getattr(budget, name)) is not None}
    undecided = tuple(name for name in limits if known[name] is None)
    missed = tuple(
        _miss(name, limit, actual)
        for name, limit in limits.items()
        if (actual := known[name]) is not None and not _keeps(name, limit, actual)
    )
    return Verdict(met=not missed, missed=missed, undecided=undecided)


def _keeps(name: str, limit: float, actual: float) -> bool:
    """A measurement that is not a number keeps no limit."""
    return actual >= limit if _RULES[name].at_least else actual <= limit


def _miss(name: str, limit: float, actual: float) -> Miss:
    rule = _RULES[name]
    by_percent = 100 * abs(actual - limit) / limit
    side = "under" if rule.at_least else "over"
    return Miss(
        name=name,
        limit=limit,
        actual=actual,
        unit=rule.unit,
        by_percent=by_percent,
        stage=rule.stage,
        sentence=f"{name} is {actual:.4g} {rule.unit}, {by_percent:.3g} % {side} the limit of {limit:g} {rule.unit}; "
        f"the stage {rule.stage} decides it: {rule.remedy}",
    )


def _finite(value: JsonValue) -> JsonValue:
    return None if isinstance(value, float) and not math.isfinite(value) else value
