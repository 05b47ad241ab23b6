"""The verbs `profiles list` and `profiles show`."""

from typing import Annotated

import typer

from toolchain.cli import output
from toolchain.cli.options import AsJson

app = typer.Typer(help="The devices Edgewright knows.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_profiles(as_json: AsJson = False) -> int:
    """List the devices Edgewright knows.

    \b
    Example:
      edgewright profiles list
    """
    from toolchain.profiles import load_profile, profile_names

    profiles = [load_profile(name) for name in profile_names()]
    if as_json:
        rows = [
            {"name": profile.name, "title": profile.title, "emulated": profile.emulation is not None}
            for profile in profiles
        ]
        output.emit({"profiles": rows})
    else:
        from toolchain.report.terminal import names_report

        shown = [(profile.name, profile.title, profile.processor.core.value) for profile in profiles]
        output.show(names_report(("profile", "device", "core"), shown))
    return 0


@app.command("show")
def show_profile(
    profile: Annotated[str, typer.Argument(metavar="PROFILE", help="A profile's name, or a TOML file.")],
    as_json: AsJson = False,
) -> int:
    """Print a device's facts, each with how sure it is and where it comes from.

    \b
    Examples:
      edgewright profiles show raspberry-pi-4
      edgewright profiles show ./my-board.toml --json
    """
    from toolchain.profiles import load_profile

    facts = load_profile(profile).model_dump(mode="json", exclude_none=True)
    if as_json:
        output.emit(facts)
    else:
        from toolchain.report.terminal import profile_report

        output.show(profile_report(facts))
    return 0
