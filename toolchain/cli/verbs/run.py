"""The verb `run`: a bundle's answer to one text or image."""

from pathlib import Path
from typing import Annotated

import typer

from edgewright.cli import completion, output
from edgewright.cli.options import ADDRESSES, AsJson, RuntimeName


def run(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="A bundle made by `edgewright build`.")],
    given: Annotated[
        str, typer.Option("--input", metavar="TEXT|FILE", help="What to ask the model: a text, or an image's file.")
    ],
    target: Annotated[
        str | None,
        typer.Option(
            "--target",
            metavar="TARGET",
            help=f"Where to run, on this machine by default: {ADDRESSES}",
            autocompletion=completion.targets,
        ),
    ] = None,
    runtime: RuntimeName = None,
    top: Annotated[int, typer.Option("--top", min=1, help="How many answers to show.")] = 5,
    as_json: AsJson = False,
) -> int:
    """Ask the model: labels or values, a tag for each word, or for a search bundle the best matches of its corpus.

    \b
    Examples:
      edgewright run build/demo --input "how do I read a zip file"
      edgewright run build/digits --input seven.png
      edgewright run build/demo --input "parse a date" --target emulated://raspberry-pi-4 --top 3 --json
    """
    from edgewright.cli.progress_bars import rare_work_shown

    with output.work_on_stderr(), rare_work_shown():
        from edgewright.bundles.answering import ask
        from edgewright.devices.inventory import find_target

        address = find_target(target).only.address if target else None
        answer = ask(bundle, given, address=address, runtime=runtime, top=top)
    if as_json:
        output.emit(answer.document)
    else:
        from edgewright.report.terminal import answer_report

        output.show(answer_report(answer.heads, answer.rows))
    return 0
