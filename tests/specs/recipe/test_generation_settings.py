"""Settings of models that write: read by their tasks, and refused where a task does not read them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from edgewright.specs.recipe import load_recipe
from tests.specs.recipe.faults import faults

RECIPE = """[recipe]
name = "x"
[model]
folder = "m"
[task]
kind = "{kind}"
{task}
[data]
file = "a.{suffix}"
{stages}
"""


def text(kind: str = "language-modelling", *, task: str = "", stages: str = "") -> str:
    suffix = "csv" if kind in ("classification", "text-generation") else "txt"
    data = '[data.columns]\nlabel = "label"\n' if kind == "classification" else ""
    return RECIPE.format(kind=kind, task=task, suffix=suffix, stages=data + stages)


def test_a_cache_is_as_long_as_rows_unless_the_recipe_says_otherwise(toml_file: Callable[[str], Path]) -> None:
    assert load_recipe(toml_file(text(task="max_length = 2048"))).context == 2048
    export = "[stages.export]\ncontext = 96\nprefill_lengths = [4, 64]\ncache = 'int8'"
    recipe = load_recipe(toml_file(text(stages=export)))
    assert (recipe.context, recipe.task.max_length) == (96, 128)
    assert (recipe.stages.export.prefill_lengths, recipe.stages.export.cache) == ((4, 64), "int8")


@pytest.mark.parametrize(
    ("kind", "task", "stages", "place", "why"),
    [
        (
            "classification",
            "max_length = 513",
            "",
            "task.max_length",
            "must be at most 512 for classification, not 513",
        ),
        (
            "classification",
            "",
            "[stages.export]\ncontext = 64",
            "stages.export.context",
            "is for language-modelling and text-generation",
        ),
        (
            "classification",
            "",
            "[stages.export]\nverify_tokens = 4",
            "stages.export.verify_tokens",
            "does not read it",
        ),
        (
            "language-modelling",
            "",
            "[stages.export]\nruntimes = ['executorch', 'onnx']\nverify_tokens = 4",
            "stages.export",
            "a file of onnx has one method and none that verifies a draft",
        ),
        (
            "language-modelling",
            "",
            "[stages.export]\nverify_tokens = 4\ncache = 'int8'",
            "stages.export",
            "whose rounding makes tokens that are read at once differ from single ones",
        ),
        (
            "classification",
            "",
            "[stages.export]\nprefill_lengths = [8]",
            "stages.export.prefill_lengths",
            "does not read it",
        ),
        ("classification", "", "[stages.export]\ncache = 'int8'", "stages.export.cache", "does not read it"),
        ("classification", "", "[stages.distill]\ntop_k = 8", "stages.distill.top_k", "does not read it"),
        (
            "language-modelling",
            "",
            "[stages.distill]\nmax_length = 64",
            "stages.distill.max_length",
            "task.max_length says how long rows are",
        ),
        (
            "language-modelling",
            "",
            "[stages.distill]\naugment = 2",
            "stages.distill.augment",
            "is for embedding, classification",
        ),
        (
            "language-modelling",
            "",
            "[stages.export]\nlengths = [8]",
            "stages.export.lengths",
            "set export.context and export.prefill_lengths",
        ),
        ("language-modelling", "", "[stages.export]\nbatch = 4", "stages.export.batch", "write one text at a time"),
        (
            "text-generation",
            "",
            '[stages.export]\nruntimes = ["tflite"]',
            "stages.export.runtimes",
            "tflite has no operator that writes rows of a cache; text-generation takes executorch, litert",
        ),
        (
            "language-modelling",
            "",
            "[stages.finetune]\nepochs = 2",
            "stages.finetune",
            "a teacher that writes is used as it is",
        ),
        ("language-modelling", "", "[stages.account]\nattributions = 2", "stages.account.attributions", "rests on"),
        ("language-modelling", "max_length = 200000", "", "task.max_length", "at most 131072"),
    ],
)
def test_what_a_task_does_not_read_is_refused_with_its_line(
    toml_file: Callable[[str], Path], kind: str, task: str, stages: str, place: str, why: str
) -> None:
    found = faults(toml_file, text(kind, task=task, stages=stages))
    (said,) = [what for where, what in found.items() if where.endswith(place)]
    assert why in said
