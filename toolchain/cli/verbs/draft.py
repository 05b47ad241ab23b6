"""The verb `draft`: a bundle of two models, of which the smaller one drafts what the larger one writes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgewright.cli import output
from edgewright.cli.options import AsJson


def draft(
    larger: Annotated[
        Path, typer.Argument(metavar="LARGER", help="A bundle that writes, built with stages.export.verify_tokens.")
    ],
    smaller: Annotated[
        Path,
        typer.Argument(metavar="SMALLER", help="A bundle of a smaller model with the same tokens, or some of them."),
    ],
    to: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR|FILE.zip", help="Where the bundle of both is written.")
    ],
    force: Annotated[bool, typer.Option("--force", help="Replace what is there, if it is no bundle.")] = False,
    as_json: AsJson = False,
) -> int:
    """Put a smaller model beside a larger one: it drafts some tokens, which the larger one reads in one pass.

    The text stays the larger model's, token for token: both write after the larger bundle's prompts, and a bundle whose
    text differs is not made. What is told is how many drafted tokens were accepted, and how many passes that saves.
    `edgewright run` drafts by itself as long as always the likeliest token is taken; --no-draft leaves that out.

    \b
    Examples:
      edgewright draft build/teacher build/docstrings -o build/drafted
      edgewright run build/drafted --input "def parse_date(text):"
      edgewright run build/drafted --input "def parse_date(text):" --no-draft --json
    """
    with output.work_on_stderr():
        from edgewright.bundles.bundle import Bundle
        from edgewright.bundles.drafting import drafted_bundle

        with Bundle.open(larger) as opened, Bundle.open(smaller) as beside:
            made = drafted_bundle(opened, beside, to, force=force, on_progress=output.tell)
    rows = [
        {
            "runtime": each.runtime,
            "draft": each.name,
            "prompts": each.prompts,
            "tokens": each.tokens,
            "passes": each.passes,
            "passes_saved": each.passes_saved,
            "drafted": each.drafted,
            "accepted": each.accepted,
            "accepted_share": each.accepted_share,
            "tie": each.tie,
        }
        for each in made.manifest.drafts
    ]
    if as_json:
        output.emit({"bundle": str(made.path), "drafts": rows})
        return 0
    for each in made.manifest.drafts:
        output.say(
            f"{each.runtime}: {each.tokens} tokens after {each.prompts} prompts, the same as without {each.name}; "
            f"{each.accepted} of {each.drafted} drafted tokens accepted, {each.passes} passes"
            + (f", {each.passes_saved:.2f} times fewer" if each.passes_saved else "")
        )
    output.say(f"written to {made.path}")
    return 0
