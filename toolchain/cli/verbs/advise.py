"""The verb `advise`: what limits a bundle on a device, and which change would buy how much."""

from typing import Annotated

import typer

from edgewright.cli import output
from edgewright.cli.options import AsJson, DeviceThreads, InputLength, ProfileName, RuntimeName


def advise(
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="A bundle made by `edgewright build`.")],
    profile: ProfileName,
    runtime: RuntimeName = None,
    length: InputLength = None,
    threads: DeviceThreads = None,
    as_json: AsJson = False,
) -> int:
    """Say what limits a bundle on a device, which change would buy how much, and whether int8 is faster there.

    Changes are the number of threads, shorter texts, a smaller student, int8 for what stayed float, and the bundle's
    other runtimes; each is priced by itself. Of a bundle that writes they are of what a token takes, and of layers,
    neurons, word pieces and context the largest is told that keeps the budget. All of it is predicted, as `predict`
    does: from what `calibrate` measured, or from the profile's facts.

    \b
    Examples:
      edgewright advise build/demo --profile raspberry-pi-4
      edgewright advise build/demo --profile raspberry-pi-zero-2-w --runtime executorch --length 32 --json
    """
    with output.work_on_stderr():
        from edgewright.forecast.advice import advise as run
        from edgewright.specs.profiles import load_profile

        advised = run(bundle, load_profile(profile), runtime=runtime, length=length, threads=threads)
    documents = [each.document() for each in advised]
    if as_json:
        output.emit({"bundle": bundle, "advice": documents})
    else:
        from edgewright.report.prediction_terminal import advice_report

        output.show(advice_report(documents))
    return 0
