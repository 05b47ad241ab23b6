"""What stays of the teacher."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewright.base.reading import validated
from edgewright.errors import InvalidFileError
from edgewright.specs.recipe import Prune, Recipe, load_recipe
from tests.specs.recipe.faults import MINIMAL, faults


@pytest.mark.parametrize("layers", ["0", "[]", "[2, 1]", "[1, 1]", "[-1]", '"3"', "true", "2.0"])
def test_kept_layers_are_a_number_or_a_rising_list(toml_file: Callable[[str], Path], layers: str) -> None:
    found = faults(toml_file, f"{MINIMAL}[stages.prune]\nlayers = {layers}\n")
    assert list(found) == ["line 11, stages.prune.layers"]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ("speedup = 4\nlayers = [0, 2]", "takes speedup and a number of layers, the most that may stay"),
        ("speedup = 4\nheads = 6\nneurons = 384", "takes speedup or heads and neurons, not both: speedup chooses what"),
        ("speedup = 4\nwidth = 256\nhead_width = 16", "takes speedup or head_width and width, not both"),
        ("speedup = 4\nkeep_macs = 0.5", "takes speedup or keep_macs, not both"),
        ("keep_macs = 0.5\nneurons = 384", "takes keep_macs or neurons, not both: keep_macs stands in their place"),
        ("keep_macs = 0.5\nheads = 6", "takes keep_macs or heads, not both"),
    ],
)
def test_one_way_of_choosing_what_stays_excludes_the_others(
    toml_file: Callable[[str], Path], settings: str, sentence: str
) -> None:
    (what,) = faults(toml_file, f"{MINIMAL}[stages.prune]\n{settings}\n").values()
    assert sentence in what


@pytest.mark.parametrize(
    ("settings", "layers", "neurons"),
    [
        ("heads = 6", 3, 384),
        ("speedup = 4", None, None),
        ("speedup = 4\nlayers = 3", 3, None),
        ("keep_macs = 0.5", None, None),
        ("keep_macs = 0.5\nlayers = 4\nwidth = 256", 4, None),
    ],
)
def test_sizes_have_defaults_only_where_nothing_else_chooses_them_and_read_back_the_same(
    toml_file: Callable[[str], Path], settings: str, layers: int | None, neurons: int | None
) -> None:
    recipe = load_recipe(toml_file(f"{MINIMAL}[stages.prune]\n{settings}\n"))
    assert (recipe.stages.prune.layers, recipe.stages.prune.neurons) == (layers, neurons)
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe
    assert Recipe.model_validate(recipe.model_dump(mode="json")) == recipe  # as in a manifest


def test_what_is_given_from_python_as_nothing_reads_back_as_nothing(toml_file: Callable[[str], Path]) -> None:
    values = load_recipe(toml_file(MINIMAL)).model_dump(exclude_unset=True)
    recipe = Recipe.model_validate({**values, "stages": {"prune": {"layers": None, "neurons": None}}})
    assert recipe.stages.prune.layers is recipe.stages.prune.neurons is None
    assert Recipe.model_validate(recipe.model_dump(mode="json")) == recipe


@given(
    st.dictionaries(
        st.sampled_from(["layers", "heads", "neurons", "importance", "enabled", "other"]),
        st.one_of(st.integers(), st.floats(), st.booleans(), st.text(max_size=5), st.lists(st.integers(), max_size=3)),
    )
)
def test_any_stage_settings_are_either_taken_or_reported(values: dict[str, object]) -> None:
    told: tuple[tuple[str, str], ...] = ()
    try:
        prune = validated(Prune, values, file="any")
    except InvalidFileError as error:
        told = error.faults
    if told:
        assert all(place and what for place, what in told)
    else:
        assert prune.heads is None or prune.heads > 0
