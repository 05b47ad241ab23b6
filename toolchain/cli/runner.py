"""The verb `runner build`: what a machine needs to run an artifact, made before the first bench needs it."""

from typing import Annotated

import typer

from toolchain.cli import output
from toolchain.cli.options import RUNTIMES, AsJson

app = typer.Typer(help="The programs that run artifacts on a device.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _runner() -> None:
    """Keep `build` a verb of its own while it is the only one."""


@app.command("build")
def build_runner(
    machine: Annotated[
        str, typer.Option("--machine", metavar="x86_64|aarch64", help="The processor the runner is for.")
    ] = "aarch64",
    runtime: Annotated[
        str, typer.Option("--runtime", metavar=RUNTIMES, help="The runtime to make ready.")
    ] = "executorch",
    as_json: AsJson = False,
) -> int:
    """Build the native runner, or gather LiteRT or ONNX Runtime for a device; done once, then cached.

    \b
    Examples:
      edgewright runner build
      edgewright runner build --machine x86_64 --json
    """
    with output.work_on_stderr():
        from toolchain.measure.runtimes import runtime_for

        made = runtime_for(runtime, machine=machine)
    if as_json:
        files = {name: str(path) for name, path in made.files.items()}
        output.emit({"runtime": made.name, "version": made.version, "bytes": made.size_bytes, "files": files})
    else:
        from toolchain.report.terminal import names_report

        rows = [(name, str(path)) for name, path in made.files.items()]
        output.show(names_report((f"{made.name} {made.version}, {made.size_bytes / 1e6:.1f} MB", "file"), rows))
    return 0
