"""Decoders as `Sliceable`: layers by what leaving them out costs, query groups, neurons and width by their energy.

In:  a decoder, examples, and a `Goal` whose settings name sizes.
Out: a `Cut`. A query group goes with its key/value head, so that a cache becomes smaller with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from edgewright.compress.cut_plan import largest
from edgewright.compress.cutting import Cut, Goal
from edgewright.compress.gradual_cut import between
from edgewright.compress.refit_decoders import refitted
from edgewright.compress.unit_counts import rounded
from edgewright.errors import BadDataError, InputError
from edgewright.models.decoder import DecoderModel
from edgewright.models.decoder_layer import DecoderLayer
from edgewright.models.decoder_shape import DecoderShape
from edgewright.models.inputs import Inputs, batch_for
from edgewright.models.linear_maps import matrix
from edgewright.models.text import batches
from edgewright.models.transformer_shape import LayerCut
from edgewright.specs.recipe import Prune

BATCH_TOKENS = 2048
JUDGED_TOKENS = 8192  # on which each layer is left out in turn


@dataclass(frozen=True, kw_only=True)
class _Energies:
    """What each group and neuron adds to the stream, layer by layer, and what is read of each of its dimensions."""

    groups: tuple[Tensor, ...]
    neurons: tuple[Tensor, ...]
    width: Tensor


@dataclass(frozen=True)
class _OfDecoders:
    units: Sequence[str] = ("layers", "heads", "neurons", "width")

    def cut(self, model: DecoderModel, sample: Inputs, goal: Goal) -> Cut:
        """Keep the sizes of the goal's settings. Raises `InputError` for sizes or ways that decoders have not."""
        settings, shape = goal.settings, model.shape
        _check(settings, shape)
        if not len(sample):
            raise BadDataError("there is no text to cut a decoder by; give at least one, better hundreds")
        end = (goal.step + 1) / settings.steps
        energies = energies_of(model, sample)
        layers = _layers(model, sample, settings, end)
        cuts = [_layer_cut(index, shape, energies, goal, end) for index in layers]
        width = None
        kept = rounded(between(shape.width, settings.width, end), shape.width, goal.multiple)
        if kept < shape.width:
            width = largest(energies.width, kept)
        made = model.sliced(cuts, width=width).eval()
        return Cut(
            model=made,
            refitted=lambda: refitted(made, model, cuts, sample, width=width),
            findings={"kept_layers": list(layers)},
        )


OF_DECODERS = _OfDecoders()


def _check(settings: Prune, shape: DecoderShape) -> None:
    if settings.keep_macs is not None:
        raise InputError("prune.keep_macs is not for decoders; name prune.layers, prune.heads, neurons or width")
    if settings.importance not in ("activation",):
        raise InputError(
            f'prune.importance = "{settings.importance}" is not for decoders, whose parts are ranked by "activation"'
        )
    if settings.ranking != "uniform":
        raise InputError('prune.ranking = "global" is not for decoders, whose layers keep equally much')
    if settings.heads is not None and settings.heads % shape.queries:
        raise InputError(
            f"stages.prune.heads is {settings.heads}, but {shape.queries} query heads of this model share a key/value "
            f"head and go together; choose a multiple of {shape.queries}"
        )
    for name, asked, has in (
        ("layers", settings.layers if isinstance(settings.layers, int) else None, len(shape.layers)),
        ("heads", settings.heads, shape.heads),
        ("neurons", settings.neurons, max((layer.neurons for layer in shape.layers), default=0)),
        ("width", settings.width, shape.width),
    ):
        if asked is not None and settings.steps == 1 and asked > has:
            raise InputError(f"stages.prune.{name} asks for {asked}, but the model has {has}; lower it")
    if isinstance(settings.layers, tuple) and settings.layers[-1] >= len(shape.layers):
        last = len(shape.layers) - 1
        raise InputError(
            f"stages.prune.layers names layer {settings.layers[-1]}, but the last one is {last}; "
            f"choose from 0 to {last}"
        )


def _layers(model: DecoderModel, sample: Inputs, settings: Prune, end: float) -> tuple[int, ...]:
    """Which layers stay: those that are named, or so many that cost most when they are left out."""
    count, asked = len(model.shape.layers), settings.layers
    if isinstance(asked, tuple):
        return asked
    kept = between(count, asked, end)
    if kept is None or kept >= count:
        return tuple(range(count))
    return largest(costs_of_layers(model, sample), kept)


