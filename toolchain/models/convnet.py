"""Convolutional nets: how one is fed and described, the copy that is run, and one of fresh weights.

In:  a network, and where its architecture comes from (`convnet_sources` reads it).
Out: a `ConvNet`: from pixels to plain logits; a pruned one is the original architecture with other sizes, which
     `convnet_files` writes and rebuilds.
Which channels to keep is `compress`'s decision.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from edgewright.base.json_values import JsonObject
from edgewright.models.macs import ModelSizes, sizes

FACTORY = "factory"


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
    config: JsonObject = field(default_factory=dict)
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


def example_inputs(net: ConvNet, count: int = 1) -> tuple[Tensor, ...]:
    """Images of the right size, the same at each call: standard normal pixels."""
    image = net.origin.image
    generator = torch.Generator().manual_seed(0)
    return (torch.randn(count, image.channels, image.height, image.width, generator=generator),)


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

    def after(module: nn.Module, inputs: object, output: Tensor) -> None:
        order.append(names[module])
        outputs.append((output, names[module]))

    def before(module: nn.modules.batchnorm._BatchNorm, inputs: tuple[Tensor, ...]) -> None:
        for output, name in outputs:
            if output is inputs[0] and module.running_mean is not None:
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

    Its outputs are the net's; such a copy cannot be cut, trained or saved. A net whose convolutions are also read by
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
