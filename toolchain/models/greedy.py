"""Texts that a model goes on with greedily, several at a time: what it writes before it is exported.

In:  a model that generates, and prompts in tokens.
Out: the tokens that follow each, up to one that ends a text.
Each prompt is read by itself; then all texts are written a token at a time together, so that the weights are read once
for all of them. How artifacts write on devices is the runners' concern.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import torch
from torch import Tensor, nn

from edgewright.models.capabilities import GENERATES
from edgewright.models.compute_device import device_of
from edgewright.models.families import required

TOGETHER = 16  # texts


@torch.inference_mode()
def greedy(
    model: nn.Module,
    prompts: Sequence[Sequence[int]],
    *,
    ends: Collection[int],
    most: int,
    on_progress: Callable[[int], None] | None = None,
) -> list[tuple[int, ...]]:
    """At most so many tokens after each prompt, without the one that ends it; a prompt has a token at least.

    A text ends, too, where the model has no more positions. `on_progress` hears how many texts are done.
    """
    offered, device = required(model, GENERATES, setting="task.kind"), device_of(model)
    longest, found = offered.context(model), dict.fromkeys(range(len(prompts)), _NOTHING)
    order = sorted(found, key=lambda place: len(prompts[place]))  # those of like lengths together
    for start in range(0, len(order), TOGETHER):
        places = order[start : start + TOGETHER]
        context = min(max(len(prompts[place]) for place in places) + most, longest)
        state = [torch.zeros(shape, device=device) for _, shape, _ in offered.state(model, context)]
        module = offered.cached(model, context=context)
        texts = _Texts([list(prompts[place]) for place in places], module, state, context=context)
        for _ in range(most):
            if not texts.go_on(ends):
                break
        found |= dict(zip(places, map(tuple, texts.written), strict=True))
        if on_progress:
            on_progress(start + len(places))
    return [found[place] for place in range(len(prompts))]


class _Texts:
    """Texts under way; those that have ended stay where they are."""

    def __init__(
        self, prompts: Sequence[Sequence[int]], module: nn.Module, state: Sequence[Tensor], *, context: int
    ) -> None:
        self.context, device = context, state[0].device
        self.written: list[list[int]] = [[] for _ in prompts]
        self.going = [True] * len(prompts)
        self.places = [len(prompt) for prompt in prompts]
        self._together = torch.vmap(module)
        read = [
            module(torch.tensor([list(prompt)], device=device), torch.zeros(1, dtype=torch.long, device=device), *state)
            for prompt in prompts
        ]
        self.likeliest = [int(logits.argmax()) for logits, *_ in read]
        self.caches: list[Tensor] = [torch.stack(each) for each in zip(*(rest for _, *rest in read), strict=True)]

    def go_on(self, ends: Collection[int]) -> bool:
        """Write the likeliest token of each text that has not ended; whether there is a next one to be told."""
        for row, token in enumerate(self.likeliest):
            self.going[row] = self.going[row] and token not in ends
            if self.going[row]:
                self.written[row].append(token)
            self.going[row] = self.going[row] and self.places[row] < self.context
        if not any(self.going):
            return False
        device = self.caches[0].device
        ids = torch.tensor(self.likeliest, device=device)[:, None, None]
        # A text that has ended writes its last place again, which nobody reads.
        places = torch.tensor([min(place, self.context - 1) for place in self.places], device=device)[:, None]
        logits, *self.caches = self._together(ids, places, *self.caches)
        self.likeliest = logits.flatten(1).argmax(dim=-1).tolist()
        self.places = [place + going for place, going in zip(self.places, self.going, strict=True)]
        return True


_NOTHING: tuple[int, ...] = ()
