"""The verb `runner build`: what a machine needs to run an artifact, made before the first bench needs it."""

from pathlib import Path
from typing import Annotated

import typer

from edgewright.cli import output
from edgewright.cli.options import AsJson

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
        str, typer.Option("--runtime", metavar="RUNTIME", help="The runtime to make ready.")
    ] = "executorch",
    with_c_library: Annotated[
        bool, typer.Option("--with-c-library", help="With a loader and C library of its own, as for Android.")
    ] = False,
    into: Annotated[
        Path | None, typer.Option("--into", metavar="FOLDER", help="Also copy all files to this folder.")
    ] = None,
    prebuild: Annotated[
        Path | None, typer.Option("--prebuild", metavar="FOLDER", help="Lay it out as a distribution ships it.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Build the native runner, or gather LiteRT or ONNX Runtime for a device; done once, then cached.

    What a device lacks is found and brought there by `bench` without this. A folder with all files is for a device that
    is reached by other means: there `./edgewright-runner job.json` runs a job, as device_scripts/runner/job.hpp says.

    \b
    Examples:
      edgewright runner build
      edgewright runner build --with-c-library --into runner-for-android
      edgewright runner build --machine x86_64 --json
    """
    with output.work_on_stderr():
        from edgewright.runtimes.device import runtime_for
        from edgewright.runtimes.executorch.native import prebuild as lay_out

        if prebuild is not None:
            lay_out(machine, prebuild)
        built = runtime_for(runtime, machine=machine, with_c_library=with_c_library)
        if into is not None:
            built.copy_to(into)
    if as_json:
        files = {name: str(path) for name, path in built.files.items()}
        output.emit({"runtime": built.name, "version": built.version, "bytes": built.size_bytes, "files": files})
    else:
        from edgewright.report.terminal import files_report

        output.show(files_report(f"{built.name} {built.version}, {built.size_bytes / 1e6:.1f} MB", built.files))
    return 0
