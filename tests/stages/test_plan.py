"""A plan says what the recipe's task asks, and which modality its examples are of."""

import pytest

from edgewright.base.progress import Silent
from edgewright.specs.profiles import load_profile
from edgewright.specs.recipe import load_recipe
from edgewright.stages.plan import NotMadeError, Plan


def plan_of(recipe: str) -> Plan:
    return Plan(recipe=load_recipe(recipe), profile=load_profile("raspberry-pi-4"), progress=Silent())


@pytest.mark.parametrize(
    ("recipe", "kind", "modality"), [("demo", "embedding", "text"), ("digits", "image-classification", "image")]
)
def test_task_and_modality_are_those_of_the_recipes_kind(recipe: str, kind: str, modality: str) -> None:
    plan = plan_of(recipe)
    assert plan.recipe.task.kind == kind
    assert plan.task.modality == modality
    assert plan.modality.has_length is (modality == "text")
    assert not plan.only_cached


def test_the_longest_text_is_the_recipes() -> None:
    plan = plan_of("demo")
    longer = plan.recipe.model_copy(update={"task": plan.recipe.task.model_copy(update={"max_length": 77})})
    assert Plan(recipe=longer, profile=plan.profile, progress=plan.progress).max_length == 77


def test_a_stage_that_was_not_to_be_made_is_named() -> None:
    error = NotMadeError("teach")
    assert (error.name, str(error)) == ("teach", "teach")
