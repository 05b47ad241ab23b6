"""What all stages of a build share: the recipe, the device it is for, and who hears of the progress."""

from __future__ import annotations

from dataclasses import dataclass

from edgewright.base.progress import Progress
from edgewright.modality.base import Modality
from edgewright.modality.table import MODALITIES
from edgewright.specs.profiles import Profile
from edgewright.specs.recipe import Recipe
from edgewright.tasks.table import task_of
from edgewright.tasks.task import AnyTask


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
    def task(self) -> AnyTask:
        """What the recipe's kind of task asks of a model."""
        return task_of(self.recipe.task.kind)

    @property
    def modality(self) -> Modality:
        """How its examples are read, and made what a model takes."""
        return MODALITIES[self.task.modality]


class NotMadeError(Exception):
    """A stage is not in the cache, and was not to be made."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name
