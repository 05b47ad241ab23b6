"""The verb `predict`: what a bundle or a recipe's student will take on a device that is not at hand."""

from pathlib import Path
from typing import Annotated

import typer

from edgewright.base.once import written_whole
from edgewright.cli import completion, output
from edgewright.cli.options import AsJson, DeviceThreads, InputLength, ProfileName, RuntimeName
from edgewright.errors import InputError

MISSED = 1


def predict(
    subject: Annotated[
        str,
        typer.Argument(
            metavar="BUNDLE|RECIPE",
            help="A bundle, or a recipe's name or TOML file.",
            autocompletion=completion.recipes,
        ),
    ],
    profile: ProfileName,
    runtime: RuntimeName = None,
    length: InputLength = None,
    threads: DeviceThreads = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            "--cluster", metavar="CORE", help="Pinned to these cores, where they are unlike: Cortex-A510, say."
        ),
    ] = None,
    emulated: Annotated[
        bool, typer.Option("--emulated", help="By the instruction clock of the emulated board, not the board's own.")
    ] = False,
    floats: Annotated[bool, typer.Option("--float", help="Of the float reference, to compare with.")] = False,
    plot: Annotated[
        Path | None,
        typer.Option("--plot", metavar="FILE.html", help="Also draw each operator below the roof of a core."),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Say how long an inference will take on a device, what limits it, and how much memory it needs.

    Prices are those that `edgewright calibrate` measured, where it did; else what follows from the profile's facts,
    which is right within a factor of two. The interval is one that nine of ten measurements should lie in. Ends with 1
    where the budget would be missed.

    \b
    Examples:
      edgewright predict build/demo --profile raspberry-pi-4
      edgewright predict search-balanced --profile raspberry-pi-zero-2-w --length 32 --json
      edgewright predict build/demo --profile raspberry-pi-5 --plot roof.html
    """
    if plot is not None and emulated:
        raise InputError("a roof is of operations a second, and the instruction clock knows none; leave --emulated out")
    with output.work_on_stderr():
        from edgewright.forecast.prediction import predictions
        from edgewright.specs.profiles import load_profile

        predicted = predictions(
            subject,
            load_profile(profile),
            runtime=runtime,
            length=length,
            threads=threads,
            clock="instructions" if emulated else "wall",
            precision="float" if floats else "int8",
            cluster=cluster,
        )
    documents = [each.document() for each in predicted]
    if plot is not None:
        from edgewright.report.page import prediction_page

        text = prediction_page(subject, documents)
        with written_whole(plot) as unfinished:
            unfinished.write_text(text, encoding="utf-8")
        output.tell(f"{plot} holds the plot, {len(text.encode()) / 1e6:.1f} MB")
    if as_json:
        output.emit({"subject": subject, "predictions": documents})
    else:
        from edgewright.report.prediction_terminal import prediction_report

        output.show(prediction_report(documents))
    return 0 if any(each.verdict.met for each in predicted) else MISSED
