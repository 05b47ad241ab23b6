"""Convolutional nets: how one is read, fed, described, written and rebuilt at its smaller sizes.

In:  a Hugging Face ResNet, MobileNet V1 or V2 classifier, or any `nn.Module` that a factory makes.
Out: a `ConvNet`: the same network, from pixels to plain logits, that remembers where its architecture came from, so
     that a pruned one is the original architecture with other sizes.
Which channels to keep is `compress`'s decision.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from edgewright.base.quiet import quiet
from edgewright.errors import BadModelError, InputError, ModelError, ToolchainError, UnsupportedModelError
from edgewright.models.families import mark
from edgewright.models.macs import ModelSizes, sizes
from edgewright.models.preprocessor import preparation
from edgewright.models.reference import require_repeatable
from edgewright.models.refusals import IMAGES, NETS, unread
from edgewright.models.source import Read, pretrained
from edgewright.models.user_factory import call_factory
from edgewright.specs.recipe import ModelSource

FACTORY = "factory"
DESCRIPTION = "convnet.json"
NEW_PARTS = ("classifier.",)
USUAL_SIDE = 224
# What a module that pruning makes smaller keeps of its sizes, beside the tensors themselves.
SIZE_ATTRIBUTES: tuple[tuple[type[nn.Module], tuple[str, ...]], ...] = (
    (nn.modules.conv._ConvNd, ("in_channels", "out_channels", "groups")),
    (nn.Linear, ("in_features", "out_features")),
    (nn.modules.batchnorm._NormBase, ("num_features",)),
    (nn.GroupNorm, ("num_channels", "num_groups")),
    (nn.LayerNorm, ("normalized_shape",)),
    (nn.PReLU, ("num_parameters",)),
)


@dataclass(frozen=True, kw_only=True)
class Image:
    """What the net looks at; sizes in pixels."""

    channels: int
    height: int
    width: int


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where an architecture comes from: a Hugging Face `config` of a family, or the name of a `factory`."""

    family: str
    image: Image
    config: Mapping[str, Any] = field(default_factory=dict)
    factory: str = ""


@dataclass(frozen=True, kw_only=True)
class Description:
    """What a net is and how large."""

    family: str
    image: Image
    classes: int
    sizes: ModelSizes


class ConvNet(nn.Module):
    """A network of convolutions, from pixels to the scores of classes."""

    family = "convnet"

    def __init__(self, network: nn.Module, origin: Origin) -> None:
        super().__init__()
        self.network, self.origin = network, origin

    @property
    def title(self) -> str:
        """What messages call it: the architecture's own name, MobileNetV2."""
        return type(self.network).__name__.removesuffix("ForImageClassification")

    def forward(self, pixels: Tensor) -> Tensor:
        """(batch, channels, height, width) → (batch, classes)."""
        output = self.network(pixels)
        scores: Tensor = output if isinstance(output, Tensor) else output.logits
        return scores


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
    parts = NEW_PARTS if classes and classes != config.num_labels else ()
    if lacking := [name for name in read.new if not parts or not name.startswith(parts)]:
        raise BadModelError(str(source.folder or source.hub), f"its weights lack {lacking[0]}")
    height, width = (side, side) if side else _image_size(source, config)
    image = Image(channels=config.num_channels, height=height, width=width)
    # As JSON has it, so that the origin is the same after it has been written and read.
    described = json.loads(read.model.config.to_json_string(use_diff=True))
    origin = Origin(family=config.model_type, image=image, config=described)
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


def example_inputs(net: ConvNet, count: int = 1) -> tuple[Tensor, ...]:
    """Images of the right size, the same at each call: standard normal pixels."""
    image = net.origin.image
    generator = torch.Generator().manual_seed(0)
    return (torch.randn(count, image.channels, image.height, image.width, generator=generator),)


def _outputs(net: ConvNet) -> Tensor:
    """What the net says of a few images."""
    output: Tensor = net(*example_inputs(net, 2))
    return output


def describe(net: ConvNet) -> Description:
    """What the net is, and its sizes for one image."""
    inputs = example_inputs(net)
    modes = {module: module.training for module in net.modules()}
    net.eval()
    try:
        with torch.no_grad():
            classes = int(net(*inputs).shape[-1])
    finally:
        for module, training in modes.items():
            module.training = training
    return Description(family=net.origin.family, image=net.origin.image, classes=classes, sizes=sizes(net, inputs))


