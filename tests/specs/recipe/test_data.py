"""Where examples come from."""

from collections.abc import Callable
from pathlib import Path

import pytest

from edgewright.specs.recipe import load_recipe
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
