"""What a shell offers for an argument: names of recipes, profiles, targets and runtimes, beside files.

In:  the beginning of a word.
Out: the names that begin so. A file that cannot be read offers nothing: completion is no place for errors.
"""

from collections.abc import Iterable

from edgewright.errors import ToolchainError


def recipes(incomplete: str) -> list[str]:
    """The built-in recipes."""
    from edgewright.specs.recipe import recipe_names

    return _beginning(incomplete, recipe_names())


def profiles(incomplete: str) -> list[str]:
    """The built-in profiles."""
    from edgewright.specs.profiles import profile_names

    return _beginning(incomplete, profile_names())


def targets(incomplete: str) -> list[str]:
    """The targets and groups of the user's targets.toml, and what addresses begin with."""
    from edgewright.devices.inventory import load_inventory
    from edgewright.targets import SCHEMES

    try:
        inventory = load_inventory()
        known = [*inventory.targets, *inventory.groups]
    except ToolchainError:
        known = []
    schemes = [f"{scheme}:" if scheme == "local" else f"{scheme}://" for scheme in SCHEMES]
    return _beginning(incomplete, [*known, *schemes])


def runtimes(incomplete: str) -> list[str]:
    """The runtimes an artifact is made for."""
    from edgewright.runtimes.table import RUNTIMES

    try:
        return _beginning(incomplete, RUNTIMES)
    except ToolchainError:  # two packages with one of one name
        return []


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
