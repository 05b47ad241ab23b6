"""A task of texts that reads a column of its own learns from it, and no reader knows of it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from edgewright import pipeline, stages
from edgewright.data.texts import Texts
from edgewright.errors import BadDataError
from edgewright.modality.text import TEXTS
from edgewright.specs.recipe import Recipe
from edgewright.stages.stage import Build
from edgewright.stages.teacher import TeacherFindings
from edgewright.tasks.classification import Classification
from edgewright.tasks.examples import TextExamples
from edgewright.tasks.table import TASKS
from tests import tiny
from tests.stages.builds import plan, write

pytestmark = pytest.mark.usefixtures("own_places")


class Weighted(Classification):
    """Labels of which each has a weight of its own."""

    columns = ("text", "label", "weight")

    def targets(self, examples: TextExamples) -> Sequence[Tensor]:
        """(place of the label, weight)."""
        places = super().targets(examples)
        weights = [float(dict(row.cells)["weight"]) for row in examples.train]
        return [torch.tensor([float(place), weight]) for place, weight in zip(places, weights, strict=True)]

    def loss(self, output: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy, each by its weight."""
        return (functional.cross_entropy(output, targets[:, 0].long(), reduction="none") * targets[:, 1]).mean()


def recipe(folder: Path, weights: Mapping[str, str], *, column: str = "weight", named: str = "weight") -> Recipe:
    """Texts of three labels, each of the weight of its label."""
    rows = [(text, label, weights[label]) for label in tiny.LABELS for text in tiny.sentences(40, label=label)]
    file = write(folder / "weighted.csv", [("text", "label", column), *rows])
    return Recipe.model_validate(
        {
            "recipe": {"name": "weighted"},
            "model": {"folder": tiny.bert_folder()},
            "task": {"kind": "weighted", "max_length": tiny.MAX_LENGTH},
            "data": {"file": file, "columns": {"label": "label", "weight": named}},
            "stages": {"finetune": {"epochs": 12, "learning_rate": 3e-3, "batch_tokens": 256}},
        }
    )


def built(given: Recipe, count: int) -> Build:
    made = plan(given)
    return stages.run_stages(Build(plan=made), pipeline.student_stages(made)[:count])


def test_its_column_comes_with_each_text_also_from_the_cache(tmp_path: Path) -> None:
    weights = dict(zip(tiny.LABELS, ("0.5", "1", "2"), strict=True))
    with TASKS.registered("weighted", Weighted()):
        read = built(recipe(tmp_path, weights, column="Weight of it", named="Weight of it"), 1).result("examples")
    for row in Texts.load(read.folder / TEXTS).train:
        assert row.label is not None
        assert row.cells == (("weight", weights[row.label]),)


def test_a_column_that_the_file_has_not_is_told_with_the_nearest(tmp_path: Path) -> None:
    with (
        TASKS.registered("weighted", Weighted()),
        pytest.raises(BadDataError, match="no column 'wieght'; did you mean"),
    ):
        built(recipe(tmp_path, dict.fromkeys(tiny.LABELS, "1"), named="wieght"), 1)


@pytest.mark.slow
def test_what_it_learns_rests_on_its_column(tmp_path: Path) -> None:
    with TASKS.registered("weighted", Weighted()):
        alike = built(recipe(tmp_path, dict.fromkeys(tiny.LABELS, "1")), 2).findings("teacher", TeacherFindings)
        first = {label: str(int(label == tiny.LABELS[0])) for label in tiny.LABELS}
        unlike = built(recipe(tmp_path, first), 2).findings("teacher", TeacherFindings)
    assert alike.score > 0.8
    assert unlike.score < 0.5  # where all else weighs nothing, that label is all that is learned
