"""The flags several verbs share, each described once."""

from typing import Annotated

import typer

from edgewright.cli import completion

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
ADDRESSES = "local:, ssh://user@host[:port], adb://SERIAL, emulated://PROFILE, or a name of your targets.toml."
FOLDER = "Behind ssh://… ?folder=/PATH names where Edgewright may write there, if not in the home directory."
TargetName = Annotated[
    str,
    typer.Option(
        "--target",
        metavar="TARGET",
        help=f"{ADDRESSES[:-1]}: a device's or a group's. {FOLDER}",
        autocompletion=completion.targets,
    ),
]
RuntimeName = Annotated[
    str | None,
    typer.Option(
        "--runtime",
        metavar="RUNTIME",
        help="Which artifact to run; the faster one by default.",
        autocompletion=completion.runtimes,
    ),
]
Wait = Annotated[
    float, typer.Option("--wait", metavar="SECONDS", min=0, help="How long to wait for a device that is in use.")
]
ProfileName = Annotated[
    str,
    typer.Option(
        "--profile",
        metavar="PROFILE",
        help="The device: a profile's name, or a TOML file.",
        autocompletion=completion.profiles,
    ),
]
RecipeName = Annotated[
    str,
    typer.Argument(
        metavar="RECIPE", help="A built-in recipe's name, or a TOML file.", autocompletion=completion.recipes
    ),
]
InputLength = Annotated[
    int | None, typer.Option("--length", min=2, max=512, help="Tokens of a text; by default a bundle's median.")
]
DeviceThreads = Annotated[
    int | None, typer.Option("--threads", min=1, max=64, help="By default as many as the profile says.")
]
