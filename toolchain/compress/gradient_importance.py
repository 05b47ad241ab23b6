"""Importance by gradients: how much the outputs depend on gates of 1 on each part of a transformer.

In:  a transformer, a batch of its inputs, and a seed for each example and probe.
Out: sums over examples of |∂loss/∂gate| or its square, added to the scores of `importance`, which tells why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn

from edgewright.compress.importance_scores import Scores
from edgewright.models.model import TransformerModel
from edgewright.models.transformer_shape import TransformerShape

LayerInputs: TypeAlias = tuple[Tensor, ...]


def projection(outputs: Tensor, directions: Tensor, *, classes: bool) -> Tensor:
    """The loss whose gradient is taken: one number, of outputs (…, outputs) and random directions of that shape."""
    if classes:
        logs = outputs.log_softmax(dim=-1)
        outputs = logs * (logs.detach() / 2).exp()
    return (outputs * directions).sum()


def directions(seeds: Sequence[int], outputs: Tensor, mask: Tensor | None) -> Tensor:
    """N(0, 1) for each example from its own seed, so that batching changes nothing; 0 where there is no token."""
    drawn = torch.zeros(outputs.shape)
    for row, seed in enumerate(seeds):
        own = drawn[row]
        if drawn.dim() == 3 and mask is not None:
            own = own[: int(mask[row].sum())]
        own.copy_(torch.randn(own.shape, generator=torch.Generator().manual_seed(seed)))
    return drawn.to(outputs)


@dataclass(frozen=True, kw_only=True)
class _LayerGates:
    """One layer's gates: one an example and structure; a head's is the product over its channels of `attended`."""

    attended: Tensor
    queries: Tensor
    neurons: Tensor
    layer: Tensor


def add_gradients(
    model: TransformerModel,
    batch: tuple[Tensor, ...],
    seeds: Sequence[Sequence[int]],
    measure: Callable[[Tensor], Tensor],
    scores: Scores,
) -> None:
    """One batch of "taylor" and "fisher": a forward pass through gates, and a backward pass for each probe."""
    gates, width = _gates(model.encoder.shape, len(seeds[0]), batch[0].device)
    with _gated(model, gates, width):
        outputs = model(*batch)
    leaves = [width, *(each for layer in gates for each in vars(layer).values())]
    for own in seeds:
        loss = projection(
            outputs, directions(own, outputs, model.encoder.mask(*batch)), classes=model.head.shape.classes > 1
        )
        gradients = iter(torch.autograd.grad(loss, leaves, retain_graph=own is not seeds[-1], materialize_grads=True))
        scores.width += measure(next(gradients)).sum(dim=0)
        for total in scores.layers:
            attended, queries, neurons, layer = (next(gradients) for _ in vars(gates[0]))
            total.heads.add_(measure(attended.sum(dim=-1)).sum(dim=0))
            total.value.add_(measure(attended).sum(dim=0))
            total.query_key.add_(measure(queries).sum(dim=0))
            total.neurons.add_(measure(neurons).sum(dim=0))
            total.layer.add_(measure(layer).sum())


def _gates(shape: TransformerShape, examples: int, device: torch.device) -> tuple[list[_LayerGates], Tensor]:
    def ones(*sizes: int) -> Tensor:
        return torch.ones(examples, *sizes, device=device, requires_grad=True)

    gates = [
        _LayerGates(
            attended=ones(layer.heads, layer.head_width),
            queries=ones(layer.heads, layer.head_width),
            neurons=ones(layer.neurons),
            layer=ones(),
        )
        for layer in shape.layers
    ]
    return gates, ones(shape.width)


@contextmanager
def _gated(model: TransformerModel, gates: Sequence[_LayerGates], width: Tensor) -> Iterator[None]:
    """Multiply gates into a model's forward pass, without changing the model.

    A dimension of the residual stream is gated wherever it is read: after every norm, and at either end of the stack
    where no layer's norm stands.
    """
    encoder = model.encoder

    def narrowed(module: nn.Module, inputs: object, output: Tensor) -> Tensor:
        return output * width[:, None]

    def narrowed_input(module: nn.Module, inputs: LayerInputs) -> LayerInputs:
        return (inputs[0] * width[:, None], *inputs[1:])

    handles = []
    try:
        for layer, own in zip(encoder.stack, gates, strict=True):
            if layer.shape.heads:
                handles.append(layer.query_key_value.register_forward_hook(_queries_times(own.queries)))
                handles.append(layer.attention_output.register_forward_pre_hook(_input_times(own.attended)))
            if layer.shape.neurons:
                handles.append(layer.down.register_forward_pre_hook(_input_times(own.neurons)))
            handles.append(layer.register_forward_hook(_change_times(own.layer)))
            for norm in (layer.attention_norm, layer.feed_forward_norm):
                handles.append(norm.register_forward_hook(narrowed))
        if encoder.shape.norm_first:
            handles.append(encoder.register_forward_hook(narrowed))
        elif gates:
            handles.append(encoder.layers[0].register_forward_pre_hook(narrowed_input))
        yield
    finally:
        for handle in handles:
            handle.remove()


def _input_times(gate: Tensor) -> Callable[[nn.Module, LayerInputs], LayerInputs]:
    return lambda module, inputs: (inputs[0] * gate.flatten(1)[:, None],)


def _queries_times(gate: Tensor) -> Callable[[nn.Module, LayerInputs, Tensor], Tensor]:
    """Keys need no gates of their own: a channel of the scores is the product of a query's and a key's."""
    open_gates = torch.ones_like(gate).flatten(1)
    joined = torch.cat([gate.flatten(1), open_gates, open_gates], dim=1)[:, None]
    return lambda module, inputs, output: output * joined


def _change_times(gate: Tensor) -> Callable[[nn.Module, LayerInputs, Tensor], Tensor]:
    """A closed gate passes the layer's input on as it is."""
    return lambda module, inputs, output: inputs[0] + gate[:, None, None] * (output - inputs[0])
