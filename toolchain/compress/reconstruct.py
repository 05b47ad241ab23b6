"""Least squares in place of training: how what stays of a transformer makes up for what went.

In:  a float transformer, what was cut out of it, and examples without labels.
Out: the cut model, whose matrices are refitted so that its residual stream follows the teacher's.
What can go at which error is `levels`' concern; winning back the rest is `distill`'s.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from edgewright.compress.least_squares import refit, refit_norm
from edgewright.compress.streams import SAMPLE_TOKENS, Batch, sampled
from edgewright.errors import InputError
from edgewright.models.inputs import Inputs
from edgewright.models.linear_maps import copy_norm
from edgewright.models.model import TransformerModel
from edgewright.models.transformer_layer import TransformerLayer
from edgewright.models.transformer_shape import LayerCut


@torch.no_grad()
def reconstructed(
    student: TransformerModel,
    teacher: TransformerModel,
    cuts: Sequence[LayerCut],
    inputs: Inputs,
    *,
    width: Sequence[int] | None = None,
    tokens: int = SAMPLE_TOKENS,
) -> TransformerModel:
    """A copy of `student`, which is `teacher` cut by `cuts` (and `width`), refitted layer by layer.

    Each matrix that writes to the residual stream is the least-squares solution for the teacher's stream, given what
    the student, corrected so far, feeds it. A layer that was dropped is part of what the layer before it aims at:
    where norms follow sums, that layer takes the norm of the last one dropped. Where the stream itself was narrowed,
    what reads it is refitted too, to what the teacher's own matrices say. A tenth of the examples is held out: it
    chooses the ridge, and where no fit betters the old weights there, they stay.

    Memory: three streams of `tokens` × width float32 are held, and the normal equations of one matrix.
    Raises `InputError` when `cuts` are not in the teacher's order.
    """
    for earlier, later in itertools.pairwise(cuts):
        if later.layer <= earlier.layer:
            raise InputError(
                f"the cuts name layer {later.layer} after layer {earlier.layer}; reconstruction follows the teacher's "
                "layers, so name each once and in its order"
            )
    corrected = copy.deepcopy(student).eval()
    ours, theirs = corrected.encoder, teacher.encoder
    batches = list(sampled(corrected, inputs, tokens, teacher))
    kept = None if width is None else torch.as_tensor(list(width), device=batches[0].student.device)
    at = 0
    for index, cut in enumerate(cuts):
        end = cuts[index + 1].layer if index + 1 < len(cuts) else len(theirs.layers)
        for batch in batches:
            for skipped in range(at, cut.layer):  # only before the first layer that is kept
                batch.teacher = theirs.layer(skipped)(batch.teacher, batch.bias)
        absorbed = [theirs.layer(each) for each in range(cut.layer, end)]
        if not ours.shape.norm_first:
            copy_norm(absorbed[-1].feed_forward_norm, ours.layer(index).feed_forward_norm, kept)
        _refit_layer(ours.layer(index), absorbed, cut, kept, batches)
        at = end
    _refit_head(corrected, teacher, batches)
    return corrected


def _refit_layer(
    layer: TransformerLayer,
    absorbed: Sequence[TransformerLayer],
    cut: LayerCut,
    kept: Tensor | None,
    batches: Sequence[Batch],
) -> None:
    """Refit one layer of the student, and leave both streams after it."""
    _refit_attention(layer, absorbed[0], cut, kept, batches)
    _refit_feed_forward(layer, absorbed, cut, kept, batches)


def _refit_attention(
    layer: TransformerLayer, original: TransformerLayer, cut: LayerCut, kept: Tensor | None, batches: Sequence[Batch]
) -> None:
    """Refit a layer's attention, and leave both streams after it."""
    if kept is not None and layer.shape.heads:
        _refit_queries_keys_values(layer, original, cut, kept, batches)
    for batch in batches:
        attended = original.attended(batch.teacher, batch.bias)
        batch.target = _at(batch.teacher + original.attention_output(attended), kept)
        batch.teacher = original.with_attention(batch.teacher, attended)
    refit(layer.attention_output, batches, lambda b: layer.attended(b.student, b.bias), lambda b: b.target - b.student)
    for batch in batches:
        batch.student = batch.student + layer.attention_output(layer.attended(batch.student, batch.bias))
    if not layer.norm_first:
        _close(layer.attention_norm, kept, batches)


