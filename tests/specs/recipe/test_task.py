"""What the settings of a task are for."""

from collections.abc import Callable
from pathlib import Path

import pytest

from edgewright.specs.recipe import Recipe, load_recipe
from tests.specs.recipe.faults import MINIMAL, faults


@pytest.mark.parametrize(
    ("kind", "task", "data", "place", "sentence"),
    [
        ("regression", "", 'file = "a.csv"', "data.columns", "must name the column value"),
        ("regression", 'labels = ["a"]', 'file = "a.csv"', "task.labels", "regression has none"),
        ("embedding", "", 'file = "a.csv"\ncolumns = { pair = "p", tags = "t" }', "data.columns.tags", "text and pair"),
        (
            "embedding",
            "image_size = 32",
            'builtin = "stdlib-search"',
            "task.image_size",
            "but task.kind is embedding, which reads text",
        ),
        ("embedding", "", 'folder = "a"', "data.folder", "is for documents and images, but task.kind is embedding"),
        ("classification", "", 'file = "a.txt"', "data.file", "'a.txt' is not for classification, which reads .csv"),
        (
            "classification",
            "",
            'train = "a"\ntest = "b"',
            "data.train",
            "'a' is a folder, but classification reads .csv",
        ),
        ("classification", 'labels = ["a", "a"]', 'file = "a.csv"', "task.labels", "must name each once"),
        ("classification", 'labels = ["a"]', 'builtin = "stdlib-packages"', "task.labels", "is for files of yours"),
        ("classification", "", 'builtin = "digits"', "data.builtin", "digits is for image-classification"),
        ("token-classification", "", 'file = "a.csv"', "data.file", "which reads .jsonl, .parquet, .conll and .txt"),
        (
            "token-classification",
            "",
            'builtin = "stdlib-parameters"\n[stages.account]\nattributions = 2',
            "stages.account.attributions",
            "each of its words has its own",
        ),
        ("classification", "", 'builtin = "stdlib-parameters"', "data.builtin", "is for token-classification"),
        (
            "image-classification",
            "max_length = 64",
            'builtin = "digits"',
            "task.max_length",
            "which reads images; set task.image_size",
        ),
        (
            "image-classification",
            "",
            'builtin = "digits"\nextra_text = "a.txt"',
            "data.extra_text",
            "is for documents and text",
        ),
        ("image-classification", "image_size = 0", 'builtin = "digits"', "task.image_size", "from 1 to 4096"),
        ("image-classification", "image_size = [8]", 'builtin = "digits"', "task.image_size", "or [height, width]"),
    ],
)
def test_what_a_kind_of_task_has_no_use_for_is_reported(
    toml_file: Callable[[str], Path], kind: str, task: str, data: str, place: str, sentence: str
) -> None:
    text = MINIMAL.replace('"embedding"', f'"{kind}"\n{task}').replace('builtin = "stdlib-search"', data)
    found = {where.partition(", ")[2]: what for where, what in faults(toml_file, text).items()}
    assert sentence in found[place], found


@pytest.mark.parametrize(
    ("kind", "task", "data"),
    [
        ("classification", 'labels = ["b", "a"]', 'file = "a.csv"\ncolumns = { label = "l" }'),
        ("classification", "", 'builtin = "stdlib-packages"'),
        ("token-classification", "", 'train = "a.conll"\ntest = "b.txt"'),
        ("token-classification", "", 'file = "a.jsonl"'),
        ("token-classification", "", 'builtin = "stdlib-parameters"'),
        ("regression", "", 'file = "a.parquet"\ncolumns = { value = "v" }'),
        ("image-classification", "image_size = [24, 32]", 'folder = "a.b"\nsplit = { test = 0.2 }'),
        ("image-classification", "", 'train = "a"\ntest = "b.csv"\ncolumns = { label = "l" }\nextra_images = "c"'),
        ("image-classification", "image_size = 32", 'builtin = "digits"'),
    ],
)
def test_each_kind_of_task_has_its_data(toml_file: Callable[[str], Path], kind: str, task: str, data: str) -> None:
    text = MINIMAL.replace('"embedding"', f'"{kind}"\n{task}').replace('builtin = "stdlib-search"', data)
    recipe = load_recipe(toml_file(text))
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe
    if "image_size" in task:
        assert recipe.task.image_size == ((32, 32) if "= 32" in task else (24, 32))
