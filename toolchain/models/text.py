"""A text model whole: an encoder, and the head that turns its hidden vectors into one output a text.

In:  token ids and a mask, or one text alone.
Out: (batch, outputs): an embedding or class scores, as the head has it.
Also here, because every user of a text model needs them: batches of like lengths, and running a model over texts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from toolchain.errors import BadModelError
from toolchain.models import encoder as encoders
from toolchain.models.encoder import Encoder
from toolchain.models.tokenizer import Encoded

INFERENCE_BATCH_TOKENS = 4096


@dataclass(frozen=True, kw_only=True)
class HeadShape:
    """How hidden vectors become an output: pooled by "mean" or "first" token, then normalised or classified."""

    pooling: str
    normalised: bool = True
    classes: int = 0


class Head(nn.Module):
    """Pool (…, length, width) into one vector a text; then either normalise it or score classes."""

    def __init__(self, shape: HeadShape, width: int) -> None:
        super().__init__()
        self.shape = shape
        if shape.classes:
            self.pooler = nn.Linear(width, width)
            self.classifier = nn.Linear(width, shape.classes)

    def forward(self, hidden: Tensor, mask: Tensor | None = None) -> Tensor:
        """(…, length, width) and the mask of its tokens → (…, width) or (…, classes)."""
        pooled = hidden[..., 0, :] if self.shape.pooling == "first" else mean_over_tokens(hidden, mask)
        if self.shape.classes:
            scores: Tensor = self.classifier(torch.tanh(self.pooler(pooled)))
            return scores
        if self.shape.normalised:
            return pooled * torch.rsqrt((pooled * pooled).sum(dim=-1, keepdim=True) + 1e-12)
        return pooled


class TextModel(nn.Module):
    """An encoder and a head."""

    def __init__(self, encoder: Encoder, head: Head) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head

    def forward(self, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        """ids and mask (batch, length), or one text (length) → (batch, outputs), or (outputs)."""
        output: Tensor = self.head(self.encoder(ids, mask), mask)
        return output

    @property
    def parameters_count(self) -> int:
        """How many numbers the model holds."""
        return sum(parameter.numel() for parameter in self.parameters())


def mean_over_tokens(hidden: Tensor, mask: Tensor | None) -> Tensor:
    """The mean of the vectors that are not padding."""
    if mask is None:
        return hidden.mean(dim=-2)
    weights = mask.to(hidden.dtype)[..., None]
    return (hidden * weights).sum(dim=-2) / weights.sum(dim=-2)


def save(model: TextModel, folder: Path) -> None:
    """Write the encoder's files, `head.json` and `head.safetensors` into an existing folder."""
    encoders.save(model.encoder, folder)
    (folder / "head.json").write_text(json.dumps(asdict(model.head.shape)) + "\n", encoding="utf-8")
    save_file(model.head.state_dict(), folder / "head.safetensors")


def load(folder: Path) -> TextModel:
    """Read what `save` wrote. Raises `BadModelError` when a file is missing or damaged."""
    encoder = encoders.load(folder)
    try:
        shape = HeadShape(**json.loads((folder / "head.json").read_text(encoding="utf-8")))
        head = Head(shape, encoder.shape.width)
        head.load_state_dict(load_file(folder / "head.safetensors"))
    except Exception as error:  # safetensors, json and torch each raise their own; all mean the same here
        raise BadModelError(str(folder), str(error)) from error
    return TextModel(encoder, head).eval()


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
    longest = max(len(text.ids) for text in texts)
    ids = torch.zeros(len(texts), longest, dtype=torch.long)
    mask = torch.zeros(len(texts), longest)
    for row, text in enumerate(texts):
        ids[row, : len(text.ids)] = torch.as_tensor(text.ids)
        mask[row, : len(text.ids)] = 1.0
    return ids, mask


def over_batches(
    texts: Sequence[Encoded], tokens: int = INFERENCE_BATCH_TOKENS
) -> Iterator[tuple[list[int], Tensor, Tensor]]:
    """(indexes, ids, mask) for all texts, batched by length."""
    for indexes in batches([len(text.ids) for text in texts], tokens):
        yield (indexes, *padded([texts[index] for index in indexes]))


def outputs(model: TextModel, texts: Sequence[Encoded], *, told: Callable[[int], None] | None = None) -> Tensor:
    """The model's output for each text in float32, (texts, outputs), in the order given.

    `told` hears how many are done.
    """
    results: list[Tensor | None] = [None] * len(texts)
    done = 0
    with torch.inference_mode():
        for indexes, ids, mask in over_batches(texts):
            for index, row in zip(indexes, model(ids, mask), strict=True):
                results[index] = row
            done += len(indexes)
            if told:
                told(done)
    return torch.stack([row for row in results if row is not None])


def fast_arithmetic() -> torch.autocast:
    """bfloat16 products where the processor has instructions for them, float32 elsewhere."""
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=torch.cpu._is_avx512_bf16_supported())


class OneText(nn.Module):
    """What is exported: token ids of one text, (1, length), to its output, (1, outputs).

    With `padded`, ids of 0 are padding and change nothing; without, the text is given at its own length and no mask
    is computed at all.
    """

    def __init__(self, model: TextModel, *, padded: bool) -> None:
        super().__init__()
        self.model, self.padded = model, padded

    def forward(self, ids: Tensor) -> Tensor:
        """(1, length) integers → (1, outputs)."""
        text = ids[0]
        mask = (text != 0).to(torch.float32) if self.padded else None
        output: Tensor = self.model(text, mask)
        return output[None]
