"""Choose the width of the residual stream together with what each layer keeps, within one budget.

In:  a float transformer, its `Importance`, examples without labels, the widths to try and what parts cost at each.
Out: `Shrunk`: the cut and refitted model whose outputs are nearest to the whole one's.
At a tenth of the cost, heads and neurons alone no longer suffice: what a wide stream costs around them is most of it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch

from edgewright.compress.cost_limits import CostLimit, MacCosts
from edgewright.compress.importance import importance
from edgewright.compress.importance_scores import Importance
from edgewright.compress.levels import levels
from edgewright.compress.prune import prune
from edgewright.compress.reconstruct import reconstructed
from edgewright.compress.search import Choice, choose
from edgewright.compress.unit_counts import PruneSizes
from edgewright.errors import InputError
from edgewright.models.inputs import Inputs, in_batches
from edgewright.models.macs import sizes
from edgewright.models.model import TransformerModel

JUDGED_TOKENS = 4096  # of a batch that both models are run on


@dataclass(frozen=True, kw_only=True)
class Shrunk:
    """The student before training; `width` are the dimensions it kept, None for all; `error` is `output_error`'s."""

    model: TransformerModel
    choice: Choice
    width: tuple[int, ...] | None
    error: float


def shrink(
    model: TransformerModel,
    importance: Importance,
    inputs: Inputs,
    limit: Callable[[int], CostLimit],
    *,
    widths: Sequence[int],
    multiple: int = 1,
) -> Shrunk:
    """Of all `widths`, the student nearest to `model` on `inputs`; `limit(width)` is what its layers may cost.

    For each width: the most important dimensions stay and what is left is refitted, the layers' heads and neurons are
    chosen by dynamic programming, and the cut model is refitted to the whole one. A width at which even the least of
    all layers is too dear is passed over; raises the `InputError` of the last one when all are.
    """
    best: Shrunk | None = None
    refused: InputError | None = None
    for width in widths:
        narrow = prune(model, importance, PruneSizes(width=width, multiple=multiple))
        try:
            settled = reconstructed(narrow.model, model, narrow.cuts, inputs, width=narrow.width)
            choice = choose(levels(settled, inputs, multiple=multiple), limit(settled.encoder.shape.width))
        except InputError as too_dear:
            refused = too_dear
            continue
        sliced = TransformerModel(settled.encoder.sliced(choice.cuts), copy.deepcopy(settled.head)).eval()
        student = reconstructed(sliced, model, choice.cuts, inputs, width=narrow.width)
        error = output_error(student, model, inputs)
        if best is None or error < best.error:
            best = Shrunk(model=student, choice=choice, width=narrow.width, error=error)
    if best is None:
        raise refused or InputError("there is no width to try; name at least one")
    return best


def to_share(model: TransformerModel, inputs: Inputs, share: float, *, multiple: int = 1) -> Shrunk:
    """The student with at most this share of `model`'s multiply-accumulates for one example.

    Every width down to a quarter is tried; what is important is measured by activations. Examples are all of one size.
    """
    shape = model.encoder.shape
    length = model.encoder.tokens_each * inputs.sizes[0]
    total_macs = sizes(model, inputs.batch([0])).macs
    costs = MacCosts(width=shape.width, head_width=shape.layers[0].head_width, length=length, fixed=0.0)
    fixed = total_macs - sum(costs.attention(layer.heads) + costs.feed_forward(layer.neurons) for layer in shape.layers)

    def limit(width: int) -> CostLimit:
        # What comes before and after the layers is as wide as the stream.
        narrowed = replace(costs, width=width, fixed=fixed * width / shape.width)
        return CostLimit(costs=narrowed, budget=share * total_macs, name="MACs")

    scores = importance(model, inputs, kind="activation")
    widths = range(shape.width, shape.width // 4, -multiple)
    return shrink(model, scores, inputs, limit, widths=widths, multiple=multiple)


@torch.no_grad()
def output_error(student: TransformerModel, teacher: TransformerModel, inputs: Inputs) -> float:
    """The mean squared error of the student's outputs, as a share of the variance of the teacher's."""
    outputs, wanted = [], []
    for indexes in in_batches(teacher.encoder, inputs, JUDGED_TOKENS):
        batch = inputs.batch(indexes)
        outputs.append(student(*batch).float().flatten(0, -2))
        wanted.append(teacher(*batch).float().flatten(0, -2))
    ours, theirs = torch.cat(outputs), torch.cat(wanted)
    return float((ours - theirs).square().mean() / theirs.var(dim=0).mean())
