"""The verbs `target …`: the devices there are, what a machine really is, and emulated boards that stay up."""

import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgewright.cli import output
from edgewright.cli.options import ADDRESSES, FOLDER, AsJson, Wait
from edgewright.errors import InputError

if TYPE_CHECKING:
    from edgewright.targets.board.standing import StandingBoard

OTHER = 1
LOOKS_EVERY_S = 0.2

app = typer.Typer(
    help="Devices: which there are, what they are, and emulated boards.", no_args_is_help=True, rich_markup_mode=None
)

TargetArgument = Annotated[str, typer.Argument(metavar="TARGET", help=f"{ADDRESSES} {FOLDER}")]
BoardArgument = Annotated[str, typer.Argument(metavar="TARGET", help="emulated://PROFILE, or a name of such a target.")]


@app.command("list")
def list_targets(as_json: AsJson = False) -> int:
    """List the devices of your targets.toml, and the emulated boards that are up.

    The file lies in the working directory, in your configuration directory, or where EDGEWRIGHT_TARGETS says.

    \b
    Example:
      edgewright target list
    """
    from edgewright.devices.inventory import inventory_file, load_inventory
    from edgewright.targets.board.standing import boards_up

    inventory, boards = load_inventory(), boards_up()
    machines = [inventory.machine(name) for name in inventory.targets]
    if as_json:
        rows = [
            {
                "name": machine.name,
                "address": machine.address,
                "profile": machine.profile,
                "groups": list(inventory.groups_of(machine.name)),
            }
            for machine in machines
        ]
        up = [board.document() for board in boards]
        output.emit({"file": str(inventory_file()), "targets": rows, "boards_up": up})
        return 0
    from edgewright.report.table_cells import NOTHING
    from edgewright.report.terminal import names_report

    if not machines:
        output.tell(f"no devices are listed; write them into {inventory_file()}")
    shown = [
        (machine.name, machine.address, machine.profile or NOTHING, ", ".join(inventory.groups_of(machine.name)))
        for machine in machines
    ]
    if shown:
        output.show(names_report(("target", "address", "profile", "groups"), shown))
    if boards:
        output.show(names_report(("board that is up", "clock", "since", "port", "process"), map(_board_row, boards)))
    return 0


def _board_row(board: "StandingBoard") -> tuple[str, ...]:
    since = time.strftime("%Y-%m-%d %H:%M", time.localtime(board.since))
    return board.address, board.clock, since, str(board.port), str(board.process.pid)


@app.command("probe")
def probe_target(
    target: TargetArgument,
    profile: Annotated[
        str | None, typer.Option("--profile", metavar="PROFILE", help="What it should be; else as targets.toml says.")
    ] = None,
    speeds: Annotated[
        bool, typer.Option("--speeds/--no-speeds", help="Measure the storage and the link too (16 MB there and back).")
    ] = True,
    wait_s: Wait = 0,
    as_json: AsJson = False,
) -> int:
    """Find out what a machine is: its facts, which known device they are those of, and every difference in words.

    The exit code is 1 where it is not what it should be, or differs from it.

    \b
    Examples:
      edgewright target probe ssh://pi@raspberrypi.local
      edgewright target probe kitchen --no-speeds
      edgewright target probe ssh://pi@raspberrypi.local --profile raspberry-pi-4 --json
    """
    from dataclasses import replace

    from edgewright.devices.inventory import find_target

    machine = find_target(target).only
    with output.work_on_stderr():
        from edgewright.cli.progress_bars import shown_progress
        from edgewright.devices.probe import probe

        with shown_progress() as progress:
            asked = replace(machine, profile=profile or machine.profile)
            probed = probe(asked, speeds=speeds, wait_s=wait_s, progress=progress)
    if as_json:
        output.emit(probed.document())
    else:
        from edgewright.report.machines import probe_report

        output.show(probe_report(probed.document()))
    return 0 if probed.as_claimed else OTHER


