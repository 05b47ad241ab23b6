"""Find and read the model of images a recipe names: a vision transformer, or a convolutional net.

In:  a recipe's `[model]` section, and the labels of its classes.
Out: an `ImageTeacher`: the model in Edgewright's own form, and how an image is scaled for it.
Texts are `teacher`'s; reading images is `data`'s, and how a model's own processor frames them `preprocessor`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from edgewright.base.quiet import quiet
from edgewright.errors import BadModelError, InputError
from edgewright.modality.color_channels import with_channels
from edgewright.modality.framing import Framing
from edgewright.models import convnet, convnet_sources, layouts
from edgewright.models.families import FAMILIES
from edgewright.models.heads import AS_IT_IS, IMAGE, NEW, FoundHead, image_head, order_of
from edgewright.models.image import Scaling
from edgewright.models.inputs import ImageInputs
from edgewright.models.model import Head, HeadShape, TransformerModel
from edgewright.models.preprocessor import FILE, Preparation, preparation
from edgewright.models.pretrained import Read, call_factory, configured, family_of, pretrained
from edgewright.models.reference import Reference, named
from edgewright.models.refusals import IMAGES, NETS
from edgewright.models.source import base_of, local_folder, weights_bytes
from edgewright.models.teacher import unfitted
from edgewright.models.transformers_types import config_of
from edgewright.models.vision import VisionEncoder, from_transformers
from edgewright.specs.recipe import ModelSource

DEFAULT_MEAN = DEFAULT_DEVIATION = 0.5

Pictures: TypeAlias = Sequence[NDArray[np.uint8]]
"""Each (height, width, channels), of whatever size."""
Framed: TypeAlias = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
"""A picture → the same in the size that the model takes."""


@dataclass(frozen=True, kw_only=True)
class ImageTeacher:
    """What compression starts from; its numbers, notes and reference are as in `teacher.Teacher`."""

    model: nn.Module
    scaling: Scaling
    parameters_count: int
    size_bytes: int
    fitted: bool
    notes: tuple[str, ...] = ()
    reference: Reference[NDArray[np.uint8]] | None = None


def load_images(
    source: ModelSource, *, labels: Sequence[str] = (), image_size: tuple[int, int] | None = None
) -> ImageTeacher:
    """Read the teacher; `labels` are those of its classes in order, none for an embedding of the class token.

    A factory returns the model alone: a Hugging Face ViT or DeiT, or a `TransformerModel` of a `VisionEncoder`; or a
    net of convolutions with an example, as `convnet_sources.from_factory` takes them. The outputs of what a factory
    made are taken to be in the order of the labels. A net takes images of `image_size`, (height, width) in pixels,
    or of the size it was made for. Raises `BadModelError` for what cannot be read, `UnsupportedModelError` for a family
    or a setting Edgewright does not know.
    """
    if is_net(source):
        return _net(source, labels, image_size)
    read = _read(source, len(labels))
    original = read.model
    if isinstance(original, TransformerModel):
        encoder, found = original.encoder, _own_head(original, labels)
    else:
        encoder = from_transformers(original)
        width = encoder.shape.width
        found = FoundHead(
            head=Head(HeadShape(pooling="first"), width), fitted=True, note="embedded by the class token, normalised"
        )
        if labels:
            found = unfitted(image_head(original, read.config, labels, width), read)
    assert isinstance(encoder, VisionEncoder)
    parameters_count = sum(parameter.numel() for parameter in original.parameters())
    shape = encoder.shape
    scales = scaling(source, height=shape.image_height, width=shape.image_width, channels=shape.channels)
    model = TransformerModel(encoder, found.head).eval()
    return ImageTeacher(
        model=model,
        scaling=scales,
        parameters_count=parameters_count,
        size_bytes=weights_bytes(source, parameters_count),
        fitted=found.fitted,
        notes=(found.note, *([] if source.factory else [_framing_note(source, scales)])),
        reference=_reference(source, read, model, scales, found if labels else None),
    )


def is_net(source: ModelSource) -> bool:
    """Whether the source is a net of convolutions. Raises as reading it does."""
    if source.factory:
        return isinstance(call_factory(source), tuple)
    return family_of(source, IMAGES) in NETS


def _net(source: ModelSource, labels: Sequence[str], image_size: tuple[int, int] | None) -> ImageTeacher:
    net, fitted, note = _made_net(source, labels) if source.factory else _pretrained_net(source, labels)
    image = net.origin.image
    if image_size is not None:
        image = replace(image, height=image_size[0], width=image_size[1])
        net = convnet.ConvNet(net.network, replace(net.origin, image=image)).eval()
    parameters_count = sum(parameter.numel() for parameter in net.parameters())
    scales = scaling(source, height=image.height, width=image.width, channels=image.channels)
    return ImageTeacher(
        model=_of_its_family(net),
        scaling=scales,
        parameters_count=parameters_count,
        size_bytes=weights_bytes(source, parameters_count),
        fitted=fitted,
        notes=(note, *([] if source.factory else [_framing_note(source, scales)])),
        reference=_processor_reference(source, scales),
    )


def _made_net(source: ModelSource, labels: Sequence[str]) -> tuple[convnet.ConvNet, bool, str]:
    """(the net that a factory makes, that it is fitted, and a note on its head)."""
    assert source.factory
    net = convnet_sources.from_factory(source.factory, source.beside)
    classes = convnet.describe(net).classes
    if labels and classes != len(labels):
        raise InputError(
            f"the net of model.factory {source.factory!r} has {classes} classes, but the data has {len(labels)} "
            "labels; make one with as many"
        )
    return net, True, f"{AS_IT_IS} by the factory, its outputs in the order {', '.join(labels[:6])}"


def _pretrained_net(source: ModelSource, labels: Sequence[str]) -> tuple[convnet.ConvNet, bool, str]:
    """(a net of transformers', whether its head is fitted to the labels, and a note on that)."""
    net, read = convnet_sources.read_pretrained(source, classes=len(labels))
    order = order_of(read.config, IMAGE, labels) if labels else None
    fitted, note = order is None or order.places is not None, order.note if order else AS_IT_IS
    if fitted and read.new:
        fitted, note = False, f"{NEW} the model's weights lack {read.new[0]}"
    if order and order.places is not None:
        _reorder(net, order.places)
    return net, fitted, note


def _of_its_family(net: convnet.ConvNet) -> nn.Module:
    """The network itself where it names a registered family, as a plug-in's does; else the net of convolutions."""
    family = getattr(net.network, "family", None)
    return net.network if isinstance(family, str) and family in FAMILIES else net


def _own_head(original: TransformerModel, labels: Sequence[str]) -> FoundHead:
    """The head of a model that a factory made in our own form, or a new one."""
    classes, wanted = original.head.shape.classes, len(labels)
    if classes == wanted:
        listed = f", its outputs in the order {', '.join(labels[:6])}" if labels else ""
        return FoundHead(head=original.head, fitted=True, note=f"{AS_IT_IS} by the factory{listed}")
    head = Head(HeadShape(pooling="first", classes=wanted), original.encoder.shape.width)
    return FoundHead(head=head, fitted=False, note=f"{NEW} the factory's has {classes} outputs, and the data {wanted}")


def _reorder(net: convnet.ConvNet, order: Sequence[int]) -> None:
    """Give the scores in this order of the net's own classes."""
    *_, last = (module for module in net.modules() if isinstance(module, nn.Linear))
    for part in (last.weight, last.bias):
        if part is not None:
            part.data = part.data[list(order)]


def scaling(source: ModelSource, *, height: int, width: int, channels: int) -> Scaling:
    """What the model's `preprocessor_config.json` says of an image; a mean and deviation of 0.5 where there is none."""
    prepared = _preparation(source)
    if prepared is None:
        mean, deviation = (DEFAULT_MEAN,) * channels, (DEFAULT_DEVIATION,) * channels
        return Scaling(height=height, width=width, mean=mean, deviation=deviation)
    mean, deviation = (_channels(values, channels) for values in (prepared.mean, prepared.deviation))
    if len(mean) != channels or len(deviation) != channels:
        raise BadModelError(FILE, f"its image_mean and image_std do not fit {channels} channels")
    return Scaling(height=height, width=width, mean=mean, deviation=deviation)


def framing(source: ModelSource, *, image_size: tuple[int, int] | None) -> Framing | None:
    """How the model's own processor frames pictures; None where it does not, or to another size than is taken.

    A net takes images of `image_size` where that is given. A transformer takes one size.
    """
    prepared = _preparation(source)
    if prepared is None or prepared.framing.size is None:
        return None
    size = image_size or prepared.framing.size
    config = None if is_net(source) else configured(source, IMAGES)
    if config and config.value("image_size") is not None:
        size = config.pair("image_size")
    return prepared.framing if size == prepared.framing.size else None


def _framing_note(source: ModelSource, scales: Scaling) -> str:
    """A note on how pictures come to the model's size."""
    prepared = _preparation(source)
    if prepared is None:
        return f"no {FILE}: pictures are resized to {scales.height} × {scales.width} (bilinear)"
    if prepared.framing.size == (scales.height, scales.width):
        return f"pictures are {prepared.framing}, as {FILE} says"
    return (
        f"pictures are resized to {scales.height} × {scales.width} (bilinear), not as {FILE} says ({prepared.framing})"
    )


def _preparation(source: ModelSource) -> Preparation | None:
    return None if source.factory else preparation(base_of(source) or source)


def _channels(values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    return values * channels if len(values) == 1 else values


def _read(source: ModelSource, classes: int) -> Read:
    if not source.factory:
        auto = "AutoModelForImageClassification" if classes else "AutoModel"
        return pretrained(source, auto=auto, modality=IMAGES, wrapped=layouts.image_family, classes=classes)
    returned = call_factory(source)
    if isinstance(returned, TransformerModel):
        if not isinstance(returned.encoder, VisionEncoder):
            raise InputError(f"model.factory {source.factory!r} returned a model of texts; it must be one of images")
    elif not isinstance(returned, nn.Module) or not hasattr(getattr(returned, "config", None), "model_type"):
        raise layouts.unsupported_image(f"a {type(returned).__name__} from model.factory {source.factory!r}")
    return Read(model=returned.eval(), config=config_of(returned))


def _scaled(pictures: Pictures, scales: Scaling, framed: Framed) -> Tensor:
    """Pictures as the model takes them."""
    pixels = np.stack([framed(with_channels(each[None], scales.channels)[0]) for each in pictures])
    (inputs,) = ImageInputs(pixels, mean=scales.mean, std=scales.deviation).batch(range(len(pixels)))
    return inputs


def _processed(source: ModelSource, pictures: Pictures, channels: int) -> Tensor:
    """Pictures as the model's own processor makes its input of them."""
    with quiet():
        from transformers import AutoImageProcessor

        place = local_folder(source) or source.hub
        processor = AutoImageProcessor.from_pretrained(str(place), trust_remote_code=False)
        images = [with_channels(each[None], channels)[0] for each in pictures]
        inputs = processor(images=images, return_tensors="pt", input_data_format="channels_last")
    pixels: Tensor = inputs["pixel_values"]
    return pixels


def _reference(
    source: ModelSource, read: Read, model: TransformerModel, scales: Scaling, found: FoundHead | None
) -> Reference[NDArray[np.uint8]] | None:
    """How a vision transformer is run by transformers, from a picture on; with a fitted head to its scores."""
    if isinstance(read.model, TransformerModel):
        return None
    prepared = _preparation(source)
    if prepared and (prepared.framing.size, prepared.channels) != ((scales.height, scales.width), scales.channels):
        prepared = None  # it makes no input of this model; its numbers are taken all the same
    framed: Framed = prepared.framing.of if prepared else lambda picture: picture
    fitted = found if found and found.fitted else None
    inner = getattr(read.model, read.config.model_type, read.model)

    def theirs(pictures: Pictures) -> Tensor:
        own = base_of(source) or source if not source.factory else source
        pixels = _processed(own, pictures, scales.channels) if prepared else _scaled(pictures, scales, framed)
        output = read.model(pixel_values=pixels).logits[:, list(fitted.places)] if fitted else inner(pixels)[0]
        return output.flatten()  # type: ignore[no-any-return]

    def ours(pictures: Pictures) -> Tensor:
        pixels = _scaled(pictures, scales, framed)
        output = model(pixels) if fitted else model.encoder(pixels)
        return output.flatten()  # type: ignore[no-any-return]

    what = "outputs" if fitted else "vectors of patches"
    return Reference(library=named("transformers"), what=what, theirs=theirs, ours=ours)


def _processor_reference(source: ModelSource, scales: Scaling) -> Reference[NDArray[np.uint8]] | None:
    """A net runs as it came; how its processor makes a picture its input is what could be read otherwise."""
    prepared = _preparation(source)
    if prepared is None or prepared.framing.size is None:
        return None
    mean, deviation = (_channels(each, prepared.channels) for each in (prepared.mean, prepared.deviation))
    own = replace(scales, mean=mean, deviation=deviation)  # a grey net's processor may take colours alone
    return Reference(
        library=named("transformers"),
        what="pixels",
        theirs=lambda pictures: _processed(base_of(source) or source, pictures, own.channels).flatten(),
        ours=lambda pictures: _scaled(pictures, own, prepared.framing.of).flatten(),
    )
