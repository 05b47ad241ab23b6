"""How much a student is trained, and its last phase."""

from collections.abc import Callable
from pathlib import Path

import pytest

from edgewright.specs.recipe import load_recipe, recipe_names
from tests.specs.recipe.faults import MINIMAL, faults


@pytest.mark.parametrize("name", recipe_names())
def test_every_built_in_recipe_says_how_much_is_trained_and_not_for_how_long(name: str) -> None:
    made = load_recipe(name).stages
    for phase in (*made.distill.phases, *filter(None, [made.qat_phase])):
        assert phase.epochs or phase.train_tokens or phase.train_images
        assert phase.minutes is None
    assert made.finetune.minutes is None


@pytest.mark.parametrize(
    ("section", "ends"),
    [
        ("distill", "epochs or train_tokens or train_images"),
        ("distill.final_phase", "epochs or train_tokens"),
        ("quantize.qat", "epochs or train_tokens or train_images"),
    ],
)
def test_minutes_are_a_limit_and_do_not_say_how_much_is_trained(
    toml_file: Callable[[str], Path], section: str, ends: str
) -> None:
    text = f"{MINIMAL}[stages.{section}]\nminutes = 3\n"
    (what,) = faults(toml_file, text).values()
    assert f"needs {ends}, to know when to end; minutes is a limit alone" in what
    bounded = f"{text}train_tokens = 5000\n"
    if section != "distill":
        bounded += "[stages.distill]\nepochs = 1\n"
    load_recipe(toml_file(bounded))


def test_a_final_phase_is_as_the_first_but_for_what_it_says_and_of_whole_texts(
    toml_file: Callable[[str], Path],
) -> None:
    settings = (
        "[stages.prune]\nlayers = [0, 2]\n[stages.distill]\nepochs = 3\nminutes = 9\ntokens = 1000\nfresh = true\n"
        "pair_weight = 0.5\nintermediate_weight = 2\n{}"
    )
    without = load_recipe(toml_file(MINIMAL + settings.format(""))).stages.distill
    assert without.phases == (without,)
    finish = "[stages.distill.final_phase]\ntrain_tokens = 500\nhidden_weight = 0\n"
    first, last = load_recipe(toml_file(MINIMAL + settings.format(finish))).stages.distill.phases
    assert first == without
    changed = {"train_tokens": 500, "epochs": None, "minutes": None, "max_length": 512}
    changed |= {"tokens": None, "from_scratch": False, "hidden_weight": 0.0}
    assert last.model_dump() == without.model_dump() | changed


def test_a_final_phase_says_how_long_it_is(toml_file: Callable[[str], Path]) -> None:
    found = faults(toml_file, MINIMAL + "[stages.distill.final_phase]\nlearning_rate = 1e-4\n")
    (what,) = found.values()
    assert "needs epochs or train_tokens, to know when to end" in what
