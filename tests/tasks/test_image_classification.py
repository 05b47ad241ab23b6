"""The task of a label for each image."""

from edgewright.data.images import load_images
from edgewright.specs.recipe import Data, TaskSettings
from edgewright.tasks.table import task_of


def test_digits_are_scored_and_have_a_baseline_of_pixels() -> None:
    images = load_images(Data(builtin="digits"), TaskSettings(kind="image-classification"))
    task = task_of("image-classification")
    score = task.score(images)
    baseline = task.baseline(images, score)
    assert baseline.name == "pixels + logistic regression"
    assert 0.9 < baseline.score < 1.0
    assert len(task.targets(images)) == len(images.train)
