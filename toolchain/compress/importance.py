"""How much each part of a transformer matters: heads, neurons, channels of a head, layers and residual dimensions.

In:  a float model of any family and a sample of its inputs, through which one pass goes.
Out: `Importance`; its scores are not negative, and a greater one matters more.
Which parts go is `prune`'s decision. Four kinds:

- "magnitude": the L2 norm of a part's matrices; needs no data.
- "activation": the energy that a part adds to what its layer adds to the residual stream.
- "taylor": |∂loss/∂gate| of a gate of 1 on the part, summed over examples (Michel et al. 2019, Molchanov et al. 2019).
- "fisher": the same gradient squared: the diagonal of the empirical Fisher information of the gates (Kwon et al. 2022).

The loss is that of distillation from the model itself, so neither gradient needs labels. At the model itself that loss
and its gradient are zero, but its curvature is not: with J the outputs' derivative by the gates and M the metric in
which the loss compares outputs, it is JᵀMJ (Gauss–Newton; what is left out is exactly zero where student and teacher
agree). Its diagonal is the mean of squared gradients of vᵀ√M·outputs over random v of covariance I, and half of it is
the loss, to second order, of closing a gate. So the loss whose gradient is taken is such a projection. For an embedding
M is I. For classes, where the loss is the divergence of softmaxes p, it is Σ vᵢ √pᵢ log pᵢ with √p held fixed: the mean
of its squared gradients is Σ pᵢ (∂ log pᵢ)², the Fisher information. One v an example is enough over hundreds of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import get_args

import torch
from torch import Tensor, nn

from edgewright.compress.gradient_importance import add_gradients
from edgewright.compress.importance_scores import LEAST_NORM, Importance, LayerImportance, Scores, UnitKind
from edgewright.errors import BadDataError, UnknownNameError
from edgewright.models.inputs import Inputs, batch_for, in_batches
from edgewright.models.linear_maps import matrix
from edgewright.models.model import Head, TransformerModel
from edgewright.models.transformer_layer import TransformerLayer

BATCH_TOKENS = 4096
GRADIENT_BATCH_TOKENS = 2048  # a backward pass keeps every layer's activations


def importance(
    model: TransformerModel,
    inputs: Inputs,
    *,
    kind: UnitKind,
    probes: int = 1,
    seed: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> Importance:
    """Score every part of `model` in one pass over `inputs`; `on_progress` hears (examples done, examples).

    `probes` is how many random projections "taylor" and "fisher" take of each example's outputs. The model, its
    gradients and modes and the global random state stay as they were. Raises `UnknownNameError` for another kind,
    `BadDataError` without examples and `ModelError` when a score is not finite.
    """
    if kind not in get_args(UnitKind):
        raise UnknownNameError("kind of importance", kind, get_args(UnitKind))
    if not len(inputs) and kind != "magnitude":
        raise BadDataError(f"there is no example to measure {kind} importance on; give at least one, better hundreds")
    by_gradient = kind in ("taylor", "fisher")
    with _in_evaluation_mode(model), torch.inference_mode(False), torch.set_grad_enabled(by_gradient):
        scores = Scores(model)
        if kind == "magnitude":
            _add_magnitudes(model, scores)
        elif kind == "activation":
            for _, batch in _over_batches(model, inputs, BATCH_TOKENS, on_progress):
                _add_energies(model, batch, scores)
        else:
            measure = torch.abs if kind == "taylor" else torch.square
            for indexes, batch in _over_batches(model, inputs, GRADIENT_BATCH_TOKENS, on_progress):
                first = [(seed * probes + probe) * len(inputs) for probe in range(probes)]
                seeds = [[start + index for index in indexes] for start in first]
                add_gradients(model, batch, seeds, measure, scores)
        return scores.finished(kind)


@contextmanager
def _in_evaluation_mode(model: nn.Module) -> Iterator[None]:
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


def _over_batches(
    model: TransformerModel, inputs: Inputs, tokens: int, on_progress: Callable[[int, int], None] | None
) -> Iterator[tuple[list[int], tuple[Tensor, ...]]]:
    """(indexes, batch on the model's device) until all examples have been."""
    done = 0
    for indexes in in_batches(model.encoder, inputs, tokens):
        yield indexes, batch_for(model, inputs, indexes)
        done += len(indexes)
        if on_progress:
            on_progress(done, len(inputs))


def _add_magnitudes(model: TransformerModel, scores: Scores) -> None:
    """Set every score to a norm; embeddings do not count for the width, or a large vocabulary would decide it."""
    squares = _head_columns(model.head, model.encoder.shape.width).to(scores.width)
    for layer, total in zip(model.encoder.stack, scores.layers, strict=True):
        shape = layer.shape
        if shape.heads:
            rows, columns = matrix(layer.query_key_value).square(), matrix(layer.attention_output).square()
            query, key, value = rows.sum(dim=1).view(3, shape.heads, shape.head_width)
            total.query_key.copy_(query + key)
            total.value.copy_(value + columns.sum(dim=0).view(shape.heads, shape.head_width))
            total.heads.copy_((total.query_key + total.value).sum(dim=1))
            squares = squares + rows.sum(dim=0) + columns.sum(dim=1)
        if shape.neurons:
            rows, columns = matrix(layer.up).square(), matrix(layer.down).square()
            total.neurons.copy_(rows.sum(dim=1).view(-1, shape.neurons).sum(dim=0) + columns.sum(dim=0))
            squares = squares + rows.sum(dim=0) + columns.sum(dim=1)
        total.layer.copy_(total.heads.sum() + total.neurons.sum())
        for each in vars(total).values():
            each.sqrt_()
    scores.width.copy_(squares.sqrt())


def _add_energies(model: TransformerModel, batch: tuple[Tensor, ...], scores: Scores) -> None:
    """One batch of the "activation" kind."""
    encoder = model.encoder
    bias, hidden, mask = encoder.bias(*batch), encoder.embedded(*batch), encoder.mask(*batch)
    tokens = torch.ones_like(hidden[..., :1]) if mask is None else mask[..., None]
    for index, (layer, total) in enumerate(zip(encoder.stack, scores.layers, strict=True)):
        readers = scores.readers[2 * index : 2 * index + 2]
        before = hidden
        attended = layer.attended(hidden, bias)
        if layer.shape.heads:
            _add_attention_energies(layer, hidden, attended, tokens, total)
            readers[0] += _energy(layer.attention_input(hidden) * tokens, matrix(layer.query_key_value))
        hidden = layer.with_attention(hidden, attended)
        activated = layer.activated(hidden)
        if layer.shape.neurons:
            # The activation-aware magnitude of Sun et al. 2023 (Wanda), taken over whole neurons.
            total.neurons.add_(_energy(activated * tokens, matrix(layer.down)))
            readers[1] += _energy(layer.feed_forward_input(hidden) * tokens, matrix(layer.up))
        hidden = layer.with_feed_forward(hidden, activated)
        # Against the energy there was, because a stream that is never normalised grows from layer to layer.
        change = ((hidden - before).square().sum(dim=-1) / before.square().sum(dim=-1).clamp_min(LEAST_NORM))[..., None]
        total.layer.add_((change * tokens).sum())
    read = (encoder.closed(hidden) * tokens).square().flatten(0, -2).sum(dim=0)
    scores.readers[-1] += read * _head_columns(model.head, encoder.shape.width).to(read)


def _energy(inputs: Tensor, weights: Tensor) -> Tensor:
    """How much energy each input of a matrix (outputs, inputs) brings, alone, to its outputs."""
    return inputs.square().flatten(0, -2).sum(dim=0) * weights.square().sum(dim=0)


def _add_attention_energies(
    layer: TransformerLayer, hidden: Tensor, attended: Tensor, tokens: Tensor, total: LayerImportance
) -> None:
    heads = (layer.shape.heads, layer.shape.head_width)
    # A head's share of the attention output is A·Wᵀ; its energy, the trace of WᵀW·AᵀA, never needs the share itself.
    inputs = (attended * tokens).reshape(-1, *heads)
    weights = matrix(layer.attention_output).reshape(-1, *heads)
    products = torch.einsum("thc,thd->hcd", inputs, inputs) * torch.einsum("whc,whd->hcd", weights, weights)
    total.heads.add_(products.sum(dim=(1, 2)).clamp_min(0))
    total.value.add_(products.diagonal(dim1=1, dim2=2))
    # A channel's share of the attention scores is q·k; a softmax does not see what all keys have in common.
    queries, keys, _ = layer.queries_keys_values(hidden)
    there = tokens[..., None, :, :]
    keys = keys - (keys * there).sum(dim=-2, keepdim=True) / there.sum(dim=-2, keepdim=True)
    energies = [(each * there).square().sum(dim=-2) for each in (queries, keys)]
    total.query_key.add_((energies[0] * energies[1]).sum(dim=0))


def _head_columns(head: Head, width: int) -> Tensor:
    """The squared norms of the columns with which the head reads each dimension, (width,)."""
    shape = head.shape
    if not (shape.classes or shape.projected):
        return torch.ones(width)
    first = head.pooler if shape.inner else head.classifier if shape.classes else head.projection
    columns: Tensor = first.weight.square().sum(dim=0).view(-1, width).sum(dim=0)  # "first-two" reads each twice
    return columns
