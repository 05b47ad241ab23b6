"""Decoders as `Sliceable`: layers as `layer_choice` leaves them out, query groups, neurons and width by their energy.

In:  a decoder, examples, and a `Goal` whose settings name sizes.
Out: a `Cut`. A query group goes with its key/value head, so that a cache becomes smaller with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor

from edgewright.compress.cut_plan import GroupPlan, decoder_cut_plan, largest, require_of_decoders
from edgewright.compress.cutting import Cut, Goal
from edgewright.compress.layer_choice import layers_that_stay
from edgewright.compress.refit_decoders import refitted
from edgewright.errors import BadDataError
from edgewright.models.decoder import DecoderModel
from edgewright.models.decoder_layer import DecoderLayer
from edgewright.models.inputs import Inputs, batch_for
from edgewright.models.linear_maps import matrix
from edgewright.models.text import batches
from edgewright.models.transformer_shape import LayerCut

BATCH_TOKENS = 2048


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
        teacher_layers = _layers_of_teacher(model, goal)
        require_of_decoders(goal.settings, model.shape, teacher_layers=teacher_layers)
        if not len(sample):
            raise BadDataError("there is no text to cut a decoder by; give at least one, better hundreds")
        plan = decoder_cut_plan(
            model.shape,
            goal.settings,
            multiple=goal.multiple,
            step=goal.step,
            teacher_layers=teacher_layers,
            ranked=lambda count: layers_that_stay(model, sample, count),
        )
        energies = energies_of(model, sample)
        cuts = [_layer_cut(each, energies) for each in plan.layers]
        width = largest(energies.width, plan.width) if plan.width < model.shape.width else None
        made = model.sliced(cuts, width=width).eval()
        return Cut(
            model=made,
            refitted=lambda: refitted(made, model, cuts, sample, width=width),
            layers=tuple(_with_query_heads(each, model.shape.queries) for each in cuts),
        )


OF_DECODERS = _OfDecoders()


def _layers_of_teacher(model: DecoderModel, goal: Goal) -> int:
    """How many layers there were before the first step of a gradual cut: those that a recipe names are among them."""
    if goal.teacher is None or goal.step == 0:
        return len(model.shape.layers)
    return len(cast(DecoderModel, goal.teacher()).shape.layers)


def _with_query_heads(cut: LayerCut, queries: int) -> LayerCut:
    """What a layer kept, in the heads that ask: each group has so many."""
    heads = tuple(group * queries + place for group in cut.heads for place in range(queries))
    return replace(cut, heads=heads)


def _layer_cut(plan: GroupPlan, energies: _Energies) -> LayerCut:
    return LayerCut(
        layer=plan.layer,
        heads=largest(energies.groups[plan.layer], plan.groups),
        neurons=largest(energies.neurons[plan.layer], plan.neurons),
    )


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
