"""What an answer rests on: how much each word of a text, or each place of an image, says for it.

In:  a model of texts or images, one example, and what is asked of its outputs.
Out: a number for each word, or for each place: above 0 it speaks for the answer, below 0 against it.
By integrated gradients (Sundararajan et al. 2017, "Axiomatic Attribution for Deep Networks"), through captum. They add
up to what the answer gains over an empty text, whose words are all padding, or over an image of one mean colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from edgewright.modality.tokenizer import TextTokenizer
from edgewright.models.capabilities import TOKEN_TABLE
from edgewright.models.families import required
from edgewright.models.inputs import ImageInputs, TextInputs
from edgewright.tasks.scores import Asked, Score

EXPLAINING_PACKAGES = ("captum",)
STEPS = 64  # of the integral; half of them leave errors that can be seen
AT_ONCE = 16  # steps in one batch
LARGEST_SIDE = 32  # places in a row that are reported; finer ones no page shows


def asked_of(score: Score, outputs: Tensor, index: int) -> Asked:
    """How well a model answers one of a score's examples, given its outputs for all of them."""
    return score.asked(outputs, index)


@dataclass(frozen=True, kw_only=True)
class RestsOn:
    """What one answer rests on: the words of a text, or an image in rows of grey from 0 to 1, and a number for each."""

    shown: Sequence[str] | Sequence[Sequence[float]]
    says: Sequence[float] | Sequence[Sequence[float]]


def of_words(model: nn.Module, tokenizer: TextTokenizer, inputs: TextInputs, index: int, asked: Asked) -> RestsOn:
    """The words of one of the texts; a tokenizer's special tokens are left out."""
    from captum.attr import LayerIntegratedGradients

    tokens = required(model, TOKEN_TABLE, setting="task.kind").table(model)
    row, special = inputs.rows[index], tokenizer.special_ids
    ids, mask = inputs.batch([index])
    empty = torch.tensor([[each if each in special else 0 for each in row.ids]])
    method = LayerIntegratedGradients(lambda *batch: asked(model(*batch)), tokens)
    attributions = method.attribute(
        ids, baselines=empty, additional_forward_args=(mask,), n_steps=STEPS, internal_batch_size=AT_ONCE
    )
    values = attributions.detach()[0].sum(dim=-1).tolist()
    words: dict[int, list[int]] = {}
    for place, (piece, word) in enumerate(zip(row.ids, row.words, strict=True)):
        if piece not in special:
            words.setdefault(word, []).append(place)
    return RestsOn(
        shown=[tokenizer.decode([row.ids[place] for place in places]) for places in words.values()],
        says=[sum(values[place] for place in places) for places in words.values()],
    )


def of_places(model: nn.Module, inputs: ImageInputs, index: int, asked: Asked) -> RestsOn:
    """The places of one of the images; of a large one several make one, which has their sum."""
    from captum.attr import IntegratedGradients

    (image,) = inputs.batch([index])
    method = IntegratedGradients(lambda pixels: asked(model(pixels)))
    attributions = method.attribute(
        image, baselines=torch.zeros_like(image), n_steps=STEPS, internal_batch_size=AT_ONCE
    )
    says = attributions.detach().float().sum(dim=1)
    height, width = (min(size, LARGEST_SIDE) for size in says.shape[1:])
    grey = inputs.pixels[index].float().mean(dim=-1)[None]
    if inputs.pixels.dtype == torch.uint8:
        grey = grey / 255
    together = says[0].numel() / (height * width)
    return RestsOn(
        shown=adaptive_avg_pool2d(grey, (height, width))[0].tolist(),
        says=(together * adaptive_avg_pool2d(says, (height, width))[0]).tolist(),
    )


def side_by_side(teacher: RestsOn, student: RestsOn) -> dict[str, object]:
    """As it stands in a manifest; of words those both read: a text may be cut sooner for the one with more pieces."""
    count = min(len(teacher.says), len(student.says))
    return {
        "shown": list(teacher.shown[:count]),
        "teacher": list(teacher.says[:count]),
        "student": list(student.says[:count]),
    }
