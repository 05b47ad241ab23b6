"""The task `image-classification`: one of several classes for each image."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from edgewright.tasks.examples import ImageExamples, part_of
from edgewright.tasks.labels import LabelTask
from edgewright.tasks.task import FITTED_IMAGES, IMAGE_INPUTS, OF_IMAGES

if TYPE_CHECKING:
    from torch import Tensor

    from edgewright.tasks.baselines import Baseline
    from edgewright.tasks.scores import Score


class ImageClassification(LabelTask[ImageExamples]):
    """One of several classes for each image."""

    modality = "image"
    examples = "images"
    inputs = IMAGE_INPUTS
    columns = ("image", "label")
    builtin_data = ("digits",)
    settings = OF_IMAGES | FITTED_IMAGES | {"distill.temperature"}
    reasons = MappingProxyType(
        {
            "task.max_length": "set task.image_size",
            "prune.speedup": "prune.keep_macs says what share of the products stays",
            "distill.projection": "its head has a matrix of its own",
        }
    )
    training_unit = "train_images"

    def targets(self, examples: ImageExamples) -> Sequence[Tensor]:
        """The class of each."""
        import torch

        from edgewright.tasks.scores import places_of

        return list(torch.tensor(places_of(examples.train.labels, examples.labels)))

    def score(self, examples: ImageExamples, part: str = "test") -> Score:
        """Accuracy."""
        from edgewright.tasks.scores import LabelScore

        return LabelScore(part_of(examples, part).labels, examples.labels)

    def baseline(self, examples: ImageExamples, score: Score) -> Baseline:
        """Logistic regression on the pixels; the score must be the test part's."""
        from edgewright.tasks.baselines import pixel_baseline
        from edgewright.tasks.scores import LabelScore

        assert isinstance(score, LabelScore)
        train = examples.train
        return pixel_baseline(train.pixels, train.labels, examples.test.pixels, score)


IMAGE_CLASSIFICATION = ImageClassification()