def _layer_cut(index: int, shape: DecoderShape, energies: _Energies, goal: Goal, end: float) -> LayerCut:
    layer, settings = shape.layers[index], goal.settings
    heads = between(shape.heads, settings.heads, end)
    groups = layer.groups if heads is None else min(layer.groups, -(-heads // shape.queries))
    neurons = rounded(between(layer.neurons, settings.neurons, end), layer.neurons, goal.multiple)
    return LayerCut(
        layer=index,
        heads=largest(energies.groups[index], groups),
        neurons=largest(energies.neurons[index], neurons),
    )


@torch.inference_mode()
def costs_of_layers(model: DecoderModel, sample: Inputs) -> Tensor:
    """How far the scores of what follows go from the model's own when a layer is left out, (layers,), in nats a token.

    The mean divergence over at most `JUDGED_TOKENS` tokens.
    """
    costs, tokens = torch.zeros(len(model.layers), dtype=torch.float64), 0.0
    for indexes in batches(sample.sizes, BATCH_TOKENS):
        ids, mask = batch_for(model, sample, indexes)
        counted = mask.bool()
        sight, states = model.sight_of(ids, mask), model.hidden(ids, mask)
        wanted = _log_scores(model, states[-1])[counted]
        for left in range(len(model.layers)):
            hidden = states[left]
            for index in range(left + 1, len(model.layers)):
                hidden = model.layer(index)(hidden, sight)
            found = _log_scores(model, hidden)[counted]
            costs[left] += float(functional.kl_div(found, wanted, reduction="sum", log_target=True))
        tokens += float(mask.sum())
        if tokens >= JUDGED_TOKENS:
            break
    return costs / max(tokens, 1.0)


def _log_scores(model: DecoderModel, hidden: Tensor) -> Tensor:
    return model.logits(model.closed(hidden)).float().log_softmax(dim=-1)


@torch.inference_mode()
def energies_of(model: DecoderModel, sample: Inputs) -> _Energies:
    """One pass over the examples. A neuron's energy is that of Sun et al. 2023 (Wanda), taken over whole neurons."""
    shape = model.shape
    groups = tuple(torch.zeros(layer.groups) for layer in shape.layers)
    neurons = tuple(torch.zeros(layer.neurons) for layer in shape.layers)
    width = torch.zeros(shape.width)
    for indexes in batches(sample.sizes, BATCH_TOKENS):
        ids, mask = batch_for(model, sample, indexes)
        counted, sight, states = mask[..., None], model.sight_of(ids, mask), model.hidden(ids, mask)
        for index, hidden in enumerate(states[:-1]):
            layer = model.layer(index)
            attended = layer.attended(hidden, sight)
            if attended is not None:
                groups[index].add_(_of_groups(layer, attended * counted, shape.head_width).cpu())
                width += _energy(layer.attention_norm(hidden) * counted, matrix(layer.query_key_value)).cpu()
            hidden = layer.with_attention(hidden, attended)
            activated = layer.activated(hidden)
            if activated is not None and layer.down is not None:
                neurons[index].add_(_energy(activated * counted, matrix(layer.down)).cpu())
                width += _energy(layer.feed_forward_norm(hidden) * counted, matrix(layer.up)).cpu()
        width += (model.closed(states[-1]) * counted).square().flatten(0, -2).sum(dim=0).cpu()
    return _Energies(groups=groups, neurons=neurons, width=width)


def _of_groups(layer: DecoderLayer, attended: Tensor, head_width: int) -> Tensor:
    """The energy that each group's heads add to the stream together, (groups,)."""
    assert layer.attention_output is not None
    size = (layer.shape.groups, layer.queries * head_width)
    inputs, weights = attended.reshape(-1, *size), matrix(layer.attention_output).reshape(-1, *size)
    products = torch.einsum("tgc,tgd->gcd", inputs, inputs) * torch.einsum("wgc,wgd->gcd", weights, weights)
    return products.sum(dim=(1, 2)).clamp_min(0)


def _energy(inputs: Tensor, weights: Tensor) -> Tensor:
    """How much energy each input of a matrix (outputs, inputs) brings, alone, to its outputs."""
    return inputs.square().flatten(0, -2).sum(dim=0) * weights.square().sum(dim=0)
