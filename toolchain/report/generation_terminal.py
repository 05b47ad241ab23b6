"""How an artifact writes text, on a terminal.

In:  the part `generation` of the document `bench` gives with --json.
Out: renderables of rich: first tokens by the length of prompts, tokens by context, and what memory they take.
"""

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from edgewright.base.fields import Fields
from edgewright.report.judged_cells import rounded
from edgewright.report.table_cells import NOTHING, megabytes, number, percent, table, text


def generation_report(found: Fields, *, emulated: bool) -> Iterator[RenderableType]:
    """Both tables, and what is read of memory; of an emulated board instructions in place of times."""
    by_instructions = any(row.number("instructions_per_token") is not None for row in found.rows("contexts"))
    yield from _by_instructions(found) if by_instructions else _by_time(found, emulated=emulated)
    yield Text(memory_sentence(found))


def memory_sentence(found: Fields) -> str:
    """What the cache takes, what a token reads, and how much of the memory's bandwidth that is.

    Where that is more than all of it the processor's own caches gave it.
    """
    cache = f"The cache of {found.count('context_tokens') or 0:,} tokens takes {megabytes(found.number('cache_bytes'))}"
    read = max((each.number("read_bytes_per_token") or 0.0 for each in found.rows("contexts")), default=0.0)
    told = f"{cache}; a token reads up to {megabytes(read)} of weights and cache"
    share = found.number("bandwidth_share")
    if share is None:
        return f"{told}."
    bandwidth = f"{number(found.number('bandwidth_gb_s'))} GB/s that one core copies"
    cached = "; so the processor's caches hold most of it" if share > 1 else ""
    return f"{told}, at most {percent(share)} of the {bandwidth} ({text(found, 'bandwidth_source')}){cached}."


def expected_writing(writing: Fields, found: Fields, *, source: str) -> Iterator[tuple[str, str]]:
    """What was predicted of what a budget is judged by, and how far the measurement is from it; nothing where unknown.

    `writing` is that part of what was predicted, `found` the part `generation` of what was measured.
    """
    prompt, rates = found.count("typical_prompt_tokens"), writing.rows("rates")
    for first in writing.rows("first_tokens"):
        if first.count("prompt_tokens") == prompt:
            off = difference(found.number("first_token_ms"), first.number("first_token_ms"))
            spans = _around(first, ("first_token_ms", "low_ms", "high_ms"))
            yield "predicted first token", f"{spans} ms after {prompt} tokens; measured {off}"
    if rates:  # the last is of the whole context, which every step looks at
        off = difference(found.number("tokens_per_second"), rates[-1].number("tokens_per_second"))
        names = ("tokens_per_second", "low_tokens_per_second", "high_tokens_per_second")
        yield "predicted tokens/s", f"{_around(rates[-1], names)}; measured {off}; from {source}"


def difference(measured: float | None, predicted: float | None) -> str:
    """How much more was measured than was predicted, in percent."""
    return f"{100 * (measured / predicted - 1):+.0f} %" if measured and predicted else NOTHING


def _around(row: Fields, names: tuple[str, str, str]) -> str:
    value, low, high = (rounded(row.number(name)) for name in names)
    return f"{value} ({low} to {high})"


def _by_time(found: Fields, *, emulated: bool) -> Iterator[RenderableType]:
    prompts = table("prompt, tokens", "first token p50, ms", "p90", "p99", "95 % interval", "prefill, tokens/s")
    for row in found.rows("prompts"):
        first = row.inner("first_token_ms")
        times = [rounded(first.number(name)) for name in ("p50", "p90", "p99")]
        spans = _span(first.number("low"), first.number("high"))
        prompts.add_row(str(row.count("tokens")), *times, spans, rounded(row.number("prefill_tokens_per_second")))
    yield prompts
    contexts = table("context, tokens", "tokens/s", "95 % interval", "a token p50, ms", "p90", "p99")
    for row in found.rows("contexts"):
        token = row.inner("token_ms")
        times = [rounded(token.number(name)) for name in ("p50", "p90", "p99")]
        spans = _span(row.number("tokens_per_second_low"), row.number("tokens_per_second_high"))
        contexts.add_row(str(row.count("tokens")), rounded(row.number("tokens_per_second")), spans, *times)
    yield contexts
    if not emulated:
        soon, rate = number(found.number("first_token_ms"), " ms"), number(found.number("tokens_per_second"))
        typical = f"after a prompt of {found.count('typical_prompt_tokens')} tokens"
        yield Text(f"A budget is judged by {soon} to a first token {typical}, and by {rate} tokens/s, the slowest.")


def _by_instructions(found: Fields) -> Iterator[RenderableType]:
    prompts = table("prompt, tokens", "instructions to a first token", "of prefill a token", numbers_from=0)
    for row in found.rows("prompts"):
        counts = (row.number(name) for name in ("first_token_instructions", "prefill_instructions_per_token"))
        prompts.add_row(str(row.count("tokens")), *map(millions, counts))
    yield prompts
    contexts = table("context, tokens", "instructions a token", numbers_from=0)
    for row in found.rows("contexts"):
        contexts.add_row(str(row.count("tokens")), millions(row.number("instructions_per_token")))
    yield contexts


def millions(count: float | None) -> str:
    """A number of instructions in millions."""
    return NOTHING if count is None else f"{count / 1e6:.4g} M"


def _span(low: float | None, high: float | None) -> str:
    return NOTHING if low is None or high is None else f"{low:.3g} to {high:.3g}"
