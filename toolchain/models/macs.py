"""How large a model is: parameters, bytes and multiply-accumulates, whole and layer by layer.

In:  any `nn.Module` and one example of its inputs.
Out: `ModelSizes`; the model is as it was, its modes, gradients and statistics included.
How fast that is on a device is `hardware`'s concern.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from torch.utils.hooks import RemovableHandle

FLOAT_BYTES = 4


@dataclass(frozen=True, kw_only=True)
class LayerSizes:
    """What one module holds and computes itself, without what the modules within it do."""

    name: str
    kind: str
    parameters: int
    macs: int


@dataclass(frozen=True, kw_only=True)
class ModelSizes:
    """A model's sizes; `bytes` are its parameters as float32. `layers` add up to the whole, in the model's order.

    `macs` are the multiply-accumulates of matrix products, convolutions and attention for the inputs that were given;
    what is done to each number alone (norms, activations, sums) is not counted, as is the custom.
    """

    parameters: int
    bytes: int
    macs: int
    layers: tuple[LayerSizes, ...]


def sizes(model: nn.Module, inputs: tuple[Tensor, ...]) -> ModelSizes:
    """Count on one run of `model(*inputs)` in evaluation mode; give one example for the MACs of one.

    A parameter that several modules share counts once, at the first of them.
    """
    modes = {module: module.training for module in model.modules()}
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    own_macs: dict[nn.Module, int] = dict.fromkeys(modes, 0)
    model.eval().requires_grad_(False)  # PyTorch's counter stumbles over a module whose output is a parameter's view
    try:
        total = _count(model, inputs, own_macs)
    finally:
        for parameter in learning:
            parameter.requires_grad_(True)
        for module, training in modes.items():
            module.training = training
    seen: set[int] = set()
    layers = []
    for name, module in model.named_modules():
        new = [each for each in module.parameters(recurse=False) if id(each) not in seen]
        seen.update(map(id, new))
        parameters = sum(each.numel() for each in new)
        if parameters or own_macs[module]:
            kind = type(module).__name__
            layers.append(LayerSizes(name=name, kind=kind, parameters=parameters, macs=own_macs[module]))
    parameters = sum(layer.parameters for layer in layers)
    return ModelSizes(parameters=parameters, bytes=FLOAT_BYTES * parameters, macs=total, layers=tuple(layers))


def _count(model: nn.Module, inputs: tuple[Tensor, ...], own: dict[nn.Module, int]) -> int:
    """The MACs of one run; what each module does outside those within it is added to `own`."""
    # PyTorch 2.13 has a formula for every fused attention but the one a CPU uses.
    attention = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    counter = FlopCounterMode(display=False, custom_mapping={attention: _attention_flops})
    running: list[tuple[int, list[int]]] = []

    def before(module: nn.Module, inputs: object) -> None:
        running.append((counter.get_total_flops(), [0]))

    def after(module: nn.Module, inputs: object, output: object) -> None:
        started, (within,) = running.pop()
        took = counter.get_total_flops() - started
        own[module] += (took - within) // 2
        if running:
            running[-1][1][0] += took

    hooks = [hook for module in own for hook in _hooked(module, before, after)]
    try:
        with torch.no_grad(), counter:
            model(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return counter.get_total_flops() // 2


def _attention_flops(query: torch.Size, key: torch.Size, value: torch.Size, *_rest: object, **_named: object) -> int:
    """Both products of one attention, from the shapes of what it reads: (batch, heads, length, width) each."""
    batch, heads, queries, width = query
    return int(2 * batch * heads * queries * key[2] * (width + value[3]))


def _hooked(
    module: nn.Module, before: Callable[[nn.Module, object], None], after: Callable[[nn.Module, object, object], None]
) -> tuple[RemovableHandle, RemovableHandle]:
    return module.register_forward_pre_hook(before), module.register_forward_hook(after)
