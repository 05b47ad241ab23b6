"""The command's door: verbs by name, and every way a verb can end turned into an exit code and one line.

In:  the command line.
Out: an exit code: 0 done, 1 a budget or gate was missed, 2 the input is wrong, 3 a target failed, 4 the model failed,
     130 interrupted.
Each verb lives in its own file; nothing heavy is imported before a verb runs.
"""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer
import typer.main

from edgewright import __version__
from edgewright.cli import output
from edgewright.cli.failures import INPUT, REPORT, failure_of
from edgewright.cli.interrupts import INTERRUPTED, interrupts
from edgewright.cli.verbs import (
    advise,
    bench,
    build,
    cache,
    calibrate,
    compare,
    draft,
    history,
    predict,
    profiles,
    recipes,
    report,
    run,
    runner,
    target,
)
from edgewright.errors import ToolchainError

KEEPING = ("build",)  # verbs whose finished stages are in the cache
FILLING = ("build", "bench", "calibrate", "draft", "run")  # verbs after which the cache is swept

app = typer.Typer(
    name="edgewright",
    help=(
        "Turn a trained model into a small int8 artifact for an ARM device, and measure it there.\n\n"
        "\b\n"
        "  edgewright build demo --profile raspberry-pi-4 -o build/demo\n"
        "  edgewright bench build/demo --target emulated://raspberry-pi-4\n"
        '  edgewright run build/demo --input "how do I read a zip file"\n\n'
        "Every verb takes --json: one JSON document on standard output, all else on standard error.\n\n"
        "\b\n"
        "Exit codes: 0 done, 1 a budget or gate was missed, 2 the input is wrong, 3 a target failed,\n"
        "4 the model could not be compressed, exported or run correctly."
    ),
    no_args_is_help=True,
    rich_markup_mode=None,  # plain help: it keeps examples as they stand and answers in a third of the time
    pretty_exceptions_enable=False,
)
app.command("build")(build.build)
app.command("bench")(bench.bench)
app.command("run")(run.run)
app.command("draft")(draft.draft)
app.command("predict")(predict.predict)
app.command("advise")(advise.advise)
app.command("calibrate")(calibrate.calibrate)
app.command("compare")(compare.compare)
app.command("gate")(compare.gate)
app.command("report")(report.report)
app.add_typer(history.app, name="history")
app.add_typer(cache.app, name="cache")
app.add_typer(recipes.app, name="recipes")
app.add_typer(profiles.app, name="profiles")
app.add_typer(target.app, name="target")
app.add_typer(runner.app, name="runner")


def _show_version(wanted: bool) -> None:
    if wanted:
        output.say(f"edgewright {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show where in the code a fault arose.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Options of the command itself; `main` and the callback read them."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and give its exit code; standard output and standard error are the only effects."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    output.fall_back_to_escapes()
    with interrupts() as asked_to_end:
        try:
            status = typer.main.get_command(app).main(words, prog_name="edgewright", standalone_mode=False)
            _sweep(words)
            output.flush()  # a reader that has gone away or a full disk is noticed here, not at exit
        except KeyboardInterrupt:
            status = INTERRUPTED
        except (SystemExit, GeneratorExit):
            raise
        except BaseException as error:  # every way to fail ends here, as a sentence and an exit code
            if asked_to_end.exit_code is None:
                return _failed(error, words)
            status = asked_to_end.exit_code  # what a library made of the signal is not the reason
    if status == INTERRUPTED:
        output.tell(_interrupted(words))
    return int(status or 0)


def _interrupted(words: Sequence[str]) -> str:
    verb = next((word for word in words if not word.startswith("-")), None)
    if verb in KEEPING:
        return "interrupted; every finished stage is kept, so the same command goes on from there"
    return "interrupted"


def _sweep(words: Sequence[str]) -> None:
    """Once a day, behind a verb that fills the cache, and said where something went."""
    if words[:1] and words[0] in FILLING:
        from edgewright.base.housekeeping import sweep_once_a_day

        try:
            freed = sweep_once_a_day()
        except (ToolchainError, OSError) as error:  # what was made is made
            output.tell(f"warning: the cache was not swept: {error}")
            return
        if freed:
            output.tell(f"{freed / 1e9:.2f} GB of the cache was unused for long and is gone; see `edgewright cache`")


def _failed(error: BaseException, words: Sequence[str]) -> int:
    if isinstance(error, BrokenPipeError):  # whoever read our output has seen enough
        output.give_up_stdout()
        return 0
    if isinstance(error, typer.TyperException) and error.format_message().startswith("Usage:"):
        output.tell(error.format_message(), whole=True)  # a group without its verb: what it says is the help
        return INPUT
    if "--debug" in words and not isinstance(error, typer.TyperException):
        output.trace(error)
    failure = failure_of(error)
    message = failure.message if "--debug" not in words else failure.message.removesuffix(f"; {REPORT}")
    output.fail(error, message, exit_code=failure.exit_code, as_json="--json" in words)
    return failure.exit_code


if __name__ == "__main__":
    sys.exit(main())
