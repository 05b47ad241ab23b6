"""Where nets of convolutions come from: a Hugging Face classifier, or any `nn.Module` that a factory makes.

In:  a `[model]` section, or the name of a factory.
Out: a `ConvNet`, or one clear error.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from edgewright.base.quiet import quiet
from edgewright.errors import BadModelError, InputError, UnsupportedModelError
from edgewright.models.convnet import FACTORY, ConvNet, Image, Origin, example_inputs
from edgewright.models.preprocessor import preparation
from edgewright.models.pretrained import Read, pretrained
from edgewright.models.reference import require_repeatable
from edgewright.models.refusals import IMAGES, NETS, unread
from edgewright.models.transformers_types import TransformersConfig, config_of
from edgewright.models.user_factory import call_factory
from edgewright.specs.recipe import ModelSource

NEW_PARTS = ("classifier.",)
USUAL_SIDE = 224


def from_pretrained(place: str | Path, *, revision: str | None = None, classes: int = 0, side: int = 0) -> ConvNet:
    """Read a Hugging Face image classifier: a folder with its weights, or a hub id; the net of `read_pretrained`.

    `side` is the height and width of images where it is not to be the one the model was made for.
    """
    source = ModelSource(folder=place) if isinstance(place, Path) else ModelSource(hub=place, revision=revision)
    return read_pretrained(source, classes=classes, side=side)[0]


def read_pretrained(source: ModelSource, *, classes: int = 0, side: int = 0) -> tuple[ConvNet, Read]:
    """(the net, what transformers read it from) of a folder or a hub id.

    `classes` other than the folder's gives it a new, untrained classifier. Raises `UnsupportedModelError` for another
    family, `BadModelError` for what cannot be read.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        read = pretrained(
            source, auto="AutoModelForImageClassification", modality=IMAGES, wrapped=_wrapped, classes=classes
        )
    config = read.config
    parts = NEW_PARTS if classes and classes != config.integer("num_labels") else ()
    if lacking := [name for name in read.new if not parts or not name.startswith(parts)]:
        raise BadModelError(str(source.folder or source.hub), f"its weights lack {lacking[0]}")
    height, width = (side, side) if side else _image_size(source, config)
    image = Image(channels=config.integer("num_channels"), height=height, width=width)
    # As JSON has it, so that the origin is the same after it has been written and read.
    origin = Origin(family=config.model_type, image=image, config=config_of(read.model).described())
    return ConvNet(read.model, origin).eval(), read


def from_factory(name: str, beside: Path | None = None) -> ConvNet:
    """The net that "module:function" makes: it returns (model, image), an example of pixels or a size.

    The example is (batch, channels, height, width) or one image; a size is the side of a square, or (channels,
    height, width). The module may lie in the folder `beside`. Raises `InputError` when the factory cannot be called or
    what it returns is no such pair, `UnsupportedModelError` for a net that does not repeat itself.
    """
    network, example = _call(name, beside)
    net = ConvNet(network, Origin(family=FACTORY, image=_image_of(name, network, example), factory=name)).eval()
    try:
        with torch.no_grad():
            shape = tuple(net(*example_inputs(net)).shape)
    except Exception as error:  # whatever the caller's code raises
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"the model of model.factory {name!r} does not take {_sized(net.origin.image)}: {reason}; "
            "return an example that it takes"
        ) from error
    if len(shape) != 2 or shape[0] != 1:
        raise InputError(
            f"the model of model.factory {name!r} returns {shape} for one image; it must return (1, classes)"
        )
    require_repeatable(lambda: _outputs(net), f"the model of model.factory {name!r}")
    return net


def _outputs(net: ConvNet) -> Tensor:
    """What the net says of a few images."""
    output: Tensor = net(*example_inputs(net, 2))
    return output


def _require_known(family: str) -> None:
    if family not in NETS:
        raise unread(family, IMAGES)


def _wrapped(family: str) -> str:
    """Where a classifier of the family holds the net within."""
    _require_known(family)
    return family


def rebuilt(origin: Origin) -> nn.Module:
    """The original architecture, whatever its weights."""
    if origin.factory:
        return _call(origin.factory)[0]
    import transformers

    _require_known(origin.family)
    options = {name: value for name, value in origin.config.items() if name != "model_type"}
    config = transformers.AutoConfig.for_model(origin.family, **options)
    with quiet(), torch.random.fork_rng(devices=[]):
        network: nn.Module = transformers.AutoModelForImageClassification.from_config(config)
    return network.float()


def _call(name: str, beside: Path | None = None) -> tuple[nn.Module, object]:
    with torch.random.fork_rng(devices=[]):
        returned = call_factory(name, beside)
    if not (isinstance(returned, tuple) and len(returned) == 2 and isinstance(returned[0], nn.Module)):
        raise InputError(
            f"model.factory {name!r} returned {type(returned).__name__}; "
            "it must return (model, example of pixels) or (model, size of images)"
        )
    return returned[0].eval(), returned[1]


def _image_of(name: str, network: nn.Module, example: object) -> Image:
    """What the second of a factory's pair says of images."""
    if isinstance(example, Tensor) and example.ndim not in (3, 4):
        raise _no_images(name, tuple(example.shape))
    shape = tuple(example.shape[-3:]) if isinstance(example, Tensor) else example
    if any(isinstance(module, nn.Conv1d | nn.Conv3d | nn.RNNBase) for module in network.modules()) and not any(
        isinstance(module, nn.Conv2d) for module in network.modules()
    ):
        raise _no_images(name, tuple(example.shape) if isinstance(example, Tensor) else shape)
    if isinstance(shape, int):
        first = next((each for each in network.modules() if isinstance(each, nn.Conv2d)), None)
        shape = (first.in_channels if first else 3, shape, shape)
    if not isinstance(shape, tuple) or len(shape) != 3 or not all(isinstance(each, int) and each > 0 for each in shape):
        raise InputError(
            f"model.factory {name!r} returned {_shown(example)} beside the model; it must be pixels (batch, channels, "
            "height, width), the side of a square image, or (channels, height, width)"
        )
    return Image(channels=shape[0], height=shape[1], width=shape[2])


def _no_images(name: str, shape: object) -> UnsupportedModelError:
    """The error for a model of tables, series or sound."""
    return UnsupportedModelError(
        f"the model of model.factory {name!r}, whose input {shape} is no image (a table, a series or a sound),",
        supported=("images (batch, channels, height, width)", "texts"),
        remedy="of a series make an image of height 1, and of its Conv1d a Conv2d of height 1; a model of tables is "
        "small as it is",
    )


def _shown(value: object) -> str:
    return f"a tensor {tuple(value.shape)}" if isinstance(value, Tensor) else f"{value!r:.80}"


def _image_size(source: ModelSource, config: TransformersConfig) -> tuple[int, int]:
    """(height, width) that the preprocessor or the configuration asks for; ImageNet's where neither does."""
    prepared = preparation(source)
    if prepared and (size := prepared.framing.size):
        return size
    return config.pair("image_size") if config.value("image_size") else (USUAL_SIDE, USUAL_SIDE)


def _sized(image: Image) -> str:
    return f"pixels (1, {image.channels}, {image.height}, {image.width})"
