"""The verbs `profiles list`, `profiles show`, `profiles check`, `profiles settings` and `profiles new`."""

from pathlib import Path
from typing import Annotated

import typer

from edgewright.cli import output
from edgewright.cli.options import ADDRESSES, AsJson

app = typer.Typer(help="The devices Edgewright knows.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_profiles(as_json: AsJson = False) -> int:
    """List the devices Edgewright knows.

    \b
    Example:
      edgewright profiles list
    """
    from edgewright.specs.profiles import load_profile, profile_names

    profiles = [load_profile(name) for name in profile_names()]
    if as_json:
        rows = [
            {
                "name": profile.name,
                "title": profile.title,
                "cores": [
                    {"core": cluster.core.value, "count": cluster.cores.value} for cluster in profile.processor.clusters
                ],
                "emulated": profile.emulation is not None,
            }
            for profile in profiles
        ]
        output.emit({"profiles": rows})
    else:
        from edgewright.report.terminal import names_report

        shown = []
        for profile in profiles:
            cores = " + ".join(
                f"{cluster.cores.value} × {cluster.core.value}" for cluster in profile.processor.clusters
            )
            shown.append((profile.name, profile.title, cores))
        output.show(names_report(("profile", "device", "cores"), shown))
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
    from edgewright.specs.profiles import load_profile

    facts = load_profile(profile).model_dump(mode="json", exclude_none=True)
    if as_json:
        output.emit(facts)
    else:
        from edgewright.report.terminal import profile_report

        output.show(profile_report(facts))
    return 0


@app.command("check")
def check_profile(
    profile: Annotated[str, typer.Argument(metavar="FILE", help="A TOML file, or a built-in profile's name.")],
    as_json: AsJson = False,
) -> int:
    """Say whether a profile is sound, and which of its facts nobody has verified.

    What is missing, misspelt or of the wrong kind is reported with its line; so is what cannot be true, such as a dot
    product on a core that has none, more memory than the board has, or a first-level cache above the second.

    \b
    Example:
      edgewright profiles check ./my-board.toml
    """
    from edgewright.specs.profiles import facts_of, load_profile

    checked = load_profile(profile)
    facts = facts_of(checked)
    unverified = [place for place, fact in facts if fact.confidence == "U"]
    if as_json:
        output.emit({"name": checked.name, "facts": len(facts), "unverified": unverified})
    else:
        about = f"; unverified: {', '.join(unverified)}" if unverified else ""
        output.say(f"{checked.name} is sound: {len(facts)} facts{about}")
    return 0


@app.command("settings")
def show_settings(
    wanted: Annotated[
        str, typer.Argument(metavar="[SECTION|FIELD]", help="Only this section, or this field.", show_default=False)
    ] = "",
    as_json: AsJson = False,
) -> int:
    """Describe what a profile may state: meaning, unit, range and default of every field.

    It is printed as Markdown. A fact is an inline table of its value, its confidence and its source.

    \b
    Examples:
      edgewright profiles settings
      edgewright profiles settings memory
      edgewright profiles settings processor.clock_mhz --json
    """
    from dataclasses import asdict

    from edgewright.specs import settings_reference as reference
    from edgewright.specs.profiles import Profile

    chosen = reference.settings(wanted, model=Profile)
    if as_json:
        output.emit({"settings": [asdict(setting) for setting in chosen]})
    else:
        output.say(reference.as_markdown(chosen, model=Profile), end="")
    return 0


@app.command("new")
def new_profile(
    target: Annotated[str, typer.Option("--from-target", metavar="TARGET", help=f"The machine to ask: {ADDRESSES}")],
    name: Annotated[str | None, typer.Option("--name", help="The profile's name; by default the board's.")] = None,
    file: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Where to write it; by default NAME.toml.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Ask a machine what it is, and write a profile of it.

    It extends the built-in profile that has the same core. What the machine does not say stays that profile's, so look
    it over; then `edgewright calibrate` measures what predictions need.

    \b
    Example:
      edgewright profiles new --from-target ssh://pi@raspberrypi.local --name my-pi -o my-pi.toml
    """
    from edgewright.base.once import written_whole
    from edgewright.devices.inventory import find_target
    from edgewright.devices.probed_profile import probed
    from edgewright.errors import InputError
    from edgewright.specs.profiles import load_profile
    from edgewright.targets import open_target
    from edgewright.targets.facts import read_facts

    with output.work_on_stderr():
        address = find_target(target).only.address
        machine = open_target(address)
        try:
            profile_file = probed(read_facts(machine), address=address, name=name)
        finally:
            machine.close()
    place = file or Path(f"{profile_file.name}.toml")
    if place.exists():
        raise InputError(f"{place} is there already; give another file with -o, or remove it")
    with written_whole(place) as unfinished:
        unfinished.write_text(profile_file.text, encoding="utf-8")
    profile = load_profile(place)
    if as_json:
        output.emit({"file": str(place), "profile": profile.model_dump(mode="json", exclude_none=True)})
    else:
        output.say(f"{place}: {profile.title}, after {profile.extends}")
    return 0