def run_order(
    net: ConvNet, example: tuple[Tensor, ...]
) -> tuple[list[str], dict[str, nn.modules.batchnorm._BatchNorm]]:
    """Names of the layers that are run once, in that order, and the batch norm that reads each one directly."""
    names = {module: name for name, module in net.named_modules()}
    order: list[str] = []
    outputs: list[tuple[Tensor, str]] = []
    norms: dict[str, nn.modules.batchnorm._BatchNorm] = {}

    def after(module: nn.Module, given: Any, output: Tensor) -> None:
        order.append(names[module])
        outputs.append((output, names[module]))

    def before(module: nn.modules.batchnorm._BatchNorm, given: Any) -> None:
        for output, name in outputs:
            if output is given[0] and module.running_mean is not None:
                norms[name] = module

    hooks = []
    for module in names:
        if isinstance(module, nn.Conv2d | nn.Linear):
            hooks.append(module.register_forward_hook(after))
        elif isinstance(module, nn.modules.batchnorm._BatchNorm):
            hooks.append(module.register_forward_pre_hook(before))
    net(*example)
    for hook in hooks:
        hook.remove()
    return [name for name in order if order.count(name) == 1], norms


@torch.no_grad()
def folded(net: ConvNet) -> ConvNet:
    """A copy to be run, whose convolutions do the work of the batch norms that read them.

    Its outputs are the net's; such a copy cannot be cut, taught or saved. A net whose convolutions are also read by
    something else comes back as it is.
    """
    ready, inputs = copy.deepcopy(net).eval(), example_inputs(net)
    wanted = ready(*inputs)
    _, norms = run_order(ready, inputs)
    places = {module: name for name, module in ready.named_modules()}
    for name, norm in norms.items():
        layer = ready.get_submodule(name)
        if isinstance(layer, nn.Conv2d):
            ready.set_submodule(name, fuse_conv_bn_eval(layer, norm))
            ready.set_submodule(places[norm], nn.Identity())
    same = torch.allclose(ready(*inputs), wanted, rtol=1e-3, atol=1e-3 * float(wanted.abs().max()))
    return ready if same else copy.deepcopy(net).eval()


def to_run(net: ConvNet) -> ConvNet:
    """A copy whose convolutions do the work of the batch norms that read them."""
    return folded(net)


def fresh(net: ConvNet, *, seed: int) -> ConvNet:
    """The net itself, each layer as PyTorch draws a new one."""
    torch.manual_seed(seed)
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Linear | nn.modules.batchnorm._BatchNorm):
            module.reset_parameters()
    return net


def save(net: ConvNet, folder: Path) -> None:
    """Write `convnet.json` and `convnet.safetensors` into an existing folder.

    Raises `ModelError` for a net that has other modules than the architecture it came from.
    """
    original = _rebuilt(net.origin)
    whole = {name: _sizes_of(module) for name, module in original.named_modules()}
    if other := sorted(whole.keys() ^ {name for name, _ in net.network.named_modules()}):
        raise ModelError(
            f"the net's module {other[0]} and its architecture's differ, so that it could not be rebuilt; "
            "what is written may have other sizes, not other modules"
        )
    changed = {
        name: found for name, module in net.network.named_modules() if (found := _sizes_of(module)) != whole[name]
    }
    described = {"origin": asdict(net.origin), "sizes": changed}
    state = {name: tensor.detach().clone().contiguous() for name, tensor in net.network.state_dict().items()}
    (folder / DESCRIPTION).write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
    save_file(state, folder / "convnet.safetensors")
    mark(folder, net.family)


def load(folder: Path, *, factory: str = "") -> ConvNet:
    """Read what `save` wrote. Raises `BadModelError` when a file is missing, damaged or at odds with the other.

    A net that came from a factory needs that `factory` named again: a folder alone never says what code is run.
    """
    try:
        described = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        given = described["origin"]
        origin = Origin(**{**given, "image": Image(**given["image"])})
        if origin.factory != factory:
            raise BadModelError(
                str(folder),
                f"it was made by the factory {origin.factory!r} and not by {factory!r}; name it, as its code is run"
                if origin.factory
                else f"it was made by no factory, but {factory!r} is named",
            )
        network = _rebuilt(origin)
        state = load_file(folder / "convnet.safetensors")
        _resize(network, described["sizes"], state)
        network.load_state_dict(state, strict=True)
    except ToolchainError:
        raise
    except Exception as error:  # safetensors, json, transformers and torch each raise their own; all mean the same here
        raise BadModelError(str(folder), " ".join(str(error).split())[:300]) from error
    return ConvNet(network, origin).eval()


