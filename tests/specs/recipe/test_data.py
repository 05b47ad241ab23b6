"""Where examples come from."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgewright.specs.recipe import Recipe, load_recipe
from edgewright.tasks.table import TASKS
from edgewright.tasks.task import Task
from tests.specs.recipe.faults import MINIMAL, faults


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ("", "needs exactly one of builtin, file, folder and train; found none"),
        ('builtin = "stdlib-search"\nfile = "a.csv"', "found builtin and file"),
        ('train = "a.csv"', "train needs test beside it"),
        ('file = "a.csv"\ntest = "b.csv"', "test belongs beside train"),
        ('train = "a.csv"\ntest = "b.csv"\nsplit = { test = 0.5 }', "split is for a single file"),
        ('builtin = "stdlib-search"\nsplit = { test = 0.5 }', "with builtin the parts are already apart"),
        ('builtin = "stdlib-search"\ncolumns = { text = "t" }', "columns are for files of yours"),
        ('file = "a.csv"\nextra_text_packages = ["numpy"]', "extra_text_packages belongs to the built-in set"),
        ('file = "a.csv"\nsplit = { test = 0.7, validation = 0.5 }', "less than 1 must go"),
        ('file = "a.csv"', "must name the column pair, which embedding learns from"),
    ],
)
def test_data_that_contradicts_itself_is_refused(toml_file: Callable[[str], Path], data: str, sentence: str) -> None:
    found = faults(toml_file, MINIMAL.replace('builtin = "stdlib-search"', data))
    assert any(sentence in what for what in found.values()), found


def test_a_separator_is_for_csv_files_in_whatever_case_their_suffix_is(toml_file: Callable[[str], Path]) -> None:
    labelled = MINIMAL.replace("embedding", "classification")
    own = labelled.replace('builtin = "stdlib-search"', 'columns = { label = "l" }\nseparator = ";"\nfile = "a.CSV"')
    assert load_recipe(toml_file(own)).data.separator == ";"
    assert faults(toml_file, own.replace("a.CSV", "a.jsonl")) == {
        "line 10, data.separator": "is that of .csv files, and no file of the recipe is one"
    }
    assert list(faults(toml_file, own.replace('";"', '"#"'))) == ["line 10, data.separator"]


class Rated(Task[Any]):
    """Texts with stars, from tables or from a logger's files."""

    columns = ("text", "stars")
    suffixes = (".csv", ".log")


RATED = MINIMAL.replace("embedding", "rated").replace(
    'builtin = "stdlib-search"', 'file = "a.csv"\ncolumns = { stars = "Rating" }'
)


def test_a_column_of_a_plug_ins_task_may_be_named(toml_file: Callable[[str], Path]) -> None:
    with TASKS.registered("rated", Rated()):
        columns = load_recipe(toml_file(RATED)).data.columns
        assert (columns.of("text"), columns.of("stars"), columns.of("colour")) == ("text", "Rating", "colour")
        assert load_recipe(toml_file(RATED.replace("a.csv", "a.log"))).data.file
        recipe = load_recipe(toml_file(RATED))
        assert Recipe.model_validate(recipe.model_dump(mode="json")).data.columns == recipe.data.columns


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ('{ star = "Rating" }', "is not a known key; did you mean stars?"),
        ('{ colour = "Rating" }', "is not a known key; known are text, stars"),
        ("{ stars = 3 }", "must be text in quotes, not 3"),
        ('{ value = "v" }', "is none that rated reads; it reads text and stars"),
    ],
)
def test_a_column_that_no_task_has_is_refused_with_the_nearest(
    toml_file: Callable[[str], Path], columns: str, told: str
) -> None:
    with TASKS.registered("rated", Rated()):
        found = faults(toml_file, RATED.replace('{ stars = "Rating" }', columns))
    assert list(found.values()) == [told]
    assert next(iter(found)).startswith(f"line 10, data.columns.{columns[2:].split()[0]}")


def test_a_plug_ins_column_and_file_are_of_no_other_task(toml_file: Callable[[str], Path]) -> None:
    given = (
        RATED.replace('"rated"', '"classification"').replace("{ stars", '{ label = "l", stars').replace(".csv", ".log")
    )
    with TASKS.registered("rated", Rated()):
        found = faults(toml_file, given)
    assert found == {
        "line 9, data.file": "'a.log' is not for classification, which reads .csv, .jsonl and .parquet",
        "line 10, data.columns.stars": "is none that classification reads; it reads text and label",
    }
