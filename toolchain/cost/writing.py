"""What an artifact that generates will take on a device: until the first token, for each token after it, and in memory.

In:  its structures and sizes, and prices.
Out: `WritingForecast`: first tokens at prompt lengths, tokens a second and peak memory at contexts, and the bound that
     the memory's bandwidth sets, as each token reads every weight and all of the cache once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import prod

from edgewright.base.json_values import JsonObject
from edgewright.cost.context_memory import ContextMemory, usable_bytes
from edgewright.cost.nominal_prices import READS_PER_COPY
from edgewright.cost.pricing import Prediction, Prices, predict
from edgewright.specs.generation import typical_prompt, usual_prompts
from edgewright.specs.profiles import Profile
from edgewright.specs.signature import Axis, Signature
from edgewright.specs.structure import Kind, Structure

LOOKED_UP: frozenset[Kind] = frozenset({"embedding"})  # operators that read rows of a table, in int8
FLOAT_BYTES = 4
LEAST_WEIGHT_BYTES = 0.5  # of int4, without a scale
CONTEXT_SHARES = (4, 2, 1)  # what the whole context is divided by


@dataclass(frozen=True, kw_only=True)
class WritingArtifact:
    """An artifact that generates, there or planned.

    `prefill` is what it computes of some ids at once, `decode` of one with a cache. It takes as many ids at once as the
    `entries` say, (least, most) each, and a token's row of the cache has `row_bytes`.
    """

    prefill: Structure
    decode: Structure
    context: int
    entries: tuple[tuple[int, int], ...]
    row_bytes: float

    @classmethod
    def of(cls, signature: Signature, prefill: Structure, decode: Structure) -> WritingArtifact:
        """Of an artifact with this signature, which says how it generates."""
        plan = signature.generation
        assert plan is not None
        (axis,) = signature.method(plan.prefill).axes.values()
        return cls(
            prefill=prefill,
            decode=decode,
            context=plan.context,
            entries=entries_of(axis),
            row_bytes=signature.state_bytes / plan.context,
        )

    @property
    def most_ids(self) -> int:
        """As many ids as it reads at once."""
        return max(most for _, most in self.entries)

    @property
    def shapes(self) -> int:
        """How many fixed shapes a process runs; one where sizes are free."""
        fixed = [least for least, most in self.entries if least == most]
        return len(fixed) + 1 if len(fixed) == len(self.entries) else 1

    def calls(self, count: int) -> list[int]:
        """How many ids each call has by which a prompt of so many is read, as the runners read it.

        One id alone goes to the decode.
        """
        sizes: list[int] = []
        done = 0
        while done < count:
            sizes.append(self._call(count - done, count))
            done = min(done + sizes[-1], count)
        return sizes

    def _call(self, left: int, count: int) -> int:
        if left == 1:
            return 1
        enough = [max(left, least) for least, most in self.entries if most >= left and least <= count]
        below = [min(left, most) for least, most in self.entries if least <= left]
        if enough and (min(enough) <= 2 * left or not below):
            return min(enough)
        return max(below, default=1)

    def weight_bytes(self, file_bytes: float) -> float:
        """What a weight of its products takes, by the size of its file: half a byte and more of int4, 1 of int8."""
        around = self.decode.table_weights + FLOAT_BYTES * (self.decode.table_rows + self.decode.other_weights)
        each = (file_bytes - around) / max(self.decode.matrix_weights, 1)
        return min(max(each, LEAST_WEIGHT_BYTES), 1.0)

    def memory(self, prices: Prices, file_bytes: float) -> ContextMemory:
        """By prices; the working memory of attention over a longer context is taken to grow evenly with it."""
        bare = replace(self.prefill, live=())
        fixed, whole = (
            prices.memory_bytes(each, self.most_ids, file_bytes, self.shapes) for each in (bare, self.prefill)
        )
        return ContextMemory(fixed_bytes=fixed, each_bytes=self.row_bytes + (whole - fixed) / self.context)


def entries_of(axis: Axis) -> tuple[tuple[int, int], ...]:
    """The (least, most) ids of each entry of a method with this axis."""
    return tuple((each, each) for each in axis.buckets) or ((axis.least, axis.most),)


def token_bytes(decode: Structure, context: int, *, row_bytes: float, weight_bytes: float = 1.0) -> float:
    """What writing one token reads of memory: every weight of its products, a row of the table, and all of the cache.

    A weight takes `weight_bytes`, 1 of int8, and each of the cache's `context` tokens `row_bytes`.
    """
    total = context * row_bytes
    for each in decode.operators:
        sizes = each.at(context)
        if each.kind in LOOKED_UP:
            total += each.count * prod(sizes)
        elif each.kind == "linear":
            total += each.count * weight_bytes * sizes[1] * sizes[2]
    return total


@dataclass(frozen=True, kw_only=True)
class FirstToken:
    """From a prompt of so many tokens to its first token."""

    prompt_tokens: int
    first_token_ms: float
    low_ms: float
    high_ms: float


@dataclass(frozen=True, kw_only=True)
class TokenRate:
    """Writing with a cache for so many tokens: all of it is looked at from the first token on."""

    context: int
    token_ms: float
    tokens_per_second: float
    low_tokens_per_second: float
    high_tokens_per_second: float
    bytes_per_token: float
    peak_memory_bytes: int


@dataclass(frozen=True, kw_only=True)
class WritingForecast:
    """What is to be expected of an artifact that generates; the last of `rates` is of the context that it has.

    Memory lets through at most so many tokens a second as `bound` says: where weights are read no faster than a copy
    is made, and where as fast as a copy reads and writes together. `largest_context` is what the device's memory holds.
    """

    first_tokens: tuple[FirstToken, ...]
    rates: tuple[TokenRate, ...]
    bound: tuple[float, float]
    largest_context: int

    @property
    def whole(self) -> TokenRate:
        """With the context that the artifact has."""
        return self.rates[-1]

    def typical(self) -> FirstToken:
        """Of the prompt that a budget is of."""
        return next(each for each in self.first_tokens if each.prompt_tokens == typical_prompt(self.whole.context))

    def document(self) -> JsonObject:
        """JSON-safe."""
        return asdict(self)


def writing_forecast(
    artifact: WritingArtifact,
    prices: Prices,
    profile: Profile,
    *,
    threads: int,
    file_bytes: float,
    weight_bytes: float = 1.0,
    prompts: Iterable[int] = (),
) -> WritingForecast:
    """By prices of a device, for the usual prompts and these; those longer than the context are left out."""
    context, memory = artifact.context, artifact.memory(prices, file_bytes)
    asked = sorted({*prompts, *usual_prompts(context)})
    rates = []
    for each in sorted({max(context // share, 1) for share in CONTEXT_SHARES}):
        token = predict(prices, artifact.decode, length=each, threads=threads, file_bytes=file_bytes)
        read = token_bytes(artifact.decode, each, row_bytes=artifact.row_bytes, weight_bytes=weight_bytes)
        rates.append(_rate(token, each, read, memory.at(each)))
    copied = profile.memory.copy_bandwidth_gb_s.value * 1e9 / rates[-1].bytes_per_token
    return WritingForecast(
        first_tokens=tuple(_first(artifact, prices, each, threads) for each in asked if each <= context),
        rates=tuple(rates),
        bound=(copied, READS_PER_COPY * copied),
        largest_context=memory.largest(usable_bytes(profile)),
    )


def _rate(token: Prediction, context: int, read: float, peak: float) -> TokenRate:
    return TokenRate(
        context=context,
        token_ms=token.latency_ms,
        tokens_per_second=1e3 / token.latency_ms,
        low_tokens_per_second=1e3 / token.high_ms,
        high_tokens_per_second=1e3 / token.low_ms,
        bytes_per_token=read,
        peak_memory_bytes=round(peak),
    )


def _first(artifact: WritingArtifact, prices: Prices, prompt: int, threads: int) -> FirstToken:
    """The calls that read the prompt, one after the other."""
    known: dict[int, Prediction] = {}
    calls = artifact.calls(prompt)
    for ids in set(calls):
        structure, length = (artifact.decode, artifact.context) if ids == 1 else (artifact.prefill, ids)
        known[ids] = predict(prices, structure, length=length, threads=threads)
    return FirstToken(
        prompt_tokens=prompt,
        first_token_ms=_sum(known, calls, "latency_ms"),
        low_ms=_sum(known, calls, "low_ms"),
        high_ms=_sum(known, calls, "high_ms"),
    )


def _sum(known: Mapping[int, Prediction], calls: Sequence[int], name: str) -> float:
    return float(sum(getattr(known[each], name) for each in calls))
