"""A recipe as a whole: what a minimal one gives, and how every fault is told."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from edgewright.base.reading import Source, read_toml
from edgewright.errors import InputError, InvalidFileError, UnknownNameError
from edgewright.specs.recipe import Data, Recipe, find_recipe, load_recipe, recipe_names
from tests.specs.recipe.faults import MINIMAL, faults


@pytest.mark.parametrize("name", recipe_names())
def test_every_built_in_recipe_is_sound(name: str) -> None:
    assert load_recipe(name).name == name


def test_a_minimal_recipe_has_good_defaults(toml_file: Callable[[str], Path]) -> None:
    recipe = load_recipe(toml_file(MINIMAL))
    distill = recipe.stages.distill
    assert distill.epochs is distill.train_tokens is distill.minutes is None  # as much as the student's size tells
    assert recipe.stages.export.runtimes == ("executorch", "litert")
    assert recipe.stages.quantize.scheme is None
    assert recipe.budget.latency_ms is None


def test_relative_paths_start_from_the_recipes_folder(toml_file: Callable[[str], Path]) -> None:
    path = toml_file(MINIMAL)
    assert load_recipe(path).model.folder == path.parent / "teacher"


def test_a_recipe_written_as_json_reads_back_the_same(toml_file: Callable[[str], Path]) -> None:
    for recipe in (load_recipe(toml_file(MINIMAL)), load_recipe("demo")):
        assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe


def test_every_fault_is_reported_at_once_with_its_line(toml_file: Callable[[str], Path]) -> None:
    found = faults(
        toml_file,
        """[recipe]
nam = "x"
[model]
folder = "./m"
hub = "a/b"
[task]
kind = "embeding"
max_length = "12"
[data]
file = "d.doc"
split = { tset = 0.1 }
[prune]
layers = 3
[stages.prune]
layers = [3, true]
neurons = -1
[stages.finetune]
epochs = 2.5
[budget]
latency_ms = nan
""",
    )
    assert found == {
        "line 1, recipe.name": "is missing",
        "line 2, recipe.nam": "is not a known key; did you mean name?",
        "line 3, model": "needs exactly one of folder, hub, factory and package; found folder and hub",
        "line 7, task.kind": '"embeding" is not one of embedding, classification, token-classification, regression, '
        "image-classification, language-modelling, text-generation; did you mean embedding?",
        "line 8, task.max_length": 'must be a whole number, not "12"',
        "line 10, data.file": "'d.doc' is of no known format; give a file ending in .csv, .jsonl, .parquet, .conll, "
        ".txt, .md",
        "line 11, data.split.tset": "is not a known key; did you mean test?",
        "line 12, prune": "does not belong here; it is known as stages.prune",
        "line 15, stages.prune.layers": "must be a number of layers or a list of layer indexes counted from 0, "
        "not [3, True]",
        "line 16, stages.prune.neurons": "must be more than 0, not -1",
        "line 18, stages.finetune.epochs": "must be a whole number, not 2.5",
        "line 20, budget.latency_ms": "must be a finite number, not NaN",
    }


def test_faults_stand_in_the_files_order(toml_file: Callable[[str], Path]) -> None:
    text = MINIMAL + "[budget]\nlatency_ms = -1\n[stages.prune]\nheads = 0\n[stages.export]\nlengths = [16, 8]\n"
    assert [place.split(",")[0] for place in faults(toml_file, text)] == ["line 11", "line 13", "line 15"]


def test_a_syntax_fault_is_reported_with_line_and_column(toml_file: Callable[[str], Path]) -> None:
    assert faults(toml_file, '[recipe]\nname = "x\n') == {"line 2, column 10": "is not TOML: Illegal character '\\n'"}
    (place,) = faults(toml_file, "[recipe]\nname = [1,")
    assert place.startswith("line 2")


def test_a_file_that_is_not_text_is_reported_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "binary.toml"
    path.write_bytes(b"[recipe]\nname = '\xff'\n")
    with pytest.raises(InvalidFileError, match="line 2: is not UTF-8 text"):
        load_recipe(path)


def test_an_unknown_name_offers_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean demo"):
        load_recipe("dmeo")


def test_a_missing_file_and_a_folder_are_reported_as_such(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no recipe file"):
        load_recipe(tmp_path / "none.toml")
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        load_recipe(tmp_path)


def test_a_built_in_name_wins_over_a_folder_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "demo").mkdir()
    monkeypatch.chdir(tmp_path)
    assert load_recipe("demo").name == "demo"


def test_a_recipe_made_in_python_is_checked_as_a_whole() -> None:
    with pytest.raises(ValidationError, match="stdlib-search is for embedding"):
        Recipe.model_validate(
            {
                "recipe": {"name": "x"},
                "model": {"hub": "a/b"},
                "task": {"kind": "classification"},
                "data": Data(builtin="stdlib-search"),
            }
        )


@given(st.text(max_size=300))
def test_any_text_is_either_a_recipe_or_a_reported_fault(text: str) -> None:
    with pytest.raises(InvalidFileError):
        read_toml(Source(name="any", text=text, folder=Path()), Recipe)


def test_showing_a_recipe_gives_its_own_text() -> None:
    assert find_recipe("demo").text.startswith("# Offline semantic search")
