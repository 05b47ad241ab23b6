"""The verb `calibrate`: measure on a device what predictions are made of."""

from typing import Annotated

import typer

from edgewright.cli import output
from edgewright.cli.options import AsJson, TargetName


def calibrate(
    target: TargetName,
    profile: Annotated[
        str | None,
        typer.Option(
            "--profile",
            metavar="PROFILE",
            help="The profile it is for; that of local:, emulated:// and your targets.toml is known.",
        ),
    ] = None,
    runtime: Annotated[
        str | None,
        typer.Option("--runtime", metavar="RUNTIME", help="One runtime alone; by default both."),
    ] = None,
    floats: Annotated[bool, typer.Option("--float", help="Price float artifacts too, not only int8 ones.")] = False,
    as_json: AsJson = False,
) -> int:
    """Time some dozen small models on a target, and fit the prices of operators to them.

    It takes a few minutes, and some more the first time, when the models are exported. What Ctrl-C ends goes on where
    it stopped. `predict` and `bench` then use the prices; another version of a runtime needs them measured again. On
    an emulated target they are of the instruction clock, and no board's milliseconds.

    \b
    Examples:
      edgewright calibrate --target local:
      edgewright calibrate --target ssh://pi@raspberrypi.local --profile raspberry-pi-4
      edgewright calibrate --target emulated://raspberry-pi-5 --runtime executorch --json
    """
    from edgewright.base.extras import need_build

    need_build("calibrate a device, by models that are exported for it")
    with output.work_on_stderr():
        from edgewright.cli.progress_bars import shown_progress
        from edgewright.cost.device_prices import file_for
        from edgewright.devices.calibration import calibrate as run
        from edgewright.devices.inventory import find_target
        from edgewright.errors import UnknownNameError
        from edgewright.runtimes.table import priced_runtimes
        from edgewright.specs.profiles import load_profile

        machine = find_target(target).only
        if runtime is not None and runtime not in priced_runtimes():
            raise UnknownNameError("runtime that predictions are made for", runtime, priced_runtimes())
        with shown_progress() as progress:
            calibrated = run(
                machine.address,
                profile=profile or machine.profile,
                runtimes=(runtime,) if runtime else (),
                precisions=("int8", "float") if floats else ("int8",),
                progress=progress,
            )
    if as_json:
        output.emit(calibrated.model_dump(mode="json"))
    else:
        for each in calibrated.tables:
            output.say(
                f"{each.runtime} {each.runtime_version}, {each.precision}: {each.samples} measurements, "
                f"within {100 * each.table.spread:.1f} % on models it was not fitted to"
            )
        if calibrated.copy_bandwidth_gb_s is not None:
            stated = load_profile(calibrated.profile).memory.copy_bandwidth_gb_s.value
            output.say(
                f"one core copies {calibrated.copy_bandwidth_gb_s:.3g} GB/s; "
                f"the profile {calibrated.profile} says {stated:.3g}"
            )
        output.say(f"kept in {file_for(calibrated.profile, calibrated.clock)}")
    return 0