def _refit_queries_keys_values(
    layer: TransformerLayer, original: TransformerLayer, cut: LayerCut, kept: Tensor, batches: Sequence[Batch]
) -> None:
    """What reads a narrower stream, to what the teacher's own matrix says."""
    if layer.norm_first and layer.shape.normed:
        refit_norm(
            layer.attention_norm, batches, lambda b: b.student, lambda b: original.attention_norm(b.teacher)[..., kept]
        )
    rows, scales = _projected(original, layer, cut)
    refit(
        layer.query_key_value,
        batches,
        lambda b: layer.attention_input(b.student),
        lambda b: original.query_key_value(original.attention_input(b.teacher))[..., rows] * scales,
    )


def _refit_feed_forward(
    layer: TransformerLayer,
    absorbed: Sequence[TransformerLayer],
    cut: LayerCut,
    kept: Tensor | None,
    batches: Sequence[Batch],
) -> None:
    """Refit a layer's feed-forward block, also for the layers dropped behind it; leave both streams after it."""
    if kept is not None and layer.shape.neurons:
        _refit_up(layer, absorbed[0], cut, kept, batches)
    for batch in batches:
        hidden = batch.teacher
        for number, each in enumerate(absorbed):
            if number:
                hidden = each.with_attention(hidden, each.attended(hidden, batch.bias))
            activated = each.activated(hidden)
            batch.target = _at(hidden + each.down(activated), kept)
            hidden = each.with_feed_forward(hidden, activated)
        batch.teacher = hidden
    refit(layer.down, batches, lambda b: layer.activated(b.student), lambda b: b.target - b.student)
    for batch in batches:
        batch.student = batch.student + layer.down(layer.activated(batch.student))
    if not layer.norm_first:
        _close(layer.feed_forward_norm, kept, batches)


def _refit_up(
    layer: TransformerLayer, original: TransformerLayer, cut: LayerCut, kept: Tensor, batches: Sequence[Batch]
) -> None:
    if layer.norm_first:
        refit_norm(
            layer.feed_forward_norm,
            batches,
            lambda b: b.student,
            lambda b: original.feed_forward_norm(b.teacher)[..., kept],
        )
    neurons = torch.as_tensor(cut.neurons, device=kept.device)
    refit(
        layer.up,
        batches,
        lambda b: layer.feed_forward_input(b.student),
        lambda b: original.up(original.feed_forward_input(b.teacher))[..., original.up_rows(neurons)],
    )


def _close(norm: nn.Module, kept: Tensor | None, batches: Sequence[Batch]) -> None:
    """Pass the student's stream through the norm that follows a sum, refitted where the stream is narrower."""
    if kept is not None:
        refit_norm(norm, batches, lambda b: b.student, lambda b: b.teacher[..., kept])
    for batch in batches:
        batch.student = norm(batch.student)


def _refit_head(student: TransformerModel, teacher: TransformerModel, batches: Sequence[Batch]) -> None:
    """The head's first matrix, to what the teacher's says; an embedding that has none needs none."""
    ours, theirs = student.head, teacher.head
    name = "pooler" if ours.shape.inner else "classifier" if ours.shape.classes else "projection"
    if not (ours.shape.classes or ours.shape.projected):
        return
    each_token = ours.shape.pooling == "each"
    closed = []
    for batch in batches:
        mask = (batch.fit | batch.held).to(batch.student.dtype)
        hidden = ours.pooled(student.encoder.closed(batch.student), mask)
        pooled = theirs.pooled(teacher.encoder.closed(batch.teacher), mask)
        first = getattr(theirs, name, None)
        target = pooled if first is None else first(pooled)
        fit, judged = (batch.fit, batch.held) if each_token else (batch.fit[:, 0], batch.held[:, 0])
        closed.append(Batch(fit=fit, held=judged, bias=None, student=hidden, teacher=target, target=target))
    refit(getattr(ours, name), closed, lambda b: b.student, lambda b: b.target)


def _at(values: Tensor, kept: Tensor | None) -> Tensor:
    """The dimensions of the stream that the student has."""
    return values if kept is None else values[..., kept]


def _projected(original: TransformerLayer, layer: TransformerLayer, cut: LayerCut) -> tuple[Tensor, Tensor]:
    """Which of the teacher's queries, keys and values the student has, and by what each is multiplied there."""
    width, device = original.shape.head_width, next(original.parameters()).device
    inner = original.shape.heads * width
    everything = tuple(tuple(range(width)) for _ in cut.heads)
    places = [
        [head * width + channel for head, own in zip(cut.heads, channels or everything, strict=True) for channel in own]
        for channels in (cut.query_key, cut.value)
    ]
    query_key, value = (torch.as_tensor(each, device=device) for each in places)
    rows = torch.cat([query_key, query_key + inner, value + 2 * inner])
    scales = torch.ones(len(rows), device=device)
    scales[: len(query_key)] = (layer.shape.head_width / width) ** 0.5
    return rows, scales
