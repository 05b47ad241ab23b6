"""Find and read the vision transformer a recipe names.

In:  a recipe's `[model]` section, and the labels of its classes.
Out: an `ImageTeacher`: the model in Edgewright's own form, and how an image is scaled for it.
Convolutional nets are `convnet`'s; texts are `teacher`'s; reading images is `data`'s.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from toolchain.errors import BadModelError, InputError
from toolchain.models import families
from toolchain.models.heads import image_head
from toolchain.models.model import Head, HeadShape, TransformerModel
from toolchain.models.source import call_factory, pretrained, side_file, weights_bytes
from toolchain.models.vision import VisionEncoder, from_transformers
from toolchain.recipe import ModelSource

DEFAULT_MEAN = DEFAULT_DEVIATION = 0.5
BRIGHTEST = 255


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """How an image is made a model's input: resized, then (value − mean) / deviation for each channel.

    Values are 0 to 1; lengths are in pixels.
    """

    height: int
    width: int
    mean: tuple[float, ...]
    deviation: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class ImageTeacher:
    """What compression starts from; its numbers are as in `teacher.Teacher`."""

    model: TransformerModel
    scaling: Scaling
    parameters_count: int
    size_bytes: int
    fitted: bool


def load_images(source: ModelSource, *, labels: Sequence[str] = ()) -> ImageTeacher:
    """Read the teacher; `labels` are those of its classes in order, none for an embedding of the class token.

    A factory returns the model alone: a Hugging Face ViT or DeiT, or a `TransformerModel` of a `VisionEncoder`, whose
    outputs are taken to be in the order of the labels. Raises `BadModelError` for what cannot be read,
    `UnsupportedModelError` for a family Edgewright does not know.
    """
    original, described = _read(source, len(labels))
    if isinstance(original, TransformerModel):
        encoder, head = original.encoder, original.head
        fitted = head.shape.classes == len(labels)
        if not fitted:
            head = Head(HeadShape(pooling="first", classes=len(labels)), encoder.shape.width)
    else:
        encoder = from_transformers(original)
        head, fitted = Head(HeadShape(pooling="first"), encoder.shape.width), True
        if labels:
            head, fitted = image_head(original, described, labels, encoder.shape.width)
    assert isinstance(encoder, VisionEncoder)
    parameters_count = sum(parameter.numel() for parameter in original.parameters())
    shape = encoder.shape
    return ImageTeacher(
        model=TransformerModel(encoder, head).eval(),
        scaling=scaling(source, height=shape.image_height, width=shape.image_width, channels=shape.channels),
        parameters_count=parameters_count,
        size_bytes=weights_bytes(source, parameters_count),
        fitted=fitted,
    )


def scaling(source: ModelSource, *, height: int, width: int, channels: int) -> Scaling:
    """What the model's `preprocessor_config.json` says of an image; a mean and deviation of 0.5 where there is none."""
    file = side_file(source, "preprocessor_config.json")
    if file is None:
        mean, deviation = (DEFAULT_MEAN,) * channels, (DEFAULT_DEVIATION,) * channels
        return Scaling(height=height, width=width, mean=mean, deviation=deviation)
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
        # Theirs is (pixel × factor − mean) / deviation of pixels up to 255, with a factor of 1 / 255 as a rule.
        factor = config.get("rescale_factor", 1 / BRIGHTEST) if config.get("do_rescale", True) else 1
        unit = BRIGHTEST * float(factor)
        normalised = config.get("do_normalize", True)
        mean = _channels(config.get("image_mean", DEFAULT_MEAN) if normalised else 0.0, channels)
        deviation = _channels(config.get("image_std", DEFAULT_DEVIATION) if normalised else 1.0, channels)
    except (ValueError, TypeError, AttributeError) as error:
        raise BadModelError(str(file), str(error)) from error
    if len(mean) != channels or len(deviation) != channels or 0 in deviation or not unit:
        raise BadModelError(str(file), f"its image_mean and image_std do not fit {channels} channels")
    return Scaling(
        height=height,
        width=width,
        mean=tuple(each / unit for each in mean),
        deviation=tuple(each / unit for each in deviation),
    )


def _channels(values: Any, channels: int) -> tuple[float, ...]:
    return (float(values),) * channels if isinstance(values, int | float) else tuple(float(each) for each in values)


def _read(source: ModelSource, classes: int) -> tuple[Any, Any]:
    if not source.factory:
        auto = "AutoModelForImageClassification" if classes else "AutoModel"
        return pretrained(source, auto=auto, wrapped=families.image_family, classes=classes)
    made = call_factory(source.factory)
    if isinstance(made, TransformerModel):
        if not isinstance(made.encoder, VisionEncoder):
            raise InputError(f"model.factory {source.factory!r} returned a model of texts; it must be one of images")
    elif not hasattr(getattr(made, "config", None), "model_type"):
        raise families.unsupported(f"a {type(made).__name__} from model.factory {source.factory!r}", "", families.IMAGE)
    return made.eval(), getattr(made, "config", None)
