"""Documents and what a model told of their tokens, for tests of what writes: a token is a byte of UTF-8."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edgewright.data.documents import TextDocument

BYTES = 256


@dataclass(frozen=True, kw_only=True)
class ByteExamples:
    """Documents in parts, in tokens that are bytes."""

    train: Sequence[TextDocument]
    test: Sequence[TextDocument]
    validation: Sequence[TextDocument] = ()
    extra: Sequence[TextDocument] = ()
    vocabulary: int = BYTES
    baseline_bytes: int = 1_000_000
    labels: Sequence[str] = field(default=())

    def counted_bytes(self, part: str) -> list[int]:
        """All of them."""
        return [len(each.completion.encode()) for each in getattr(self, part)]

    def tokens(self, part: str) -> list[NDArray[np.int64]]:
        """The bytes of each completion."""
        return [np.frombuffer(each.completion.encode(), np.uint8).astype(np.int64) for each in getattr(self, part)]


def documents(*texts: str) -> tuple[TextDocument, ...]:
    return tuple(TextDocument(completion=text, source=f"source {number}") for number, text in enumerate(texts))


def told(
    of: Sequence[TextDocument], share: Callable[[int, int], float], likeliest: Callable[[int, int], int] | None = None
) -> Tensor:
    """As scores take it, of probabilities by (document, place) of bytes; the right one is the likeliest by default."""
    rows = []
    for number, each in enumerate(of):
        for place, byte in enumerate(each.completion.encode()):
            chosen = likeliest(number, place) if likeliest else byte
            probability = share(number, place)
            rows.append([math.log(probability) if probability else -math.inf, chosen, byte, number])
    return torch.tensor(rows, dtype=torch.float64)
