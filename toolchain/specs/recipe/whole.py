"""A recipe as a whole, and reading one."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from pydantic import model_validator

from edgewright.base.reading import Source, find_source, names_on, read_toml
from edgewright.base.renamed import warn
from edgewright.base.toml_lines import key_lines
from edgewright.specs.budget import Budget
from edgewright.specs.recipe.agreement import disagreements
from edgewright.specs.recipe.data import Data
from edgewright.specs.recipe.header import Header
from edgewright.specs.recipe.model import ModelSource
from edgewright.specs.recipe.section import Section
from edgewright.specs.recipe.stages import Stages
from edgewright.specs.recipe.task import TaskSettings


class Recipe(Section):
    """Everything a build is made from, except the device."""

    recipe: Header
    model: ModelSource
    task: TaskSettings
    data: Data
    budget: Budget = Budget()
    stages: Stages = Stages()

    @property
    def name(self) -> str:
        """The recipe's name."""
        return self.recipe.name

    @property
    def description(self) -> str:
        """The recipe's description, one sentence."""
        return self.recipe.description

    @property
    def lengths(self) -> tuple[int, ...]:
        """The lengths to export, rising, in tokens: those below the task's `max_length`, then that itself."""
        longest = self.task.max_length
        return (*(length for length in self.stages.export.lengths if length < longest), longest)

    @property
    def context(self) -> int:
        """How many tokens the cache of a model that writes holds."""
        return self.stages.export.context or self.task.max_length

    @model_validator(mode="after")
    def _parts_agree(self) -> Recipe:
        if faults := disagreements(self.model_dump(exclude_defaults=True)):
            raise ValueError("; ".join(f"{'.'.join(map(str, place))} {what}" for place, what in faults))
        return self


def recipe_names() -> tuple[str, ...]:
    """The names of the recipes that come with Edgewright, sorted."""
    return names_on(_shelf())


def find_recipe(name_or_path: str | Path) -> Source:
    """A recipe's text as it stands in its file. Raises `UnknownNameError` or `InputError`."""
    return find_source(name_or_path, kind="recipe", shelf=_shelf())


def load_recipe(name_or_path: str | Path) -> Recipe:
    """Read a recipe by name or path.

    Raises `UnknownNameError` with the nearest names, `InvalidFileError` with every fault of the file.
    """
    source = find_recipe(name_or_path)
    recipe = read_toml(source, Recipe, also=disagreements)
    _warn_of_unread(recipe, source)
    return recipe


def _warn_of_unread(recipe: Recipe, source: Source) -> None:
    """Say which settings stand in a section that is switched off."""
    lines = key_lines(source.text)
    for name in Stages.model_fields:
        section = getattr(recipe.stages, name)
        if getattr(section, "enabled", True):
            continue
        for setting in sorted(section.model_fields_set - {"enabled"}):
            where = ("stages", name, setting)
            if where in lines:
                warn(source.name, where, f"is not read, as stages.{name}.enabled is false", lines)


def _shelf() -> Traversable:
    return files("edgewright") / "recipes"
