"""Texts through a model: batches of like lengths, outputs of many texts, and the one text that is exported.

In:  token ids.
Out: what a model of texts says of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

from edgewright.modality.encoded import Encoded
from edgewright.models import families
from edgewright.models.compute_device import device_of

INFERENCE_BATCH_TOKENS = 4096
LEAST_WIDTH = 256  # of a decoder whose products are worth converting for


def batches(lengths: Sequence[int], tokens: int) -> list[list[int]]:
    """Indexes of texts in batches of like length, each at most `tokens` tokens with its padding."""
    grouped: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        if grouped and (len(grouped[-1]) + 1) * lengths[index] <= tokens:
            grouped[-1].append(index)
        else:
            grouped.append([index])
    return grouped


def padded(texts: Sequence[Encoded]) -> tuple[Tensor, Tensor]:
    """ids and mask, both (batch, longest): int64 padded with 0, and float32 of ones and zeros."""
    lengths = torch.tensor([len(text.ids) for text in texts])
    longest = int(lengths.max())
    filled = [[*text.ids, *[0] * (longest - len(text.ids))] for text in texts]
    ids = torch.tensor(filled, dtype=torch.long)
    mask = (torch.arange(longest) < lengths[:, None]).float()
    return ids, mask


def mask_of(ids: Tensor) -> Tensor:
    """ids (…, length) filled up with 0 → float32 of ones up to each text's last token, and zeros."""
    places = torch.arange(1, ids.shape[-1] + 1, device=ids.device).to(torch.float32)
    last = ((ids != 0).to(torch.float32) * places).amax(dim=-1, keepdim=True)
    return (places <= last).to(torch.float32)


def over_batches(
    texts: Sequence[Encoded], tokens: int = INFERENCE_BATCH_TOKENS
) -> Iterator[tuple[list[int], Tensor, Tensor]]:
    """(indexes, ids, mask) for all texts, batched by length."""
    for indexes in batches([len(text.ids) for text in texts], tokens):
        yield (indexes, *padded([texts[index] for index in indexes]))


def outputs(model: nn.Module, texts: Sequence[Encoded], *, on_progress: Callable[[int], None] | None = None) -> Tensor:
    """The model's output for each text in float32, (texts, outputs), in the order given and in main memory.

    Where each token has outputs of its own they are (all tokens, outputs), text after text. `on_progress` hears how
    many texts are done.
    """
    results: list[Tensor] = [torch.empty(0)] * len(texts)
    done, place, each = 0, device_of(model), False
    with torch.inference_mode():
        for indexes, ids, mask in over_batches(texts):
            rows = model(ids.to(place), mask.to(place)).cpu()
            each = rows.ndim == 3
            for index, row in zip(indexes, rows, strict=True):
                results[index] = row[: len(texts[index].ids)] if each else row
            done += len(indexes)
            if on_progress:
                on_progress(done)
    return torch.cat(results) if each else torch.stack(results)


def fast_arithmetic() -> torch.autocast:
    """bfloat16 products where the processor has a unit for whole tiles of them (AMX), float32 elsewhere.

    AVX-512's own bfloat16 instructions are no reason: on a machine with those alone a training step of 1,024 tokens
    took half as long again as in float32.
    """
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=torch.cpu._is_amx_tile_supported())


def wide_arithmetic(width: int) -> torch.autocast:
    """bfloat16 products in a decoder of this width, where the processor has units or instructions for them.

    AVX-512's own are a reason here: a decoder of width 576 was trained 1.6 times as fast as in float32 and run 1.9
    times as fast, in tokens a second of the processor's time. In narrow ones the conversions cost more than is won.
    """
    fast = torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=fast and width >= LEAST_WIDTH)


class WholeText(nn.Module):
    """A model that writes, run on a whole text at once: token ids (1, length) → (1, length, vocabulary)."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = families.to_run(model)

    def forward(self, ids: Tensor) -> Tensor:
        """Without a mask, as there is no padding."""
        output: Tensor = self.model(ids)
        return output


class TextModule(nn.Module):
    """What is exported: token ids of one text, (1, length), to its output, (1, outputs); or of several at once.

    With `padded`, ids of 0 behind the last other id are padding and change nothing; without, one text is given at its
    own length and no mask is computed at all. Of several, they always are. A 0 before it is a padding token that the
    text itself spells, and counts as any other. Of the last layer no more is computed than the head reads.
    """

    def __init__(self, model: nn.Module, *, padded: bool) -> None:
        super().__init__()
        self.model, self.padded = families.to_run(model), padded

    def forward(self, ids: Tensor) -> Tensor:
        """(texts, length) integers → (texts, outputs)."""
        if ids.shape[0] > 1:
            outputs: Tensor = self.model(ids, mask_of(ids))
            return outputs
        text = ids[0]  # without a batch fewer operators leave the delegate
        mask = mask_of(text) if self.padded else None
        output: Tensor = self.model(text, mask)
        return output[None]
