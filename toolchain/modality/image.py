"""Images: read, framed and split, and scaled to what a model takes.

In:  a recipe for images.
Out: `IMAGE`, the modality; its datasets are `ImageDataset`s.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue
from typing_extensions import override

from edgewright.base.json_values import as_integer
from edgewright.base.progress import OnProgress
from edgewright.errors import InputError
from edgewright.modality.base import (
    PARTS,
    Dataset,
    HeldOut,
    LoadedTeacher,
    Modality,
    Reading,
)
from edgewright.modality.color_channels import with_channels
from edgewright.modality.image_spec import IMAGE_BYTES, ImageInputSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from edgewright.data.images import Images
    from edgewright.modality.workload import Workload
    from edgewright.models.image import Scaling
    from edgewright.models.inputs import ImageInputs, Inputs
    from edgewright.specs.recipe import Distill, Finetune, Recipe
    from edgewright.tasks.attribution import RestsOn
    from edgewright.tasks.scores import Asked, Score
    from edgewright.tasks.task import AnyTask

IMAGES, SCALING = "images.safetensors", "scaling.json"
FEWEST_IMAGES = 64  # of a sample, where a net is so large that more of them would take long
AFFORDED_MACS = 2e11  # multiply-accumulates of a stage that runs a net on a sample many times

USUAL_S = {  # of a small net on a quiet machine of two cores, where no build before it has recorded any
    "prune": 2, "sensitivity": 1, "second sensitivity": 1, "account": 1, "teacher": 4, "float": 6, "int8": 6,
    "check": 1, "time": 6,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ImageDataset(Dataset):
    """Images as a teacher, and every model made from it, takes them."""

    recipe: Recipe
    images: Images
    scaling: Scaling

    @property
    @override
    def examples(self) -> Images:
        return self.images

    @property
    @override
    def facts(self) -> Mapping[str, JsonValue]:
        return {"scaling": asdict(self.scaling)}

    @cached_property
    def _task(self) -> AnyTask:
        from edgewright.tasks.table import task_of

        return task_of(self.recipe.task.kind)

    @override
    def save(self, folder: Path) -> None:
        (folder / SCALING).write_text(json.dumps(asdict(self.scaling)), encoding="utf-8")

    @override
    def labelled(self, settings: Finetune) -> tuple[ImageInputs, Sequence[Tensor]]:
        from edgewright.data.moved import with_moved

        inputs = scaled(with_moved(self.images.train.pixels, copies=settings.augment), self.scaling)
        return inputs, list(self._task.targets(self.images)) * (1 + settings.augment)

    @override
    def score(self, part: HeldOut = "test") -> Score:
        return self._task.score(self.images, part)

    @override
    def held_out(self, part: HeldOut = "test") -> ImageInputs:
        return scaled(getattr(self.images, part).pixels, self.scaling)

    @override
    def asked(self, count: int) -> ImageInputs:
        return scaled(some_of(self.images.test.pixels, count), self.scaling)

    @override
    def sample(self, count: int, *, macs: float = 0, passes: int = 0) -> ImageInputs:
        if passes:
            count = affordable(count, macs=macs, passes=passes)
        return scaled(some_of(self.images.training_pixels, count), self.scaling)

    @override
    def to_record(self, settings: Distill, folder: Path) -> ImageInputs:
        return self._recorded(settings.augment)

    @override
    def recorded(self, folder: Path, recorded_with: Mapping[str, object]) -> ImageInputs:
        return self._recorded(as_integer(recorded_with["augment"], "the recording", "augment"))

    def _recorded(self, copies: int) -> ImageInputs:
        """The training images, moved copies of them, and the extra ones."""
        import numpy as np

        from edgewright.data.moved import with_moved

        pixels = [with_moved(self.images.train.pixels, copies=copies), self.images.extra.pixels]
        return scaled(np.concatenate(pixels), self.scaling)

    @override
    def example(self) -> tuple[Tensor, ...]:
        import torch

        return (torch.zeros(1, self.scaling.channels, self.scaling.height, self.scaling.width),)

    @override
    def outputs(self, model: nn.Module, inputs: Inputs, *, on_progress: Callable[[int], None] | None = None) -> Tensor:
        from edgewright.models import image as image_models

        return image_models.outputs(model, inputs, on_progress=on_progress)

    @override
    def input_spec(self, *, batch: int = 1) -> ImageInputSpec:
        scaling = self.scaling
        return ImageInputSpec(
            height=scaling.height, width=scaling.width, channels=scaling.channels, scaling=scaling, batch=batch
        )

    @override
    def examples_of(self, inputs: Inputs) -> NDArray[np.uint8]:
        from edgewright.models.inputs import ImageInputs

        assert isinstance(inputs, ImageInputs)
        pixels: NDArray[np.uint8] = inputs.pixels.numpy()
        return pixels

    @override
    def attribution(self, model: nn.Module, inputs: Inputs, index: int, asked: Asked) -> RestsOn:
        from edgewright.models.inputs import ImageInputs
        from edgewright.tasks import attribution

        assert isinstance(inputs, ImageInputs)
        return attribution.of_places(model, inputs, index, asked)


class ImageModality(Modality):
    """Images, as bytes of their pixels."""

    name = "image"
    examples_name = "images"
    spec = ImageInputSpec
    bundle_files = (IMAGE_BYTES,)

    @override
    def check_source(self, recipe: Recipe) -> None:
        from edgewright.models import convnet_sources, image_teacher
        from edgewright.models import source as sources
        from edgewright.models.preprocessor import preparation

        source = recipe.model
        if source.factory:
            if image_teacher.is_net(source):
                convnet_sources.from_factory(source.factory, source.beside)
            return
        sources.check(source, self.name)
        preparation(sources.base_of(source) or source)

    @override
    def fingerprint(self, recipe: Recipe) -> Mapping[str, object]:
        from edgewright.data import images as data
        from edgewright.models import image_teacher

        framing = image_teacher.framing(recipe.model, image_size=recipe.task.image_size)
        digest = data.fingerprint(recipe.data, recipe.task)
        return {"data": digest, "framing": asdict(framing) if framing else None}

    @override
    def read(self, recipe: Recipe, folder: Path, *, on_progress: OnProgress) -> Reading:
        from edgewright.data import images as data
        from edgewright.models import image_teacher

        framing = image_teacher.framing(recipe.model, image_size=recipe.task.image_size)
        framed = framing.of if framing else None
        images = data.load_images(recipe.data, recipe.task, on_progress=on_progress, framed=framed)
        images.save(folder / IMAGES)
        height, width, channels = images.train.pixels.shape[1:]
        parts = {str(part): place.name for part, place in data.parts_of(recipe.data, recipe.task).items()}
        names = ", ".join(f"{place} ({part})" for part, place in parts.items())
        return Reading(
            counts={part: len(getattr(images, part)) for part in PARTS},
            agreement=images.agreement,
            notes=[
                *([f"{recipe.data.folder} is taken as its parts: {names}"] if parts else []),
                *images.agreement.sentences("images"),
            ],
            facts={
                **{"height": height, "width": width, "channels": channels, "parts": dict[str, JsonValue](parts)},
                "framing": asdict(framing) if framing else None,
            },
        )

    @override
    def load_teacher(self, recipe: Recipe, examples: Path) -> LoadedTeacher:
        import numpy as np

        from edgewright.data.images import Images
        from edgewright.models import image as image_models
        from edgewright.models import image_teacher
        from edgewright.models.reference import EXAMPLES

        images = Images.load(examples / IMAGES)
        teacher = image_teacher.load_images(recipe.model, labels=images.labels, image_size=recipe.task.image_size)
        _require_size(images, teacher.scaling)
        return LoadedTeacher(
            model=teacher.model,
            dataset=ImageDataset(recipe=recipe, images=images, scaling=teacher.scaling),
            parameters_count=teacher.parameters_count,
            size_bytes=teacher.size_bytes,
            fitted=teacher.fitted,
            notes=teacher.notes,
            reference=teacher.reference,
            run=lambda some: image_models.outputs(teacher.model, scaled(np.stack(some), teacher.scaling)),
            some=list(some_of(images.train.pixels, EXAMPLES)),
        )

    @override
    def workload(self, recipe: Recipe, examples: Path, counts: Mapping[str, int]) -> Workload:
        return replace(super().workload(recipe, examples, counts), usual_s=USUAL_S)

    @override
    def dataset(self, recipe: Recipe, examples: Path, inputs: Path) -> ImageDataset:
        from edgewright.data.images import Images
        from edgewright.models.image import Scaling

        saved = json.loads((inputs / SCALING).read_text(encoding="utf-8"))
        scaling = Scaling(**{**saved, "mean": tuple(saved["mean"]), "deviation": tuple(saved["deviation"])})
        return ImageDataset(recipe=recipe, images=Images.load(examples / IMAGES), scaling=scaling)


IMAGE = ImageModality()


def scaled(pixels: NDArray[np.uint8], scaling: Scaling) -> ImageInputs:
    """Images (n, height, width, channels) as the model takes them."""
    from edgewright.models.inputs import ImageInputs

    return ImageInputs(with_channels(pixels, scaling.channels), mean=scaling.mean, std=scaling.deviation)


def some_of(pixels: NDArray[np.uint8], count: int) -> NDArray[np.uint8]:
    """So many of the images, or all there are, chosen by a seed."""
    return pixels[random.Random(0).sample(range(len(pixels)), min(count, len(pixels)))]


def affordable(count: int, *, macs: float, passes: int) -> int:
    """So many images, or fewer for a model that is so large that as many passes over them would take minutes.

    Bounded by work, and so the same on every machine.
    """
    return max(min(count, FEWEST_IMAGES), min(count, int(AFFORDED_MACS / max(1, passes * macs))))


def _require_size(images: Images, scaling: Scaling) -> None:
    found, wanted = images.train.pixels.shape[1:3], (scaling.height, scaling.width)
    if found != wanted:
        raise InputError(
            f"the images are {found[0]} × {found[1]} pixels, but the model takes {wanted[0]} × {wanted[1]}; set "
            f"task.image_size = [{wanted[0]}, {wanted[1]}]"
        )
