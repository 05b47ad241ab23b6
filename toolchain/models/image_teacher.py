"""Find and read the model of images a recipe names: a vision transformer, or a convolutional net.

In:  a recipe's `[model]` section, and the labels of its classes.
Out: an `ImageTeacher`: the model in Edgewright's own form, and how an image is scaled for it.
Texts are `teacher`'s; reading images is `data`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from toolchain.errors import BadModelError, InputError
from toolchain.models import convnet, families
from toolchain.models.heads import IMAGE, image_head, order_of
from toolchain.models.image import BRIGHTEST, ImageModel, Scaling
from toolchain.models.model import Head, HeadShape, TransformerModel
from toolchain.models.source import (
    call_factory,
    configured,
    family_of,
    local_folder,
    pretrained,
    read_side_file,
    side_file,
    weights_bytes,
)
from toolchain.models.vision import VisionEncoder, from_transformers
from toolchain.recipe import ModelSource

DEFAULT_MEAN = DEFAULT_DEVIATION = 0.5


@dataclass(frozen=True, kw_only=True)
class ImageTeacher:
    """What compression starts from; its numbers are as in `teacher.Teacher`."""

    model: ImageModel
    scaling: Scaling
    parameters_count: int
    size_bytes: int
    fitted: bool


def load_images(
    source: ModelSource, *, labels: Sequence[str] = (), image_size: tuple[int, int] | None = None
) -> ImageTeacher:
    """Read the teacher; `labels` are those of its classes in order, none for an embedding of the class token.

    A factory returns the model alone: a Hugging Face ViT or DeiT, or a `TransformerModel` of a `VisionEncoder`; or a
    net of convolutions with an example, as `convnet.from_factory` takes them. The outputs of what a factory made are
    taken to be in the order of the labels. A net takes images of `image_size`, (height, width) in pixels, or of the
    size it was made for. Raises `BadModelError` for what cannot be read, `UnsupportedModelError` for a family
    Edgewright does not know.
    """
    if is_net(source):
        return _net(source, labels, image_size)
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


def is_net(source: ModelSource) -> bool:
    """Whether the source is a net of convolutions. Raises as reading it does."""
    if source.factory:
        return isinstance(call_factory(source.factory), tuple)
    return family_of(source) in convnet.FAMILIES


def _net(source: ModelSource, labels: Sequence[str], image_size: tuple[int, int] | None) -> ImageTeacher:
    if source.factory:
        net = convnet.from_factory(source.factory)
        found = convnet.describe(net).classes
        if labels and found != len(labels):
            raise InputError(
                f"the net of model.factory {source.factory!r} has {found} classes, but the data has {len(labels)} "
                "labels; make one with as many"
            )
        fitted = True
    else:
        place = local_folder(source) or source.hub
        assert place is not None
        net = convnet.from_pretrained(place, revision=source.revision, classes=len(labels))
        order = order_of(configured(source), IMAGE, labels) if labels else None
        fitted = order is not None or not labels
        if order is not None:
            _reorder(net, order)
    image = net.origin.image
    if image_size is not None:
        image = replace(image, height=image_size[0], width=image_size[1])
        net = convnet.ConvNet(net.network, replace(net.origin, image=image)).eval()
    parameters_count = sum(parameter.numel() for parameter in net.parameters())
    return ImageTeacher(
        model=net,
        scaling=scaling(source, height=image.height, width=image.width, channels=image.channels),
        parameters_count=parameters_count,
        size_bytes=weights_bytes(source, parameters_count),
        fitted=fitted,
    )


def _reorder(net: convnet.ConvNet, order: Sequence[int]) -> None:
    """Give the scores in this order of the net's own classes."""
    *_, last = (module for module in net.modules() if isinstance(module, nn.Linear))
    for part in (last.weight, last.bias):
        if part is not None:
            part.data = part.data[list(order)]


def scaling(source: ModelSource, *, height: int, width: int, channels: int) -> Scaling:
    """What the model's `preprocessor_config.json` says of an image; a mean and deviation of 0.5 where there is none."""
    file = None if source.factory else side_file(source, "preprocessor_config.json")
    if file is None:
        mean, deviation = (DEFAULT_MEAN,) * channels, (DEFAULT_DEVIATION,) * channels
        return Scaling(height=height, width=width, mean=mean, deviation=deviation)
    try:
        config = read_side_file(file)
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
