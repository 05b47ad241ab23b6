"""Least squares in place of training, for decoders: what writes to the residual stream makes up for what was cut.

In:  a decoder, what was cut out of it, and texts without labels.
Out: the cut decoder, whose output and down projections are refitted so that its stream follows the teacher's.
What can go is `cut_decoders`' concern; winning back the rest is `distill`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from edgewright.compress.least_squares import refit
from edgewright.compress.streams import BATCH_TOKENS, SAMPLE_TOKENS, Batch, shared_out
from edgewright.models.decoder import DecoderModel, places_of
from edgewright.models.decoder_layer import DecoderLayer, Sight
from edgewright.models.inputs import Inputs, batch_for
from edgewright.models.text import batches
from edgewright.models.transformer_shape import LayerCut

WRITERS = ("attention_output", "down")


@dataclass(kw_only=True)
class _Batch(Batch):
    """One batch's streams, and what layers are told of its texts."""

    sight: Sight


@torch.no_grad()
def refitted(
    student: DecoderModel,
    teacher: DecoderModel,
    cuts: Sequence[LayerCut],
    inputs: Inputs,
    *,
    width: Sequence[int] | None = None,
    tokens: int = SAMPLE_TOKENS,
) -> DecoderModel:
    """A copy of `student`, which is `teacher` cut by `cuts` (and `width`), refitted layer by layer.

    Each matrix that writes to the residual stream is the least-squares solution for the teacher's stream, given what
    the student, corrected so far, feeds it; it gets a bias where it has none. A layer that was dropped is part of what
    the layer before it aims at. A tenth of the texts is held out: it chooses the ridge, and where no fit betters the
    old weights there, they stay.
    """
    corrected = student.with_biases(WRITERS).eval()
    kept = None if width is None else torch.as_tensor(list(width), device=teacher.tokens.weight.device)
    streams = list(_sampled(corrected, teacher, inputs, tokens))
    at = 0
    for index, cut in enumerate(cuts):
        end = cuts[index + 1].layer if index + 1 < len(cuts) else len(teacher.layers)
        for batch in streams:
            for skipped in range(at, cut.layer):  # only before the first layer that is kept
                batch.teacher = teacher.layer(skipped)(batch.teacher, batch.sight)
        _refit_layer(corrected.layer(index), [teacher.layer(each) for each in range(cut.layer, end)], kept, streams)
        at = end
    return corrected


def _sampled(student: DecoderModel, teacher: DecoderModel, inputs: Inputs, tokens: int) -> Iterator[_Batch]:
    chosen, held_out = shared_out(inputs.sizes, tokens)
    for group in batches([inputs.sizes[index] for index in chosen], BATCH_TOKENS):
        indexes = [chosen[place] for place in group]
        ids, mask = batch_for(student, inputs, indexes)
        places = places_of(ids, mask)
        held = torch.tensor([index in held_out for index in indexes], device=ids.device)[:, None]
        stream = teacher.embedded(ids, places)
        yield _Batch(
            fit=(mask > 0) & ~held,
            held=(mask > 0) & held,
            bias=None,
            student=student.embedded(ids, places),
            teacher=stream,
            target=stream,
            sight=teacher.sight_of(ids, mask),
        )


def _refit_layer(
    layer: DecoderLayer, absorbed: Sequence[DecoderLayer], kept: Tensor | None, streams: Sequence[_Batch]
) -> None:
    """Refit one layer of the student, and leave both streams after it."""
    original = absorbed[0]
    for batch in streams:
        batch.teacher = original.with_attention(batch.teacher, original.attended(batch.teacher, batch.sight))
        batch.target = _at(batch.teacher, kept)
    _refit(layer.attention_output, streams, lambda batch: layer.attended(batch.student, batch.sight))
    for batch in streams:
        batch.student = layer.with_attention(batch.student, layer.attended(batch.student, batch.sight))
        batch.teacher = original.with_feed_forward(batch.teacher)
        for other in absorbed[1:]:
            batch.teacher = other(batch.teacher, batch.sight)
        batch.target = _at(batch.teacher, kept)
    _refit(layer.down, streams, lambda batch: layer.activated(batch.student))
    for batch in streams:
        batch.student = layer.with_feed_forward(batch.student)


def _refit(part: nn.Module | None, streams: Sequence[_Batch], read_of: Callable[[_Batch], Tensor | None]) -> None:
    assert part is not None, "every writer has a bias"

    def read(batch: _Batch) -> Tensor:
        found = read_of(batch)
        return batch.student if found is None else found

    refit(part, streams, read, lambda batch: batch.target - batch.student)


def _at(values: Tensor, kept: Tensor | None) -> Tensor:
    """The dimensions of the stream that the student has."""
    return values if kept is None else values[..., kept]
