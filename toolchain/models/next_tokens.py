"""What a model of next tokens says of each token that counts: its log-probability, and which it takes for likeliest.

In:  a model of texts whose outputs are scores of the token that follows, and rows with the first token that counts.
Out: two numbers a counted token. The scores of all tokens are never held: there are as many a token as pieces.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from edgewright.models.capabilities import HIDDEN_STATES
from edgewright.models.compute_device import device_of
from edgewright.models.families import required
from edgewright.models.text import batches

BATCH_TOKENS = 2048
SCORES = 1 << 24  # that are held at once
Judge = Callable[[Tensor, Tensor], Tensor]  # (scores (tokens, pieces), what follows (tokens,)) → numbers of each


class CountedRow(Protocol):
    """A text in tokens, of which those from `first` on count."""

    @property
    def ids(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def first(self) -> int: ...  # noqa: D102


@torch.inference_mode()
def next_tokens(
    model: nn.Module, rows: Sequence[CountedRow], *, on_progress: Callable[[int], None] | None = None
) -> Tensor:
    """(all counted tokens, 2) in float32, row after row: the natural logarithm of the probability that the model gives
    the token which stands there, and the token that it takes for likeliest. `on_progress` hears how many rows are done.
    """
    return _of_counted(model, rows, judged_scores, on_progress)


def _of_counted(
    model: nn.Module, rows: Sequence[CountedRow], judge: Judge, on_progress: Callable[[int], None] | None
) -> Tensor:
    """What is judged of the scores at each counted token, row after row."""
    states = required(model, HIDDEN_STATES, setting="task.kind")
    found: list[Tensor] = [torch.empty(0, 2)] * len(rows)
    done = 0
    for indexes in batches([len(row.ids) for row in rows], BATCH_TOKENS):
        chosen = [rows[index] for index in indexes]
        ids, mask, targets, counted = (each.to(device_of(model)) for each in _tensors(chosen))
        last = states.states(model, ids, mask)[-1]
        judged = _judged(lambda part: states.outputs(model, part), last[counted], targets[counted], judge)
        for index, part in zip(indexes, judged.cpu().split([len(row.ids) - row.first for row in chosen]), strict=True):
            found[index] = part
        done += len(indexes)
        if on_progress:
            on_progress(done)
    return torch.cat(found) if found else torch.empty(0, 2)


@torch.inference_mode()
def likeliest_tokens(
    model: nn.Module, rows: Sequence[CountedRow], *, count: int, on_progress: Callable[[int], None] | None = None
) -> Tensor:
    """(all counted tokens, 1 + count) in float32, row after row: the probability of the token that the model takes for
    likeliest at each, and the likeliest tokens, the first of them first.
    """

    def judged(scores: Tensor, targets: Tensor) -> Tensor:
        shares, tokens = scores.float().softmax(dim=-1).topk(min(count, scores.shape[-1]), dim=-1)
        return torch.cat([shares[:, :1], tokens.float()], dim=-1)

    return _of_counted(model, rows, judged, on_progress)


def judged_scores(scores: Tensor, targets: Tensor) -> Tensor:
    """Scores (tokens, pieces) of what follows, and what does (tokens,) → the two numbers of each."""
    likelihoods = scores.float().log_softmax(dim=-1)
    natural = likelihoods.gather(-1, targets[:, None])[:, 0]
    return torch.stack([natural, likelihoods.argmax(dim=-1).float()], dim=-1)


def _judged(outputs: Callable[[Tensor], Tensor], hidden: Tensor, targets: Tensor, judge: Judge) -> Tensor:
    """In parts, as there are scores for each piece of the vocabulary."""
    pieces = int(outputs(hidden[:1]).shape[-1]) if len(hidden) else 1
    step = max(SCORES // pieces, 1)
    parts = [
        judge(outputs(hidden[start : start + step]), targets[start : start + step])
        for start in range(0, len(hidden), step)
    ]
    return torch.cat(parts) if parts else hidden.new_empty(0, judge(outputs(hidden), targets).shape[-1])


def _tensors(rows: Sequence[CountedRow]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """ids, mask, the token behind each, and whether that counts, (rows, longest) each."""
    longest = max(len(row.ids) for row in rows)
    shape = (len(rows), longest)
    ids, targets = torch.zeros(shape, dtype=torch.long), torch.zeros(shape, dtype=torch.long)
    mask, counted = torch.zeros(shape), torch.zeros(shape, dtype=torch.bool)
    for place, row in enumerate(rows):
        length = len(row.ids)
        ids[place, :length] = torch.tensor(row.ids)
        targets[place, : length - 1] = torch.tensor(row.ids[1:], dtype=torch.long)
        mask[place, :length] = 1.0
        counted[place, row.first - 1 : length - 1] = True
    return ids, mask, targets, counted


def divergence(found: Tensor, wanted: Tensor) -> float:
    """How far distributions are apart, given as logarithms of probabilities (tokens, pieces): √(2 KL).

    KL is the mean divergence a token from those that are wanted, in nats. It grows with the square of a small error in
    scores, so that its root does with the error itself, and squares of different parts' add up.
    """
    kl = (wanted.exp() * (wanted - found)).sum(dim=-1).mean()
    return float((2 * kl.clamp_min(0.0)).sqrt())
