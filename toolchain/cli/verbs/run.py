"""The verb `run`: a bundle's answer to one text or image, or the text that it writes after another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgewright.cli import completion, output
from edgewright.cli.interrupts import INTERRUPTED
from edgewright.cli.options import ADDRESSES, AsJson, RuntimeName

if TYPE_CHECKING:
    from edgewright.bundles.answering import Answer
    from edgewright.tasks.task import Document

ENDINGS = {
    "stop": "it ended where it was to end",
    "length": "no end came within the {tokens} tokens asked for; ask for more with --max-tokens",
    "context": "the context is full; a longer one takes another build, a shorter prompt leaves more of it",
    "interrupted": "it was interrupted",
}


def run(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="A bundle made by `edgewright build`.")],
    given: Annotated[
        str,
        typer.Option(
            "--input",
            metavar="TEXT|FILE",
            help="What to ask the model: a text to label, to search for or to go on with; an image's file; or what "
            "else its modality reads.",
        ),
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
    top: Annotated[
        int | None, typer.Option("--top", min=1, help="How many labels or matches to show, 5 by default.")
    ] = None,
    max_tokens: Annotated[
        int | None,
        typer.Option(min=1, max=1 << 20, help="How many tokens to write, 128 by default."),
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(min=0, max=100, help="0, the default, takes the likeliest token; 1 draws as the model says."),
    ] = None,
    top_k: Annotated[int | None, typer.Option(min=0, help="Draw among the so many likeliest; 0 for all.")] = None,
    top_p: Annotated[
        float | None,
        typer.Option(min=1e-9, max=1, help="Draw among the likeliest that together have this probability."),
    ] = None,
    repetition_penalty: Annotated[
        float | None, typer.Option(min=0.01, max=100, help="Above 1: tokens that were there before get less likely.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=(1 << 53) - 1, help="The same seed draws the same tokens everywhere.")
    ] = None,
    stop: Annotated[
        list[str] | None, typer.Option(metavar="TEXT", help="Where the text is to end; may be given several times.")
    ] = None,
    context: Annotated[
        int | None, typer.Option(min=1, help="Use so many of the artifact's positions: all of them by default.")
    ] = None,
    truncate: Annotated[
        bool, typer.Option("--truncate", help="Cut the beginning off a prompt that is too long.")
    ] = False,
    system: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="A message of the system before the prompt, by the chat template."),
    ] = None,
    raw: Annotated[bool, typer.Option("--raw", help="Go on with --input itself, without the chat template.")] = False,
    no_draft: Annotated[
        bool, typer.Option("--no-draft", help="Let the larger model of a bundle of two write alone.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Ask the model: labels or values, a tag for each word, the best matches of a search bundle's corpus, or a text.

    \b
    A bundle that writes goes on with --input, and shows the text as it comes, here and from a board; --max-tokens and
    all below it are for such bundles alone. Where it has a chat template the input is a message that is answered. Of a
    bundle of two models (`edgewright draft`) the smaller one drafts as long as always the likeliest token is taken.

    \b
    Examples:
      edgewright run build/demo --input "how do I read a zip file"
      edgewright run build/digits --input seven.png
      edgewright run build/demo --input "parse a date" --target emulated://raspberry-pi-4 --top 3 --json
      edgewright run build/docstrings --input "def parse_date(text):" --max-tokens 64
      edgewright run build/docstrings --input "def mean(" --temperature 0.8 --top-p 0.95 --seed 1 --stop "\\n\\n"
      edgewright run build/docstrings --input "class Stack:" --target ssh://pi@board --json
    """
    from edgewright.cli.progress_bars import rare_work_shown

    with output.work_on_stderr() as write_out, rare_work_shown():
        from edgewright.bundles.answering import AskOptions, ask
        from edgewright.bundles.written_text import WritingSettings
        from edgewright.devices.inventory import find_target
        from edgewright.measure.deployment import HERE

        asked = AskOptions(
            address=find_target(target).only.address if target else HERE,
            runtime=runtime,
            top=top,
            settings=WritingSettings(
                max_tokens=max_tokens,
                temperature=temperature,
                top_k=top_k,
                top_p=top_p,
                repetition_penalty=repetition_penalty,
                seed=seed,
                stop=tuple(stop or ()),
                context=context,
                truncate=truncate,
                system=system,
                raw=raw,
                no_draft=no_draft,
            ),
            on_text=None if as_json else write_out,
        )
        try:
            answer = ask(bundle, given, asked)
        except output.ReaderGoneError:
            return 0
    return _shown(answer, as_json=as_json)


def _shown(answer: Answer, *, as_json: bool) -> int:
    if as_json:
        output.emit(answer.document)
    elif answer.streamed:
        output.say("")
        output.tell(_account(answer.document))
    else:
        from edgewright.report.terminal import answer_report

        output.show(answer_report(answer.heads, answer.rows))
    return INTERRUPTED if answer.document.get("ended") == "interrupted" else 0


def _account(document: Document) -> str:
    """How a text ended and how fast it came, in one line."""
    tokens, ended = document["tokens"], str(document["ended"])
    parts = [f"{tokens} token{'' if tokens == 1 else 's'}"]
    first, rate = document["first_token_ms"], document["tokens_per_second"]
    if isinstance(first, float):
        parts.append(f"the first after {first:.0f} ms")
    if isinstance(rate, float):
        parts.append(f"{rate:.1f} tokens a second")
    draft = document.get("draft")
    if isinstance(draft, dict):
        parts.append(f"{draft['accepted']} of {draft['drafted']} drafted tokens accepted in {draft['passes']} passes")
    elif "draft" in document:
        parts.append("without the draft")
    if dropped := document["dropped_tokens"]:
        parts.append(f"{dropped} tokens of the prompt were cut off")
    return f"{', '.join(parts)}; {ENDINGS[ended].format(tokens=tokens)}"
