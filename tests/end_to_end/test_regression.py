"""A model that says a number: from a file of values to a bundle that answers in their unit."""

import csv
from pathlib import Path

import pytest

from edgewright import pipeline
from edgewright.bundles.answering import AskOptions, answer_of
from edgewright.specs.profiles import load_profile
from edgewright.specs.recipe import Recipe
from tests import tiny


@pytest.mark.slow
def test_a_bundle_of_a_regression_answers_in_the_unit_of_its_data_under_each_runtime_in_python(tmp_path: Path) -> None:
    values = {"garden": 900.0, "kitchen": 1000.0, "weather": 1100.0}  # far from what a model says by itself
    rows = [(text, values[label]) for label in values for text in tiny.sentences(120, label=label)]
    with (tmp_path / "values.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "grams"), *rows])
    recipe = Recipe.model_validate(
        {
            "recipe": {"name": "weights"},
            "model": {"folder": str(tiny.bert_folder())},
            "task": {"kind": "regression", "max_length": tiny.MAX_LENGTH},
            "data": {"file": str(tmp_path / "values.csv"), "columns": {"value": "grams"}},
            "stages": {
                "finetune": {"epochs": 12, "learning_rate": 3e-3, "batch_tokens": 256},
                "prune": {"layers": 2, "neurons": 32},
                "distill": {"epochs": 12, "learning_rate": 3e-3, "batch_tokens": 256},
                "export": {"runtimes": ["litert", "onnx"], "lengths": [16]},
            },
        }
    )
    built = pipeline.build(recipe, load_profile("raspberry-pi-4"), tmp_path / "bundle")
    assert built.bundle.manifest.teacher.score > 0.8
    assert built.bundle.manifest.student.score > 0.8
    assert set(built.bundle.manifest.files) >= {"model.tflite", "model.onnx"}
    assert all(each.parity.passed for each in built.bundle.manifest.artifacts)
    for runtime in ("litert", "onnx"):
        said = {}
        for label in values:
            (text,) = tiny.sentences(1, seed=7, label=label)
            said[label] = answer_of(built.bundle, text, AskOptions(runtime=runtime))["value"]
        assert 800 < said["garden"] < said["kitchen"] < said["weather"] < 1200
