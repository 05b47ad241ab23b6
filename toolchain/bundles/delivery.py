"""Bring one of a bundle's artifacts to a target, and say where it is too new for the runtime there.

In:  an opened bundle, one of its artifacts, an open target.
Out: `Deployed`, as `measure.deployment` has it.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from packaging.version import InvalidVersion, Version

from edgewright.bundles.bundle import Bundle
from edgewright.bundles.schema import ArtifactFacts
from edgewright.errors import RunnerError
from edgewright.measure.deployment import Deployed, deploy
from edgewright.targets.base import Target


def deploy_from(bundle: Bundle, artifact: ArtifactFacts, target: Target, *, file: str | None = None) -> Deployed:
    """Push one of a bundle's artifacts, or another `file` of the same interface, as `deploy` does."""
    name = file or artifact.file
    return deploy(
        target,
        bundle.file(name),
        runtime=artifact.runtime,
        sha256=bundle.manifest.files[name],
        operators=artifact.signature.operators,
    )


@contextmanager
def blamed_on_age(artifact: ArtifactFacts, place: Deployed) -> Iterator[None]:
    """Within it a runner that fails says, too, where the artifact was made with a newer runtime than the one there."""
    try:
        yield
    except RunnerError as error:
        there = place.runtime.runtime.version
        if not _is_newer(artifact.runtime_version, there):
            raise
        raise RunnerError(
            f"{error}; it was made with {artifact.runtime} {artifact.runtime_version}, and what runs it there is "
            f"{there}: update Edgewright, or build the bundle anew with this one"
        ) from error


def _is_newer(made: str, there: str) -> bool:
    try:
        return Version(made) > Version(there)
    except InvalidVersion:  # a manifest comes from outside
        return False
