"""Which of a decoder's layers stay: they are left out one after another, each time the one that costs least now.

In:  a decoder, texts, and how many layers stay.
Out: their numbers. What two layers do together is seen, which costs measured once from the whole model are not.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from edgewright.compress.streams import shared_out
from edgewright.models.decoder import DecoderModel
from edgewright.models.decoder_layer import Sight
from edgewright.models.inputs import Inputs, batch_for
from edgewright.models.text import wide_arithmetic

JUDGED_TOKENS = 512  # on which layers are left out in turn


@torch.inference_mode()
def layers_that_stay(model: DecoderModel, sample: Inputs, count: int) -> tuple[int, ...]:
    """The `count` layers that are left after those were left out which cost least, one after another.

    A cost is the divergence of the scores of the next token from the whole model's, in nats a token. Every layer that
    is left is tried each time: costs grow tenfold as layers go, and one that was measured before seems small beside
    others that are measured now.
    """
    chosen, _ = shared_out(sample.sizes, JUDGED_TOKENS)
    trial = _Trial(model, batch_for(model, sample, chosen))
    kept = list(range(len(model.layers)))
    while len(kept) > count:
        costs = {layer: trial.cost(kept, without=layer) for layer in kept}
        kept.remove(min(kept, key=lambda layer: costs[layer]))
        trial.advance(kept)
    return tuple(kept)


class _Trial:
    """A batch of texts through the layers that are left, and what the whole model says of them."""

    def __init__(self, model: DecoderModel, batch: tuple[Tensor, ...]) -> None:
        ids, mask = batch
        self.model, self.counted = model, mask.bool()
        self.sight: Sight = model.sight_of(ids, mask)
        with wide_arithmetic(self.model.shape.width):
            self.states = model.hidden(ids, mask)
        self.wanted = self._scores(self.states[-1])

    def cost(self, kept: list[int], *, without: int) -> float:
        """The divergence in nats a token, where this layer goes, too."""
        place = kept.index(without)
        with wide_arithmetic(self.model.shape.width):
            hidden = self.states[place]
            for layer in kept[place + 1 :]:
                hidden = self.model.layer(layer)(hidden, self.sight)
        found = self._scores(hidden)
        return float(functional.kl_div(found, self.wanted, reduction="batchmean", log_target=True))

    def advance(self, kept: list[int]) -> None:
        """Run the layers that are left."""
        with wide_arithmetic(self.model.shape.width):
            self.states = self.states[:1]
            for layer in kept:
                self.states.append(self.model.layer(layer)(self.states[-1], self.sight))

    def _scores(self, hidden: Tensor) -> Tensor:
        with wide_arithmetic(self.model.shape.width):
            scores = self.model.logits(self.model.closed(hidden)[self.counted])
        return scores.float().log_softmax(dim=-1)
