"""The verb `bench`: a bundle, measured on a target or on a group of them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgewright.base.numbers import int_or_none
from edgewright.cli import output
from edgewright.cli.options import AsJson, RuntimeName, TargetName, Wait
from edgewright.cli.verbs.history import Keep, keep
from edgewright.errors import InputError

if TYPE_CHECKING:
    from edgewright.base.json_values import JsonObject
    from edgewright.devices.benchmark import BenchOptions
    from edgewright.devices.inventory import ChosenTargets, NamedTarget

MISSED = 1


def bench(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="A bundle made by `edgewright build`.")],
    target: TargetName,
    runtime: RuntimeName = None,
    threads: Annotated[int, typer.Option("--threads", min=1, max=64, help="Threads of one inference.")] = 1,
    batched: Annotated[
        bool, typer.Option("--batch", help="Give it as many examples at once as it was built for.")
    ] = False,
    against_float: Annotated[
        bool, typer.Option("--against-float", help="Also measure the float reference, in turn with the artifact.")
    ] = False,
    operators: Annotated[
        bool, typer.Option("--operators", help="Also show what each kind of operator takes, and where it runs.")
    ] = False,
    etdump: Annotated[
        Path | None,
        typer.Option("--etdump", metavar="FILE", help="Also write an ETDump, for ExecuTorch's Inspector."),
    ] = None,
    cores: Annotated[
        str, typer.Option("--cores", metavar="LIST", help="Keep it to these cores of the target, as 4-7 or 0,2.")
    ] = "",
    prompt_tokens: Annotated[
        str,
        typer.Option(
            "--prompt-tokens", metavar="LIST", help="Of a model that writes: lengths of prompts, as 16,64,256."
        ),
    ] = "",
    contexts: Annotated[
        str,
        typer.Option("--contexts", metavar="LIST", help="Of the same: at how many tokens of context, as 32,512."),
    ] = "",
    quick: Annotated[bool, typer.Option("--quick", help="Fewer samples, for a first look.")] = False,
    wait_s: Wait = 0,
    jobs: Annotated[int, typer.Option("--jobs", min=1, help="Of a group, how many devices at a time.")] = 4,
    history: Keep = True,
    as_json: AsJson = False,
) -> int:
    """Push a bundle to a target, check its files and outputs there, measure it, and judge its budget.

    With a group of your targets.toml it is measured on all its devices, several at a time. One that fails stops none of
    the others; the exit code is then the highest of all, and --json gives a document for each.

    --against-float answers whether int8 is faster there; the bundle must hold the float reference, as one built with
    stages.export.float_reference does. --batch says how many examples a second are answered when they come several at
    once, for a bundle built with stages.export.batch. On an emulated target the clock counts instructions: good to
    compare variants, never a board's milliseconds. One measurement at a time: a device that somebody else measures on
    is left alone, unless --wait says how long to wait for it.

    A model that generates text first has to write what it wrote where it was built. Then the time to a first token is
    measured after prompts of some lengths (--prompt-tokens; a short, a typical and a long one), and tokens a second
    at some contexts (--contexts; near the start, and the full one), with the cache's memory and what of the memory's
    bandwidth the weights take; on an emulated target the instructions of a token.

    What was predicted is shown beside it, and how far it was off is kept with the result: the next prediction for this
    device is corrected by it, and says so.

    \b
    Examples:
      edgewright bench build/demo --target emulated://raspberry-pi-4
      edgewright bench build/demo --target ssh://pi@raspberrypi.local --threads 4 --wait 600
      edgewright bench build/demo --target local: --runtime litert --quick --json
      edgewright bench build/demo --target ssh://pi@raspberrypi.local --against-float --operators
      edgewright bench build/demo --target ssh://phone --threads 4 --cores 4-7 --etdump profile.etdp
      edgewright bench build/demo --target lab --jobs 8 --json
      edgewright bench build/docstrings --target ssh://pi@raspberrypi.local --prompt-tokens 16,64,256 --contexts 32,512
    """
    from edgewright.devices.inventory import find_target
    from edgewright.targets.cores import core_numbers

    how: BenchOptions = {
        "runtime": runtime,
        "quick": quick,
        "threads": threads,
        "batched": batched,
        "against_float": against_float,
        "operators": operators,
        "etdump": etdump,
        "cores": core_numbers(cores) if cores else (),
        "wait_s": wait_s,
        "prompt_tokens": counts_of("--prompt-tokens", prompt_tokens),
        "contexts": counts_of("--contexts", contexts),
    }
    asked = find_target(target)
    if asked.is_group and etdump is not None:
        raise InputError("--etdump takes one device; measure the group without it, or name one of its devices")
    if asked.is_group:
        return _bench_group(bundle, asked, how, jobs=jobs, history=history, as_json=as_json)
    return _bench_one(bundle, asked.only, how, history=history, as_json=as_json)


def counts_of(flag: str, listed: str) -> tuple[int, ...]:
    """The numbers of tokens in a list such as `16,64,256`. Raises `InputError` for anything else."""
    numbers = [int_or_none(part.strip()) for part in listed.split(",")] if listed else []
    found = tuple(number for number in numbers if number is not None and number > 0)
    if len(found) != len(numbers):
        raise InputError(f"{flag} is {listed!r}; give numbers of tokens, as 16,64,256")
    return found


def _bench_one(bundle: Path, machine: "NamedTarget", how: "BenchOptions", *, history: bool, as_json: bool) -> int:
    with output.work_on_stderr():
        from edgewright.cli.progress_bars import shown_progress
        from edgewright.devices.benchmark import bench as run_bench

        with shown_progress() as progress:
            result = run_bench(bundle, machine.address, **how, progress=progress)
    summary = result.summary()
    if history:
        _keep(summary)
    if as_json:
        output.emit(summary)
    else:
        from edgewright.base.fields import Fields
        from edgewright.report.bench_terminal import bench_report

        output.show(bench_report(summary))
        if how["operators"] and "operators" not in summary:
            ran = Fields(summary).inner("artifact").text("runtime")
            output.tell(f"the {ran} runtime does not tell the time of its operators")
    return 0 if result.verdict.met else MISSED


def _bench_group(
    bundle: Path, asked: "ChosenTargets", how: "BenchOptions", *, jobs: int, history: bool, as_json: bool
) -> int:
    with output.work_on_stderr():
        from edgewright.cli.progress_bars import shown_devices
        from edgewright.devices.fleet import bench_all

        with shown_devices() as shown:
            outcomes = bench_all(bundle, asked.machines, jobs=jobs, listener=lambda machine: shown(machine.name), **how)
    devices = [outcome.document() for outcome in outcomes]
    if history:
        for result in (outcome.result for outcome in outcomes if outcome.result):
            _keep(result.summary())
    if as_json:
        output.emit({"group": asked.given, "devices": devices})
    else:
        from edgewright.report.machines import fleet_report

        output.show(fleet_report(devices))
    return max(outcome.exit_code for outcome in outcomes)


def _keep(summary: "JsonObject") -> None:
    """In the history, and for the next prediction of this device; that it cannot be kept is a warning alone."""
    from edgewright.cost.expected import learn_from

    keep("bench", summary)
    try:
        learn_from(summary)
    except Exception as error:  # a finished measurement is not lost to a file of corrections, whatever is wrong with it
        output.tell(f"warning: the next prediction is not corrected by this bench: {error}")
