"""What every stage of a build shares: the plan, how a finished stage is kept, and how its files are read back.

In:  a stage's name, settings and inputs, and a function that fills a folder.
Out: `Done`: the stage's folder, its settings, and what it found, as the manifest will say it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgewright.base import cache
from edgewright.base.progress import Progress
from edgewright.modality.base import Modality
from edgewright.modality.table import MODALITIES
from edgewright.specs.profiles import Profile
from edgewright.specs.recipe import Recipe
from edgewright.tasks.table import task_of
from edgewright.tasks.task import Task


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What all stages share; with `only_cached` a stage that is not in the cache raises `NotMadeError` instead."""

    recipe: Recipe
    profile: Profile
    progress: Progress
    only_cached: bool = False

    @property
    def max_length(self) -> int:
        """The longest text, in tokens."""
        return self.recipe.task.max_length

    @property
    def task(self) -> Task[Any]:
        """What the recipe's kind of task asks of a model."""
        return task_of(self.recipe.task.kind)

    @property
    def modality(self) -> Modality:
        """How its examples are read, and made what a model takes."""
        return MODALITIES[self.task.modality]


@dataclass(frozen=True, kw_only=True)
class Done:
    """A finished stage."""

    result: cache.CacheEntry
    settings: Mapping[str, Any]
    findings: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The stage's name."""
        return self.result.name

    @property
    def key(self) -> str:
        """What later stages put among their inputs."""
        return self.result.key

    def file(self, name: str) -> Path:
        """A file of the result."""
        return self.result.folder / name


class NotMadeError(Exception):
    """A stage is not in the cache, and was not to be made."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def stage(
    plan: Plan,
    name: str,
    settings: Mapping[str, Any],
    inputs: Mapping[str, Any],
    make: Callable[[Path], Mapping[str, Any]],
    *,
    version: int = 1,
    packages: Sequence[str] = cache.ARTIFACT_PACKAGES,
) -> Done:
    """Run a stage, or take it from the cache; `make` fills a folder and returns what it found."""

    def make_and_note(folder: Path) -> None:
        if plan.only_cached:
            raise NotMadeError(name)
        findings = make(folder)
        (folder / "findings.json").write_text(json.dumps(findings, indent=2), encoding="utf-8")

    with plan.progress.stage(name):
        result = cache.stage(name, {"settings": settings, **inputs}, make_and_note, version=version, packages=packages)
    findings = json.loads((result.folder / "findings.json").read_text(encoding="utf-8"))
    return Done(result=result, settings=settings, findings=findings)
