"""The verb `predict`: what a bundle or a recipe's student will take on a device that is not at hand."""

from typing import Annotated

import typer

from toolchain.cli import output
from toolchain.cli.options import AsJson, RuntimeName

MISSED = 1


def predict(
    subject: Annotated[str, typer.Argument(metavar="BUNDLE|RECIPE", help="A bundle, or a recipe's name or TOML file.")],
    profile: Annotated[
        str, typer.Option("--profile", metavar="PROFILE", help="The device: a profile's name, or a TOML file.")
    ],
    runtime: RuntimeName = None,
    length: Annotated[
        int | None, typer.Option("--length", min=2, max=512, help="Tokens of a text; by default a bundle's median.")
    ] = None,
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, max=64, help="By default as many as the profile says.")
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            "--cluster", metavar="CORE", help="Pinned to these cores, where they are unlike: Cortex-A510, say."
        ),
    ] = None,
    emulated: Annotated[
        bool, typer.Option("--emulated", help="By the instruction clock of the emulated board, not the board's own.")
    ] = False,
    floats: Annotated[bool, typer.Option("--float", help="Of the float twin, to compare with.")] = False,
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
    """
    with output.work_on_stderr():
        from toolchain.prediction import predictions
        from toolchain.profiles import load_profile

        found = predictions(
            subject,
            load_profile(profile),
            runtime=runtime,
            length=length,
            threads=threads,
            clock="instructions" if emulated else "wall",
            precision="float" if floats else "int8",
            cluster=cluster,
        )
    documents = [each.document() for each in found]
    if as_json:
        output.emit({"subject": subject, "predictions": documents})
    else:
        from toolchain.report.terminal import prediction_report

        output.show(prediction_report(documents))
    return 0 if any(each.verdict.met for each in found) else MISSED
