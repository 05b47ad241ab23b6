"""Remove layers, attention heads, their channels, neurons and residual dimensions, so that tensors become smaller.

In:  a float model of any transformer family, its `Importance`, and `PruneSizes`: how much of it is to stay.
Out: `Pruned`: a smaller float model of the same family, and what each of its layers kept.
How many of each kind stay is planned by `cut_plan`; what matters is `importance`'s decision; winning accuracy back is
`distill`'s concern; number formats are `quantize`'s.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass

import torch

from edgewright.compress.cut_plan import LayerPlan, cut_plan, largest
from edgewright.compress.importance_scores import Importance, LayerImportance
from edgewright.compress.unit_counts import PruneSizes
from edgewright.errors import InputError
from edgewright.models.model import TransformerModel
from edgewright.models.transformer_shape import LayerCut, LayerShape, TransformerShape


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """The student before training, in evaluation mode; `width` are the residual dimensions it kept, None for all."""

    model: TransformerModel
    cuts: tuple[LayerCut, ...]
    width: tuple[int, ...] | None


def prune(model: TransformerModel, importance: Importance, settings: PruneSizes) -> Pruned:
    """A new model that keeps what `settings` ask for, of each kind the most important; `model` stays as it is.

    Raises `InputError`, naming the recipe's setting, when more is asked for than there is, and when the importance is
    of a model of another shape.
    """
    shape = model.encoder.shape
    _check_importance(shape, importance)
    plan = cut_plan(shape, settings, importance)
    cuts = tuple(_cut(each, shape.layers[each.layer], importance.layers[each.layer]) for each in plan.layers)
    width = largest(importance.width, plan.width) if plan.width < shape.width else None
    with torch.random.fork_rng(devices=[]):  # a new module draws weights, only to be filled with others
        encoder = model.encoder.sliced(cuts, width=width)
        head = deepcopy(model.head) if width is None else model.head.sliced(width, shape.width)
    return Pruned(model=TransformerModel(encoder, head).eval(), cuts=cuts, width=width)


def _check_importance(shape: TransformerShape, importance: Importance) -> None:
    sizes = [(layer.heads, layer.head_width, layer.neurons) for layer in shape.layers]
    scored = [(*layer.value.shape, len(layer.neurons)) for layer in importance.layers]
    if sizes != scored or shape.width != len(importance.width):
        raise InputError(
            f"the importance is of a model with {len(scored)} layers of (heads, head width, neurons) {scored} and "
            f"width {len(importance.width)}, this model has {len(sizes)} of {sizes} and {shape.width}; measure it anew"
        )


def _cut(plan: LayerPlan, shape: LayerShape, scores: LayerImportance) -> LayerCut:
    """The most important of each kind, as many as planned."""
    kept = largest(scores.heads, plan.heads)
    narrower = kept and plan.head_width < shape.head_width
    return LayerCut(
        layer=plan.layer,
        heads=kept,
        neurons=largest(scores.neurons, plan.neurons),
        query_key=tuple(largest(scores.query_key[head], plan.head_width) for head in kept) if narrower else None,
        value=tuple(largest(scores.value[head], plan.head_width) for head in kept) if narrower else None,
    )
