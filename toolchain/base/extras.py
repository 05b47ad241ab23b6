"""Packages that come with an extra, asked for before they are needed.

In:  their names, what they are for, and the extra they come with.
Out: nothing, or an error that says what to install.
"""

from collections.abc import Iterable
from importlib.util import find_spec

from edgewright.errors import EnvironmentFaultError


def need(packages: Iterable[str], *, purpose: str, extra: str) -> None:
    """Raises `EnvironmentFaultError` for the first that is not installed; imports none."""
    for name in packages:
        if find_spec(name) is None:
            raise EnvironmentFaultError(f"the package {name}", purpose, f"pip install 'edgewright[{extra}]'")
