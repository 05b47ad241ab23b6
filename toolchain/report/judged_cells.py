"""What several of a terminal's reports end with: the budget's verdict, int8's, and notes on an emulator's clock."""

from textwrap import shorten

from rich.console import Group, RenderableType
from rich.text import Text

from edgewright.base.fields import Fields
from edgewright.report.table_cells import NOTHING, number, text

CLOCK_NOTES = {
    "instructions": "Emulated: this clock counts instructions (2 ns each). Compare variants with it; "
    "these are not a board's milliseconds.",
    "wall": "Emulated: these milliseconds are the emulator's on this machine. They say nothing about a board's speed.",
}


def verdict(budget: Fields) -> RenderableType:
    """What was missed or not measured, and as the last line whether the budget was met and a network is needed."""
    missed = budget.rows("missed")
    lines = [Text(f"Budget missed: {text(miss, 'sentence')}", style="red") for miss in missed]
    if undecided := budget.texts("undecided"):
        lines.append(Text(f"Not measured here: {', '.join(undecided)}.", style="yellow"))
    if as_good := budget.inner("baseline_at_least_as_good"):
        judged = "Budget missed, and" if missed else "Budget met, but"
        lines.append(Text(f"{judged} {text(as_good, 'sentence')}.", style="yellow"))
    elif not missed:
        lines.append(Text("Budget met.", style="green"))
    return Group(*lines)


def int8_verdict(row: Fields) -> Text:
    """What int8 bought, marked where that is no speed."""
    return Text(text(row, "verdict"), style="" if row.flag("faster") else "yellow")


def rounded(value: float | None) -> str:
    """Three figures, for narrow columns."""
    return NOTHING if value is None else f"{value:.3g}"


def shortened(sentence: str) -> str:
    """As much of a text as a table has room for; `--json` has all of it."""
    return shorten(sentence, SHOWN_CHARACTERS, placeholder=" …")


SHOWN_CHARACTERS = 240


def parity(found: Fields) -> str:
    """Whether outputs agree, and the worst cosine; of what generates the divergence, or what is wrong."""
    if not found:
        return NOTHING
    agreement = "agree" if found.flag("passed") else "DIFFER"
    if generation := found.inner("generation"):
        return f"{agreement}, {_of_logits(generation)}"
    return f"{agreement}, cosine ≥ {number(found.number('cosine_min'))}"


def _of_logits(generation: Fields) -> str:
    """What is wrong with logits, or how near they are."""
    if faults := generation.texts("faults"):
        return shortened("; ".join(faults))
    kl, same = generation.number("kl_nats"), generation.number("greedy_agreement")
    return f"{rounded(kl)} nats a token, {rounded(None if same is None else 100 * same)} % of greedy tokens"
