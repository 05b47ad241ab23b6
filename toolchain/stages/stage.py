"""What a stage of a build is: a value that says what it reads and needs, what it makes, and how its result is kept.

In:  a `Build`: the plan, and the results of the stages before.
Out: a `Build` with one result more, made now or taken from the cache.
A result is kept under the stage's name and version, the versions of the packages that shape it, its settings, what it
reads besides, and the keys of the results it needs. Our own source is no part of that: whoever changes what a stage
makes raises its version, and `tests/stages/test_versions.py` holds them to it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, JsonValue

from edgewright.base import cache
from edgewright.base.cache import MODEL_PACKAGES
from edgewright.base.places import cache_dir
from edgewright.stages.plan import NotMadeError, Plan

FINDINGS = "findings.json"


class Findings(BaseModel):
    """What a stage found; a subclass names each figure. It stands in the manifest as it was set."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    def document(self) -> dict[str, JsonValue]:
        """As the manifest has it: what was set, and nothing else."""
        return self.model_dump(mode="json", exclude_unset=True)


AnyFindings = TypeVar("AnyFindings", bound=Findings, covariant=True)
Kind = TypeVar("Kind", bound=Findings)


@dataclass(frozen=True, kw_only=True)
class StageResult(Generic[AnyFindings]):
    """A finished stage: where its files are, the settings it was made with, and what it found."""

    entry: cache.CacheEntry
    settings: Mapping[str, object]
    findings: AnyFindings

    @property
    def name(self) -> str:
        """The stage's name."""
        return self.entry.name

    @property
    def key(self) -> str:
        """What later stages put among their inputs."""
        return self.entry.key

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return self.entry.folder

    def file(self, name: str) -> Path:
        """A file of the result."""
        return self.folder / name


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """What a stage's function is given to work in: the folder that it fills, and a place for checkpoints.

    A training that was cut off goes on from `checkpoints` if what it is made from is still what `key` says.
    """

    folder: Path
    checkpoints: Path
    key: str


@dataclass(frozen=True, kw_only=True)
class Build:
    """A build on its way: the plan, and what has been made so far.

    `results` are by the parts they play, the newest of each; `made` are all in the order they were made.
    """

    plan: Plan
    results: Mapping[str, StageResult[Findings]] = field(default_factory=dict)
    made: tuple[StageResult[Findings], ...] = ()

    def __contains__(self, part: str) -> bool:
        return part in self.results

    def result(self, part: str) -> StageResult[Findings]:
        """The newest result that plays this part."""
        return self.results[part]

    def findings(self, part: str, kind: type[Kind]) -> Kind:
        """What that stage found, typed."""
        return self.typed(part, kind).findings

    def typed(self, part: str, kind: type[Kind]) -> StageResult[Kind]:
        """The newest result that plays this part, with findings of this kind."""
        result = self.results[part]
        assert isinstance(result.findings, kind), f"{part} has {type(result.findings).__name__}"
        return StageResult(entry=result.entry, settings=result.settings, findings=result.findings)


def nothing(_: Build) -> Mapping[str, object]:
    """No settings, or nothing read besides."""
    return {}


def always(_: Build) -> bool:
    """Of a stage that every build has."""
    return True


@dataclass(frozen=True, kw_only=True)
class Stage(Generic[AnyFindings]):
    """One stage of a build.

    `needs` are the parts whose newest results it works on, as far as the build has them. Its result plays the part of
    its own name, and those it `plays` besides. `settings` is what it reads of the recipe, and stands in the manifest;
    `facts` is what else its result depends on: a digest of files, what it reads of the profile. `reckon` is for what
    is told anew of a kept result, such as a prediction for another device; `amend` changes the plan of what follows.
    """

    name: str
    version: int
    findings: type[AnyFindings]
    make: Callable[[Build, Workspace], AnyFindings]
    needs: tuple[str, ...] = ()
    plays: tuple[str, ...] = ()
    settings: Callable[[Build], Mapping[str, object]] = nothing
    facts: Callable[[Build], Mapping[str, object]] = nothing
    applies: Callable[[Build], bool] = always
    packages: tuple[str, ...] = MODEL_PACKAGES
    reckon: Callable[[Build, StageResult[Any]], Any] | None = None
    amend: Callable[[Plan, Any], Plan] | None = None

    def run(self, build: Build) -> Build:
        """The build with this stage's result, made now or taken from the cache.

        Raises `NotMadeError` where nothing is to be made and the cache has none.
        """
        settings = self.settings(build)
        inputs = {
            "settings": settings,
            **self.facts(build),
            **{part: build.results[part].key for part in self.needs if part in build},
        }
        checkpoints = _checkpoints([self.name, self.version, inputs])

        def fill(folder: Path) -> None:
            if build.plan.only_cached:
                raise NotMadeError(self.name)
            found = self.make(build, replace(checkpoints, folder=folder))
            (folder / FINDINGS).write_text(json.dumps(found.document(), indent=2), encoding="utf-8")

        with build.plan.progress.stage(self.name):
            entry = cache.stage(self.name, inputs, fill, version=self.version, packages=self.packages)
        shutil.rmtree(checkpoints.checkpoints, ignore_errors=True)  # no training will go on from them
        found = self.findings.model_validate_json((entry.folder / FINDINGS).read_text(encoding="utf-8"))
        return self._after(build, StageResult(entry=entry, settings=settings, findings=found))

    def _after(self, build: Build, result: StageResult[AnyFindings]) -> Build:
        if self.reckon:
            result = replace(result, findings=self.reckon(build, result))
        parts = dict.fromkeys((self.name, *self.plays), result)
        plan = self.amend(build.plan, result.findings) if self.amend else build.plan
        return Build(plan=plan, results={**build.results, **parts}, made=(*build.made, result))


def run_stages(build: Build, stages: Iterable[Stage[Findings]]) -> Build:
    """Run those that apply, one after another."""
    for stage in stages:
        if stage.applies(build):
            build = stage.run(build)
    return build


def _checkpoints(made_from: list[object]) -> Workspace:
    key = json.dumps(made_from, sort_keys=True, default=str)
    folder = cache_dir("training") / hashlib.sha256(key.encode()).hexdigest()[:32]
    return Workspace(folder=folder, checkpoints=folder, key=key)
