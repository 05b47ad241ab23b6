"""A smaller decoder drafts some tokens, and the larger one reads them all at once: its greedy text in fewer passes.

In:  two decoders of one vocabulary, and the ids of a prompt.
Out: `DraftedText`: the larger one's greedy text, token for token, and how much of the draft it took.
This is the reference in torch, in which the larger one's passes are counted. Leviathan et al., "Fast inference from
transformers via speculative decoding", 2023, of which this is the greedy case: a draft's token stays where it is the
larger one's likeliest, and behind the first that is not the larger one's own stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from edgewright.errors import InputError
from edgewright.models.decoder import DecoderModel
from edgewright.models.decoding import CachedDecoder

AHEAD = 4  # tokens that are drafted before the larger one reads them


@dataclass(frozen=True, kw_only=True)
class DraftedText:
    """The tokens behind a prompt; `passes` are the larger model's behind it, of `drafted` it took `accepted`."""

    tokens: tuple[int, ...]
    passes: int
    drafted: int
    accepted: int

    @property
    def acceptance(self) -> float | None:
        """The share of drafted tokens that the larger model took; None where nothing was drafted."""
        return self.accepted / self.drafted if self.drafted else None

    @property
    def passes_saved(self) -> float | None:
        """How many times fewer passes those were than one a token; None where the prompt's own pass gave all.

        The prompt gives the first token, with a draft or without.
        """
        return (len(self.tokens) - 1) / self.passes if self.passes else None


def require_draft(model: DecoderModel, draft: DecoderModel) -> None:
    """Refuse a draft whose tokens are not the larger model's. Raises `InputError`."""
    if draft.shape.vocabulary != model.shape.vocabulary:
        raise InputError(
            f"the draft has a vocabulary of {draft.shape.vocabulary} and the model one of {model.shape.vocabulary}: a "
            "draft needs the same tokens; trim both to the same vocabulary"
        )


@torch.inference_mode()
def write_drafted(
    model: DecoderModel,
    draft: DecoderModel,
    ids: Sequence[int],
    *,
    max_tokens: int,
    stop: Sequence[int] = (),
    ahead: int = AHEAD,
) -> DraftedText:
    """The greedy text of `model` after a prompt, `ahead` tokens of the `draft` at a time.

    It ends with an id of `stop`, at `max_tokens`, or where the smaller of both contexts is full. Raises `InputError`
    for a draft of another vocabulary, and for a prompt that is empty or longer than the context.
    """
    require_draft(model, draft)
    context = min(model.shape.positions, draft.shape.positions)
    if not 1 <= len(ids) <= context:
        raise InputError(f"the prompt has {len(ids)} ids, and the context takes 1 to {context}; give one that fits")
    larger, smaller = _Reader(model, context), _Reader(draft, context)
    text, passes, drafted, accepted = [*ids, larger.likeliest(ids)[-1]], 0, 0, 0
    limit = min(len(ids) + max_tokens, context + 1)
    while len(text) < limit and text[-1] not in stop:
        proposed = _proposed(smaller, text, min(ahead, limit - len(text) - 1))
        chosen = larger.likeliest([*text, *proposed])
        passes += 1
        taken = _equal_at_first(proposed, chosen)
        new = _until_stop([*proposed[:taken], chosen[taken]], stop)
        text += new
        drafted, accepted = drafted + len(proposed), accepted + min(taken, len(new))
        larger.keep(len(text) - 1)
        smaller.keep(len(text) - 1)
    return DraftedText(tokens=tuple(text[len(ids) :]), passes=passes, drafted=drafted, accepted=accepted)


def _proposed(draft: _Reader, text: Sequence[int], count: int) -> list[int]:
    """The draft's greedy tokens behind a text."""
    found: list[int] = []
    for _ in range(count):
        found.append(draft.likeliest([*text, *found])[-1])
    return found


class _Reader:
    """A decoder with its cache, of which `_rows` positions are those of the text."""

    def __init__(self, model: DecoderModel, context: int) -> None:
        from edgewright.models.capabilities import GENERATES
        from edgewright.models.families import required

        self._decoder = CachedDecoder(model, context=context, every=True).eval()
        state = required(model, GENERATES, setting="task.kind").state(model, context)
        self._cache: tuple[Tensor, ...] = tuple(torch.zeros(shape) for _, shape, _ in state)
        self._rows = 0

    def likeliest(self, text: Sequence[int]) -> list[int]:
        """What follows most likely on each token of the text that is not in the cache yet, by one pass."""
        new = torch.tensor([list(text[self._rows :])])
        logits, *cache = self._decoder(new, torch.tensor([self._rows]), *self._cache)
        self._cache, self._rows = tuple(cache), len(text)
        found: list[int] = logits[0].argmax(-1).tolist()
        return found

    def keep(self, rows: int) -> None:
        """Take what stands behind so many positions for unread: another text follows there."""
        self._rows = min(self._rows, rows)


def _equal_at_first(proposed: Sequence[int], chosen: Sequence[int]) -> int:
    pairs = zip(proposed, chosen, strict=False)
    return next((place for place, (ours, theirs) in enumerate(pairs) if ours != theirs), len(proposed))


def _until_stop(tokens: Sequence[int], stop: Sequence[int]) -> list[int]:
    ends = [place for place, token in enumerate(tokens) if token in stop]
    return list(tokens[: ends[0] + 1] if ends else tokens)
