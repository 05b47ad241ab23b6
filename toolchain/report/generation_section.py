"""The part of a page that tells how an artifact wrote text on a device.

In:  a measurement of an artifact that generates.
Out: sentences, tables and pictures: first tokens by the length of prompts, tokens by context, the cache, the bandwidth.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgewright.report.drawing import BLUE, ORANGE, new_figure
from edgewright.report.measured import Measured, MeasuredContext, MeasuredGeneration, MeasuredPrompt
from edgewright.report.sections import UNKNOWN, Cells, TextTable, megabytes

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def generation_facts(measured: Measured, found: MeasuredGeneration) -> list[tuple[str, str]]:
    """What a budget is judged by, and what memory takes part."""
    facts = [("context", f"{found.context_tokens:,} tokens")]
    if found.first_token_ms is not None:
        facts.append((f"first token after {found.typical_prompt_tokens} tokens", f"{found.first_token_ms:.4g} ms"))
    if found.tokens_per_second is not None:
        facts.append(("tokens per second, at the slowest context", f"{found.tokens_per_second:.4g}"))
    decode = measured.memory.get("decode", {}).get("peak_bytes", measured.peak_rss_bytes)
    facts.append(
        ("memory while writing", f"{megabytes(decode)}, of which a full cache is {megabytes(found.cache_bytes)}")
    )
    read = max(each.read_bytes_per_token for each in found.contexts)
    facts.append(("read for a token", f"{megabytes(read)} of weights and cache at most"))
    if found.bandwidth_share is not None and found.bandwidth_gb_s is not None:
        said = f"{100 * found.bandwidth_share:.0f} % of the {found.bandwidth_gb_s:.3g} GB/s that one core copies"
        facts.append(
            ("share of the memory's bandwidth", f"{said} ({found.bandwidth_source or 'it is not said by whom'})")
        )
    return facts


def generation_tables(found: MeasuredGeneration) -> tuple[TextTable, ...]:
    """One of prompts and one of contexts; by a clock of instructions those, and no times."""
    if any(each.instructions_per_token is not None for each in found.contexts):
        return (
            TextTable(
                heads=("prompt, tokens", "instructions to a first token", "of prefill a token"),
                rows=tuple(map(_counted_prompt, found.prompts)),
            ),
            TextTable(
                heads=("context, tokens", "instructions a token"),
                rows=tuple((str(each.tokens), _millions(each.instructions_per_token)) for each in found.contexts),
            ),
        )
    prompts = ("prompt, tokens", "first token, ms (95 % interval)", "p90", "p99", "prefill, tokens per second")
    contexts = ("context, tokens", "tokens per second (95 % interval)", "a token, ms", "p90", "p99")
    return (
        TextTable(heads=prompts, rows=tuple(map(_timed_prompt, found.prompts))),
        TextTable(heads=contexts, rows=tuple(map(_timed_context, found.contexts))),
    )


def generation_pictures(measured: Measured) -> tuple[Figure, ...]:
    """First tokens over the length of prompts, and tokens a second over the context; times of a real clock alone."""
    found = measured.generation
    if found is None or measured.clock == "instructions":
        return ()
    first = new_figure("Time to a first token", "tokens of the prompt", "ms")
    times = [each.first_token_ms for each in found.prompts]
    _line(first, [each.tokens for each in found.prompts], [(each.p50, each.low, each.high) for each in times], ORANGE)
    rates = [
        (each.tokens, (each.tokens_per_second, each.tokens_per_second_low, each.tokens_per_second_high))
        for each in found.contexts
    ]
    known = [(tokens, (rate, low or rate, high or rate)) for tokens, (rate, low, high) in rates if rate is not None]
    rate_figure = new_figure("Tokens per second", "tokens in the context", "tokens per second")
    _line(rate_figure, [tokens for tokens, _ in known], [bounds for _, bounds in known], BLUE)
    return (first, rate_figure)


def _line(figure: Figure, x: list[int], bounds: list[tuple[float, float, float]], colour: str) -> None:
    """Medians with their intervals, from zero up."""
    above = [high - middle for middle, _, high in bounds]
    below = [middle - low for middle, low, _ in bounds]
    figure.add_scatter(
        x=x,
        y=[middle for middle, _, _ in bounds],
        error_y={"type": "data", "symmetric": False, "array": above, "arrayminus": below},
        mode="lines+markers",
        line={"color": colour},
        name="median, 95 % interval",
    )
    figure.update_yaxes(rangemode="tozero")


def _timed_prompt(each: MeasuredPrompt) -> Cells:
    first, rate = each.first_token_ms, each.prefill_tokens_per_second
    spans = f"{first.p50:.4g} ({first.low:.4g} to {first.high:.4g})"
    return (str(each.tokens), spans, f"{first.p90:.4g}", f"{first.p99:.4g}", UNKNOWN if rate is None else f"{rate:.4g}")


def _timed_context(each: MeasuredContext) -> Cells:
    token, rate, low, high = (
        each.token_ms,
        each.tokens_per_second,
        each.tokens_per_second_low,
        each.tokens_per_second_high,
    )
    spans = "" if low is None or high is None else f" ({low:.4g} to {high:.4g})"
    told = UNKNOWN if rate is None else f"{rate:.4g}{spans}"
    return (str(each.tokens), told, f"{token.p50:.4g}", f"{token.p90:.4g}", f"{token.p99:.4g}")


def _counted_prompt(each: MeasuredPrompt) -> Cells:
    counts = (each.first_token_instructions, each.prefill_instructions_per_token)
    return (str(each.tokens), *map(_millions, counts))


def _millions(count: int | None) -> str:
    return UNKNOWN if count is None else f"{count / 1e6:.4g} M"
