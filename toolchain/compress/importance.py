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

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from edgewright.errors import BadDataError, ModelError, UnknownNameError
from edgewright.models.inputs import Inputs, batch_for, in_batches
from edgewright.models.model import Head, TransformerModel
from edgewright.models.transformer import TransformerLayer, TransformerShape, matrix

Kind = Literal["magnitude", "activation", "taylor", "fisher"]
BATCH_TOKENS = 4096
GRADIENT_BATCH_TOKENS = 2048  # a backward pass keeps every layer's activations
TINY = 1e-12


@dataclass(frozen=True, kw_only=True)
class LayerImportance:
    """One layer's scores: `heads` (heads,), `neurons` (neurons,), `query_key` and `value` (heads, head_width).

    `layer` is one number: what is lost when the layer passes its input on as it is. Only scores of one kind of part
    can be compared, and across layers only those of "taylor" and "fisher".
    """

    heads: Tensor
    neurons: Tensor
    query_key: Tensor
    value: Tensor
    layer: Tensor


@dataclass(frozen=True, kw_only=True)
class Importance:
    """A model's scores, layer by layer, and those of the residual stream's dimensions, (width,)."""

    kind: Kind
    layers: tuple[LayerImportance, ...]
    width: Tensor

    def save(self, path: Path) -> None:
        """Write as one safetensors file."""
        tensors = {"width": self.width}
        for index, layer in enumerate(self.layers):
            tensors.update({f"layers.{index}.{name}": scores for name, scores in vars(layer).items()})
        save_file({name: scores.contiguous() for name, scores in tensors.items()}, path, metadata={"kind": self.kind})

    @classmethod
    def load(cls, path: Path) -> Importance:
        """Read what `save` wrote."""
        with safe_open(path, framework="pt") as file:
            kind = file.metadata()["kind"]
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - the file is no mapping
        width = tensors.pop("width")
        layers: list[dict[str, Tensor]] = [{} for _ in range(len(tensors) // len(LayerImportance.__annotations__))]
        for place, scores in tensors.items():
            _, index, name = place.split(".")
            layers[int(index)][name] = scores
        return cls(kind=kind, layers=tuple(LayerImportance(**each) for each in layers), width=width)


def importance(
    model: TransformerModel,
    inputs: Inputs,
    *,
    kind: Kind,
    probes: int = 1,
    seed: int = 0,
    told: Callable[[int, int], None] | None = None,
) -> Importance:
    """Score every part of `model` in one pass over `inputs`; `told` hears (examples done, examples).

    `probes` is how many random projections "taylor" and "fisher" take of each example's outputs. The model, its
    gradients and modes and the global random state stay as they were. Raises `UnknownNameError` for another kind,
    `BadDataError` without examples and `ModelError` when a score is not finite.
    """
    if kind not in get_args(Kind):
        raise UnknownNameError("kind of importance", kind, get_args(Kind))
    if not len(inputs) and kind != "magnitude":
        raise BadDataError(f"there is no example to measure {kind} importance on; give at least one, better hundreds")
    by_gradient = kind in ("taylor", "fisher")
    with _in_evaluation_mode(model), torch.inference_mode(False), torch.set_grad_enabled(by_gradient):
        scores = _Scores(model)
        if kind == "magnitude":
            _add_magnitudes(model, scores)
        elif kind == "activation":
            for _, batch in _over_batches(model, inputs, BATCH_TOKENS, told):
                _add_energies(model, batch, scores)
        else:
            measure = torch.abs if kind == "taylor" else torch.square
            for indexes, batch in _over_batches(model, inputs, GRADIENT_BATCH_TOKENS, told):
                first = [(seed * probes + probe) * len(inputs) for probe in range(probes)]
                seeds = [[start + index for index in indexes] for start in first]
                _add_gradients(model, batch, seeds, measure, scores)
        return scores.finished(kind)


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


class _Scores:
    """Totals as they grow, on the model's device."""

    def __init__(self, model: TransformerModel) -> None:
        shape = model.encoder.shape
        device = next(model.parameters()).device
        self.layers = [
            LayerImportance(
                heads=torch.zeros(layer.heads, device=device),
                neurons=torch.zeros(layer.neurons, device=device),
                query_key=torch.zeros(layer.heads, layer.head_width, device=device),
                value=torch.zeros(layer.heads, layer.head_width, device=device),
                layer=torch.zeros((), device=device),
            )
            for layer in shape.layers
        ]
        # One row for each matrix that reads the residual stream: two a layer, and the head's.
        self.readers = torch.zeros(2 * len(shape.layers) + 1, shape.width, device=device)
        self.width = torch.zeros(shape.width, device=device)

    def finished(self, kind: Kind) -> Importance:
        """The scores, on the CPU. Raises `ModelError` when one is not finite."""
        for index, layer in enumerate(self.layers):
            for name, scores in vars(layer).items():
                _require_finite(scores, f"{kind} importance of layer {index}'s {name}")
        # Readers count alike: the scale of what a matrix reads says nothing of how much it matters.
        width = self.width + (self.readers / self.readers.sum(dim=1, keepdim=True).clamp_min(TINY)).sum(dim=0)
        _require_finite(width, f"{kind} importance of the width")
        layers = (LayerImportance(**{name: each.cpu() for name, each in vars(layer).items()}) for layer in self.layers)
        return Importance(kind=kind, layers=tuple(layers), width=width.cpu())


def _require_finite(scores: Tensor, what: str) -> None:
    if not bool(scores.isfinite().all()):
        raise ModelError(f"the {what} is not finite; check the model's weights for numbers that are not")


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
    model: TransformerModel, inputs: Inputs, tokens: int, told: Callable[[int, int], None] | None
) -> Iterator[tuple[list[int], tuple[Tensor, ...]]]:
    """(indexes, batch on the model's device) until all examples have been."""
    done = 0
    for indexes in in_batches(model.encoder, inputs, tokens):
        yield indexes, batch_for(model, inputs, indexes)
        done += len(indexes)
        if told:
            told(done, len(inputs))


def _add_magnitudes(model: TransformerModel, scores: _Scores) -> None:
    """Set every score to a norm; embeddings do not count for the width, or a large vocabulary would decide it."""
    squares = _head_columns(model.head, model.encoder.shape.width).to(scores.width)
    for layer, total in zip(model.encoder.layers, scores.layers, strict=True):
        assert isinstance(layer, TransformerLayer)
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


def _add_energies(model: TransformerModel, batch: tuple[Tensor, ...], scores: _Scores) -> None:
    """One batch of the "activation" kind."""
    encoder = model.encoder
    bias, hidden, mask = encoder.bias(*batch), encoder.embedded(*batch), encoder.mask(*batch)
    tokens = torch.ones_like(hidden[..., :1]) if mask is None else mask[..., None]
    for index, (layer, total) in enumerate(zip(encoder.layers, scores.layers, strict=True)):
        assert isinstance(layer, TransformerLayer)
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
        change = ((hidden - before).square().sum(dim=-1) / before.square().sum(dim=-1).clamp_min(TINY))[..., None]
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


@dataclass(frozen=True, kw_only=True)
class _LayerGates:
    """One layer's gates: one an example and structure; a head's is the product over its channels of `attended`."""

    attended: Tensor
    queries: Tensor
    neurons: Tensor
    layer: Tensor


def _add_gradients(
    model: TransformerModel,
    batch: tuple[Tensor, ...],
    seeds: Sequence[Sequence[int]],
    measure: Callable[[Tensor], Tensor],
    scores: _Scores,
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
        found = iter(torch.autograd.grad(loss, leaves, retain_graph=own is not seeds[-1], materialize_grads=True))
        scores.width += measure(next(found)).sum(dim=0)
        for total in scores.layers:
            attended, queries, neurons, layer = (next(found) for _ in vars(gates[0]))
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

    def narrowed(module: nn.Module, args: Any, output: Tensor) -> Tensor:
        return output * width[:, None]

    def narrowed_input(module: nn.Module, args: Any) -> Any:
        return (args[0] * width[:, None], *args[1:])

    handles = []
    try:
        for layer, own in zip(encoder.layers, gates, strict=True):
            assert isinstance(layer, TransformerLayer)
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


def _input_times(gate: Tensor) -> Callable[[nn.Module, Any], Any]:
    return lambda module, args: (args[0] * gate.flatten(1)[:, None],)


def _queries_times(gate: Tensor) -> Callable[[nn.Module, Any, Tensor], Tensor]:
    """Keys need no gates of their own: a channel of the scores is the product of a query's and a key's."""
    open_gates = torch.ones_like(gate).flatten(1)
    whole = torch.cat([gate.flatten(1), open_gates, open_gates], dim=1)[:, None]
    return lambda module, args, output: output * whole


def _change_times(gate: Tensor) -> Callable[[nn.Module, Any, Tensor], Tensor]:
    """A closed gate passes the layer's input on as it is."""
    return lambda module, args, output: args[0] + gate[:, None, None] * (output - args[0])
