"""Refit a pruned convolutional net to give what the whole one gave, without training.

In:  what `channels` pruned, the original net, and calibration data.
Out: `corrected`: layers refitted by least squares, first to last; `recalibrated`: batch norms with new statistics.
Which channels go is `channels`' decision.
"""

from __future__ import annotations

import copy
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgewright.compress.channel_scores import in_order
from edgewright.compress.prune_channels import PrunedChannels, width
from edgewright.models.convnet import ConvNet, run_order
from edgewright.models.inputs import Inputs

TARGET_BYTES = 256 * 2**20  # what the original's outputs may take while layers are corrected


@torch.inference_mode(False)
@torch.no_grad()
def recalibrated(net: ConvNet, inputs: Inputs, *, batch_size: int = 64) -> ConvNet:
    """A copy whose batch norms hold the means and variances of these inputs; everything else is as it was."""
    fresh = copy.deepcopy(net).eval()
    norms = [module for module in fresh.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over batches
        norm.train()
    for batch in in_order(len(inputs), batch_size):
        fresh(*inputs.batch(batch))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return fresh.eval()


@torch.inference_mode(False)
@torch.no_grad()
def corrected(
    pruned: PrunedChannels,
    original: ConvNet,
    inputs: Inputs,
    *,
    ridge: float = 1e-3,
    rows: int = 16384,
    batch_size: int = 32,
    seed: int = 0,
) -> ConvNet:
    """A copy of the pruned net whose layers are refitted, first to last, to give what the original's give.

    Each convolution and linear layer solves a least-squares problem: from what it reads in the net pruned and refitted
    so far, the outputs that the same layer has in the `original` at the channels that stayed (He et al. 2017; the
    second-order update of ZipLM for a whole layer at once). `ridge`, relative to the inputs' mean energy, holds the
    weights to those they had. About `rows` positions of the images are sampled for each layer. The constant part of
    the fit goes into the layer's bias, or into the mean of the batch norm that reads it.
    """
    result = copy.deepcopy(pruned.model).eval()
    teacher = copy.deepcopy(original).eval()
    channels = {each.name: torch.tensor(each.channels) for each in pruned.kept}
    batches = list(in_order(len(inputs), batch_size))
    places, norms = run_order(result, inputs.batch(batches[0][:1]))
    sample = _Sample(inputs=inputs, batches=batches, rows=rows, seed=seed)
    # The first layer reads the image itself: nothing of it is missing.
    for chunk in _chunks(places[1:], result, rows):
        targets = sample.outputs(teacher, result, chunk, channels)
        for name in chunk:
            layer = cast(nn.Conv2d | nn.Linear, result.get_submodule(name))
            norm = norms.get(name)
            fit = _Fit(constant=layer.bias is not None or norm is not None)
            for place, patches in enumerate(sample.patches(result, name)):
                fit.add(patches, targets[name][place])
            _refit(layer, norm, fit, ridge)
            del targets[name]
    return result


class _Reached(Exception):
    """What was to be seen has been seen; the rest of the run is not needed."""


def _chunks(names: Sequence[str], net: nn.Module, rows: int) -> Iterator[list[str]]:
    """Layers in runs whose sampled outputs fit in `TARGET_BYTES` together."""
    chunk: list[str] = []
    used = 0
    for name in names:
        needed = 4 * rows * width(net.get_submodule(name), True)
        if chunk and used + needed > TARGET_BYTES:
            yield chunk
            chunk, used = [], 0
        chunk.append(name)
        used += needed
    if chunk:
        yield chunk


@dataclass(frozen=True, kw_only=True)
class _Sample:
    """Calibration data, and the positions in it that are looked at: the same in the original and in the pruned net."""

    inputs: Inputs
    batches: Sequence[list[int]]
    rows: int
    seed: int

    def outputs(
        self, teacher: nn.Module, student: nn.Module, names: Sequence[str], channels: Mapping[str, Tensor]
    ) -> dict[str, list[Tensor]]:
        """What these layers of the original give, at the channels that stayed: (groups, rows, outputs) a batch."""
        outputs: dict[str, list[Tensor]] = {name: [] for name in names}

        def observer(name: str, groups: int) -> Callable[[nn.Module, object, Tensor], None]:
            def observe(layer: nn.Module, _inputs: object, output: Tensor) -> None:
                if isinstance(layer, nn.Conv2d):
                    output = output.flatten(2).transpose(1, 2)
                    output = output[:, self._positions(name, len(outputs[name]), output.shape[1])]
                rows = output.reshape(-1, output.shape[-1])
                rows = rows[:, channels[name]] if name in channels else rows
                outputs[name].append(rows.reshape(len(rows), groups, -1).transpose(0, 1))

            return observe

        hooks = [
            teacher.get_submodule(name).register_forward_hook(
                observer(name, getattr(student.get_submodule(name), "groups", 1))
            )
            for name in names
        ]
        for batch in self.batches:
            teacher(*self.inputs.batch(batch))
        for hook in hooks:
            hook.remove()
        return outputs

    def patches(self, net: nn.Module, name: str) -> Iterator[Tensor]:
        """What a layer reads at the same positions: (groups, rows, inputs × kernel) a batch."""
        layer = cast(nn.Conv2d | nn.Linear, net.get_submodule(name))
        seen: list[Tensor] = []

        def observe(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            seen.append(inputs[0])
            raise _Reached

        hook = layer.register_forward_pre_hook(observe)
        try:
            for number, batch in enumerate(self.batches):
                try:
                    net(*self.inputs.batch(batch))
                except _Reached:
                    yield self._cut(layer, seen.pop(), name, number)
        finally:
            hook.remove()

    def _cut(self, layer: nn.Conv2d | nn.Linear, pixels: Tensor, name: str, number: int) -> Tensor:
        if isinstance(layer, nn.Linear):
            return pixels.reshape(1, -1, pixels.shape[-1])
        mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
        padded = functional.pad(pixels, layer._reversed_padding_repeated_twice, mode=mode)
        kernel, stride, dilation = layer.kernel_size, layer.stride, layer.dilation
        height, across = (
            (size - reach * (taps - 1) - 1) // step + 1
            for size, taps, step, reach in zip(padded.shape[2:], kernel, stride, dilation, strict=True)
        )
        places = self._positions(name, number, height * across)
        # Only what is looked at is gathered: of large images that is a small part.
        rows = (places // across * stride[0])[:, None] + dilation[0] * torch.arange(kernel[0])
        columns = (places % across * stride[1])[:, None] + dilation[1] * torch.arange(kernel[1])
        patches = padded[:, :, rows[:, :, None], columns[:, None, :]]
        images, width = patches.shape[:2]
        grouped = patches.reshape(images, layer.groups, width // layer.groups, len(places), -1)
        return grouped.permute(1, 0, 3, 2, 4).reshape(layer.groups, images * len(places), -1)

    def _positions(self, name: str, number: int, available: int) -> Tensor:
        """The positions that every image of one batch is sampled at."""
        wanted = -(-self.rows // sum(len(batch) for batch in self.batches))
        if wanted >= available:
            return torch.arange(available)
        generator = torch.Generator().manual_seed(zlib.crc32(f"{self.seed} {name} {number}".encode()))
        return torch.randperm(available, generator=generator)[:wanted]


class _Fit:
    """The sums that least squares needs, gathered batch by batch."""

    def __init__(self, *, constant: bool) -> None:
        self.constant = constant
        self.rows = 0
        self.sums: list[Tensor] = []

    def add(self, inputs: Tensor, wanted: Tensor) -> None:
        """(groups, rows, inputs) and (groups, rows, outputs)."""
        turned = inputs.transpose(1, 2)
        parts = (turned @ inputs, turned @ wanted, inputs.sum(dim=1), wanted.sum(dim=1))
        new = [part.double() for part in parts]
        self.sums = [old + each for old, each in zip(self.sums, new, strict=True)] if self.sums else new
        self.rows += inputs.shape[1]

    def solved(self, weights: Tensor, ridge: float) -> tuple[Tensor, Tensor]:
        """From weights (groups, inputs, outputs) to better ones, and the constant (groups, outputs) beside them."""
        squares, products, inputs, wanted = self.sums
        if self.constant:
            squares = squares - inputs[:, :, None] * inputs[:, None, :] / self.rows
            products = products - inputs[:, :, None] * wanted[:, None, :] / self.rows
        energy = squares.diagonal(dim1=1, dim2=2)
        held = torch.diag_embed((ridge * energy.mean(dim=1, keepdim=True)).clamp(min=1e-12).expand_as(energy))
        better = torch.linalg.solve(squares + held, products + held @ weights)
        rest = (wanted - (inputs[:, None, :] @ better)[:, 0]) / self.rows
        return better, rest if self.constant else torch.zeros_like(rest)


def _refit(layer: nn.Conv2d | nn.Linear, norm: nn.modules.batchnorm._BatchNorm | None, fit: _Fit, ridge: float) -> None:
    """Give a layer the weights that fit."""
    groups = getattr(layer, "groups", 1)
    weight = layer.weight
    old = weight.reshape(groups, weight.shape[0] // groups, -1).transpose(1, 2).double()
    better, constant = fit.solved(old, ridge)
    if not bool(better.isfinite().all() and constant.isfinite().all()):
        return
    weight.copy_(better.transpose(1, 2).reshape(weight.shape))
    if layer.bias is not None:
        layer.bias.copy_(constant.flatten())
    elif norm is not None and norm.running_mean is not None:
        norm.running_mean.sub_(constant.flatten())