def _require_known(family: str) -> None:
    if family not in NETS:
        raise unread(family, IMAGES)


def _wrapped(family: str) -> str:
    """Where a classifier of the family holds the net within."""
    _require_known(family)
    return family


def _rebuilt(origin: Origin) -> nn.Module:
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


def _call(name: str, beside: Path | None = None) -> tuple[nn.Module, Any]:
    with torch.random.fork_rng(devices=[]):
        made = call_factory(name, beside)
    if not (isinstance(made, tuple) and len(made) == 2 and isinstance(made[0], nn.Module)):
        raise InputError(
            f"model.factory {name!r} returned {type(made).__name__}; "
            "it must return (model, example of pixels) or (model, size of images)"
        )
    return made[0].eval(), made[1]


def _image_of(name: str, network: nn.Module, example: Any) -> Image:
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


def _no_images(name: str, shape: Any) -> UnsupportedModelError:
    """The error for a model of tables, series or sound."""
    return UnsupportedModelError(
        f"the model of model.factory {name!r}, whose input {shape} is no image (a table, a series or a sound),",
        supported=("images (batch, channels, height, width)", "texts"),
        remedy="of a series make an image of height 1, and of its Conv1d a Conv2d of height 1; a model of tables is "
        "small as it is",
    )


def _shown(value: Any) -> str:
    return f"a tensor {tuple(value.shape)}" if isinstance(value, Tensor) else f"{value!r:.80}"


def _image_size(source: ModelSource, config: Any) -> tuple[int, int]:
    """(height, width) that the preprocessor or the configuration asks for; ImageNet's where neither does."""
    wanted = getattr(config, "image_size", None) or USUAL_SIDE
    prepared = preparation(source)
    if prepared and (size := prepared.framing.size):
        return size
    height, width = (wanted, wanted) if isinstance(wanted, int) else wanted
    return int(height), int(width)


def _sized(image: Image) -> str:
    return f"pixels (1, {image.channels}, {image.height}, {image.width})"


def _sizes_of(module: nn.Module) -> dict[str, Any]:
    """A module's own sizes: its attributes, and the shapes of tensors that no attribute tells."""
    for kind, names in SIZE_ATTRIBUTES:
        if isinstance(module, kind):
            values = {name: getattr(module, name) for name in names}
            return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
    return {name: list(each.shape) for name, each in module.named_parameters(recurse=False)}


def _resize(network: nn.Module, table: Mapping[str, Mapping[str, Any]], state: Mapping[str, Tensor]) -> None:
    """Give the modules in `table` their sizes, and empty tensors of those sizes to be filled from `state`."""
    modules = dict(network.named_modules())
    for place, wanted in table.items():
        module = modules[place]
        before = _sizes_of(module)
        if before.keys() != wanted.keys():
            raise ValueError(f"{place} has no sizes {', '.join(wanted)}")
        if any(kind for kind, _ in SIZE_ATTRIBUTES if isinstance(module, kind)):
            for name, value in wanted.items():
                setattr(module, name, tuple(value) if isinstance(value, list) else value)
        for name, old in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]:
            found = state[f"{place}.{name}" if place else name]
            expected = _expected_shape(module, name, wanted) or tuple(old.shape)
            if tuple(found.shape) != expected:
                raise ValueError(f"{place}.{name} is {tuple(found.shape)}, but convnet.json says {expected}")
            empty = old.new_empty(expected)
            setattr(module, name, nn.Parameter(empty, old.requires_grad) if isinstance(old, nn.Parameter) else empty)


def _expected_shape(module: nn.Module, name: str, wanted: Mapping[str, Any]) -> tuple[int, ...] | None:
    """The shape that a resized module's tensor has; None for one that does not depend on sizes."""
    if name == "num_batches_tracked":
        return None
    if isinstance(module, nn.modules.conv._ConvNd):
        if name == "bias":
            return (module.out_channels,)
        ends = (
            (module.in_channels, module.out_channels)
            if module.transposed
            else (module.out_channels, module.in_channels)
        )
        return (ends[0], ends[1] // module.groups, *module.kernel_size)
    if isinstance(module, nn.Linear):
        return (module.out_features,) if name == "bias" else (module.out_features, module.in_features)
    if isinstance(module, nn.LayerNorm):
        return tuple(module.normalized_shape)
    if isinstance(module, nn.GroupNorm):
        return (module.num_channels,)
    if any(kind for kind, _ in SIZE_ATTRIBUTES if isinstance(module, kind)):
        return (next(iter(wanted.values())),)
    return tuple(wanted[name]) if name in wanted else None
