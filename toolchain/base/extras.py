"""Packages that come with an extra, asked for before they are needed, and the versions that Edgewright goes with.

In:  their names, what they are for, and the extra they come with.
Out: nothing, or an error that says what to install; or a version.
"""

from collections.abc import Iterable
from importlib import metadata
from importlib.util import find_spec

from edgewright.errors import EnvironmentFaultError

DISTRIBUTION = "edgewright"
BUILD_PACKAGES = ("torch", "transformers", "torchao", "executorch", "litert_torch", "ai_edge_quantizer")


def need(packages: Iterable[str], *, purpose: str, extra: str) -> None:
    """Raises `EnvironmentFaultError` for the first that is not installed; imports none."""
    for name in packages:
        if find_spec(name) is None:
            raise EnvironmentFaultError(f"the package {name}", purpose, remedy_of(extra))


def remedy_of(extra: str) -> str:
    """The command that installs an extra."""
    return f"pip install 'edgewright[{extra}]'"


def need_build(purpose: str) -> None:
    """Raises `EnvironmentFaultError` where the packages that make artifacts are not installed; imports none."""
    need(BUILD_PACKAGES, purpose=purpose, extra="build")


def version_of(package: str) -> str | None:
    """The version of a package that is installed here, else the one that Edgewright's extras pin; else None.

    A local part ("+cpu") is left out: it names a build of the same release.
    """
    try:
        return metadata.version(package).partition("+")[0]
    except metadata.PackageNotFoundError:
        return _pinned(package)


def _pinned(package: str) -> str | None:
    from packaging.requirements import Requirement  # not before it is needed: `edgewright --help` would wait for it
    from packaging.utils import canonicalize_name

    try:
        lines = metadata.requires(DISTRIBUTION) or ()
    except metadata.PackageNotFoundError:  # run from its sources
        return None
    for line in lines:
        requirement = Requirement(line)
        if canonicalize_name(requirement.name) != canonicalize_name(package):
            continue
        for each in requirement.specifier:
            if each.operator == "==":
                return each.version
    return None