@app.command("up")
def bring_up_target(
    target: BoardArgument,
    wall_clock: Annotated[
        bool, typer.Option("--wall-clock", help="All its cores, by the wall's clock; not what bench measures by.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Start an emulated board that stays up until `target down`, also when this command and its terminal are gone.

    Whatever is asked of the same address meanwhile, by the same clock, happens on it: `bench` counts instructions, as
    the board does unless --wall-clock is given; `run` and `probe` go by the wall's clock. What was pushed there stays.

    \b
    Examples:
      edgewright target up emulated://raspberry-pi-4
      edgewright target up emulated://raspberry-pi-5 --wall-clock --json
    """
    address = _emulated(target)
    with output.work_on_stderr():
        from edgewright.cli.progress_bars import shown_progress
        from edgewright.targets.board.emulated import machine_of
        from edgewright.targets.board.standing import bring_up

        with shown_progress() as progress, progress.stage(f"bring up {address}"):
            board = bring_up(address, machine_of(address, instruction_clock=not wall_clock))
    if as_json:
        output.emit(board.document())
    else:
        output.tell(f"{address} is up ({board.clock} clock, process {board.process.pid}); end it with target down")
    return 0


@app.command("down")
def bring_down_target(
    target: Annotated[
        str | None, typer.Argument(metavar="TARGET", help="emulated://PROFILE, or a name of such a target.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every emulated board that is up.")] = False,
    as_json: AsJson = False,
) -> int:
    """Stop emulated boards that were brought up; what was written on them is forgotten.

    \b
    Examples:
      edgewright target down emulated://raspberry-pi-4
      edgewright target down --all
    """
    from edgewright.targets.board.standing import boards_at, boards_up

    if (target is None) is not everything:
        raise InputError("say which board is to go down, or --all")
    boards = boards_up() if target is None else boards_at(_emulated(target))
    for board in boards:
        board.stop()
    if as_json:
        output.emit({"stopped": [{"address": board.address, "clock": board.clock} for board in boards]})
    else:
        output.tell(f"{', '.join(board.address for board in boards) or 'no board'} went down")
    return 0


@app.command("logs")
def show_logs(
    target: BoardArgument,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what it says next, until Ctrl-C.")] = False,
    as_json: AsJson = False,
) -> int:
    """Show what an emulated board that is up has said on its serial console.

    \b
    Example:
      edgewright target logs emulated://raspberry-pi-4 --follow
    """
    from edgewright.targets.board.standing import boards_at

    if follow and as_json:
        raise InputError("--follow has no end, so it goes with no --json; leave one of them out")
    board = boards_at(_emulated(target))[-1]
    if as_json:
        output.emit({"address": board.address, "console": board.console.read_text(errors="replace")})
    elif follow:
        _follow(board)
    else:
        _copy_out(board.console)
    return 0


@app.command("shell", context_settings={"ignore_unknown_options": True})
def open_shell(
    target: TargetArgument,
    command: Annotated[
        list[str] | None, typer.Argument(metavar="[-- COMMAND…]", help="What to run there instead of a shell.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Open a shell on a device, or run one command there; the exit code is the shell's or the command's.

    Of emulated boards it is for those that are up. --json goes with a command.

    \b
    Examples:
      edgewright target shell emulated://raspberry-pi-4
      edgewright target shell kitchen -- uname -a
    """
    from edgewright.devices.inventory import find_target
    from edgewright.targets.board.standing import boards_at
    from edgewright.targets.transports.shell import shell_at, shell_on_board

    words = command or []
    if as_json and not words:
        raise InputError("--json goes with a command; write it behind --, as in `target shell kitchen -- uname -a`")
    address = find_target(target).only.address
    if address.startswith("emulated:"):
        line = shell_on_board(boards_at(address)[-1], words)
    else:
        line = shell_at(address, words)
    done = subprocess.run(
        line, capture_output=as_json, text=as_json, errors="replace" if as_json else None, check=False
    )
    if as_json:
        output.emit({"address": address, "status": done.returncode, "stdout": done.stdout, "stderr": done.stderr})
    return done.returncode


def _emulated(target: str) -> str:
    from edgewright.devices.inventory import find_target

    address = find_target(target).only.address
    if not address.startswith("emulated:"):
        raise InputError(f"{address} is no emulated board; only emulated:// targets go up and down and have a console")
    return address


def _copy_out(file: Path) -> None:
    with file.open(errors="replace") as text:
        for line in text:
            output.say(line, end="")


def _follow(board: "StandingBoard") -> None:
    """Print the console until the board has ended, or we are interrupted."""
    with board.console.open(errors="replace") as text:
        while True:
            lives = board.process.lives()
            for line in text:
                output.say(line, end="")
            sys.stdout.flush()
            if not lives:
                return
            time.sleep(LOOKS_EVERY_S)
