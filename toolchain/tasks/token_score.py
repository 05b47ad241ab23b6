"""How well a model tells the tokens of held-out texts, in bits per byte, which models of unlike vocabularies share.

In:  the documents of a part, and of each counted token: the natural logarithm of its probability, the likeliest token,
     the token that stands there, and the index of its document.
Out: `TokenScore`, of which less is better.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from edgewright.errors import BadDataError
from edgewright.tasks.account import Account, Flip, account_of_losses, shortened
from edgewright.tasks.examples import WrittenDocument
from edgewright.tasks.scores import Score

LEAST_LOG_PROBABILITY = -100.0  # in nats: what a token costs at most, and one costs whose probability is no number
LOG_PROBABILITY, LIKELIEST, TOKEN, DOCUMENT = range(4)  # the columns of what is judged


class TokenScore(Score):
    """Bits for each byte (in UTF-8) of what is to be written: all of a document, or its completion.

    A token that ends a completion costs bits, too, and has no bytes. `sizes` are the bytes of what is counted of each,
    where that is not all.
    """

    metric = "bits per byte"
    is_of_bytes = True

    def __init__(self, documents: Sequence[WrittenDocument], *, sizes: Sequence[int] | None = None) -> None:
        self.documents = tuple(documents)
        self.texts = tuple(each.completion for each in documents)
        counted = sizes if sizes is not None else [len(text.encode()) for text in self.texts]
        self.sizes = torch.tensor(counted, dtype=torch.float64)
        if not float(self.sizes.sum()):
            raise BadDataError("the held-out documents hold no text to be judged by; add documents")

    def of(self, outputs: Tensor) -> float:
        """What was told of all counted tokens, (tokens, 4) → bits per byte."""
        return float(self.bits(outputs).sum() / self.sizes.sum())

    def bits(self, outputs: Tensor) -> Tensor:
        """What each document costs, (documents,) in float64."""
        told = outputs[:, LOG_PROBABILITY].double()
        least = LEAST_LOG_PROBABILITY
        told = told.nan_to_num(nan=least, neginf=least, posinf=0.0).clamp(min=least)
        bits = torch.zeros(len(self.documents), dtype=torch.float64)
        return bits.index_add(0, outputs[:, DOCUMENT].long(), -told / math.log(2))

    def details(self, outputs: Tensor) -> Mapping[str, float]:
        """The share of tokens that are the likeliest ones, and the bits of a token."""
        right = outputs[:, LIKELIEST] == outputs[:, TOKEN]
        return {
            "next tokens right": float(right.float().mean()),
            "bits per token": float(self.bits(outputs).sum()) / len(outputs),
        }

    def account(self, teacher: Tensor, student: Tensor) -> Account:
        """Which documents the student tells worse than the teacher, the one that lost most bits per byte first."""
        theirs, ours = (self.bits(each) / self.sizes.clamp(min=1) for each in (teacher, student))

        def flip(index: int) -> Flip:
            return Flip(
                index=index,
                text=shortened(self.shown(index)),
                expected=shortened(self.texts[index]),
                teacher=f"{float(theirs[index]):.3f} bits per byte",
                student=f"{float(ours[index]):.3f} bits per byte",
            )

        return account_of_losses(ours - theirs, flip)

    def shown(self, index: int) -> str:
        """A document's prompt, or where it comes from."""
        each = self.documents[index]
        return each.prompt or each.source or each.completion
