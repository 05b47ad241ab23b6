"""Bring an artifact and the runtime it needs to a target.

In:  an open target, an artifact's file and facts.
Out: `Deployed`: where both lie there, ready for `measure`. What is already there is not sent again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from targets.base import Target
from targets.facts import read_facts
from targets.push import push_files
from toolchain.errors import TargetError
from toolchain.measure.protocol import RemoteArtifact, RemoteRuntime
from toolchain.measure.runtimes import runtime_for

HERE = "local:"


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """An artifact and its runtime on a target, and what the target said of itself."""

    artifact: RemoteArtifact
    runtime: RemoteRuntime
    machine: Mapping[str, Any]


def deploy(
    target: Target,
    file: Path,
    *,
    runtime: str,
    sha256: str,
    lengths: tuple[int, ...],
    machine: Mapping[str, Any] | None = None,
) -> Deployed:
    """Push both; every hash is checked on the target. `machine` are its facts where they were read before.

    Raises `TargetError` for a machine no runtime is made for, and what pushing raises.
    """
    facts = machine or dict(read_facts(target))
    kind = facts.get("arch")
    if not isinstance(kind, str):
        raise TargetError(f"{target.address} does not say what processor it has; is it a Linux machine?")
    python = None if target.address == HERE else facts.get("python")  # here it is the interpreter that runs this
    needed = runtime_for(runtime, machine=kind, python=python if isinstance(python, str) else None)
    runtime_place = push_files(target, needed.files, kind="runtimes")
    place = push_files(target, {file.name: file}, kind="bundles")
    return Deployed(
        artifact=RemoteArtifact(path=place / file.name, sha256=sha256, size_bytes=file.stat().st_size, lengths=lengths),
        runtime=RemoteRuntime(runtime=needed, directory=runtime_place),
        machine=facts,
    )
