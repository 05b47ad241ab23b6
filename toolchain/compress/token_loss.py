"""How far a student's scores of the next token are from its teacher's likeliest tokens, and from the true one.

In:  hidden vectors that scores are made of, a teacher's likeliest tokens with their shares, and the true tokens.
Out: the loss, summed over tokens. Scores are made for some tokens at a time, and each lot once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

LARGEST_LOGITS = 1 << 25  # scores that are held at once (128 MB): more are made in lots, and again to go back through
LEAST_MASS = 1e-6  # of a student's tokens beside the teacher's likeliest, below which it is not told apart


@dataclass(frozen=True, kw_only=True)
class TokenWeights:
    """How much the divergence from the teacher counts, and the cross-entropy of the true token, both in nats."""

    teacher: float = 1.0
    true: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is known of n tokens: `tokens` (n, k) and `shares` (n, k + 1) of the teacher's, and the `true` ones (n,)."""

    tokens: Tensor
    shares: Tensor
    true: Tensor


def loss_of_states(
    scores: Callable[[Tensor], Tensor], closed: Tensor, wanted: Wanted, weights: TokenWeights, *, vocabulary: int
) -> Tensor:
    """The summed loss of tokens whose `scores` (n, vocabulary) are made of `closed` (n, width).

    No more than `LARGEST_LOGITS` scores are held at once.
    """
    most = max(1, LARGEST_LOGITS // vocabulary)

    def lot(closed: Tensor, tokens: Tensor, shares: Tensor, true: Tensor) -> Tensor:
        return token_loss(scores(closed).float(), Wanted(tokens=tokens, shares=shares, true=true), weights)

    parts = (closed, wanted.tokens, wanted.shares, wanted.true)
    if len(closed) <= most:
        return lot(*parts)
    lots = zip(*(each.split(most) for each in parts), strict=True)
    losses = [checkpoint(lot, *each, use_reentrant=False, preserve_rng_state=False) for each in lots]
    return torch.stack(losses).sum()


def token_loss(logits: Tensor, wanted: Wanted, weights: TokenWeights) -> Tensor:
    """The loss of `logits` (n, vocabulary), summed over tokens.

    Divergence is between the teacher's shares and the student's of the same tokens, all others being one bucket: it
    says nothing of how a student shares out what the teacher's likeliest leave. The gradient is made with the loss,
    in one pass over the scores: they are most of what a small student computes.
    """
    loss: Tensor = _TokenLoss.apply(logits, wanted.tokens, wanted.shares, wanted.true, weights)  # type: ignore[no-untyped-call]
    return loss


class _TokenLoss(torch.autograd.Function):
    """The loss with its gradient.

    With p the student's shares, q the teacher's of its likeliest tokens and r that of the rest, of which the student
    has s, the divergence's gradient is p - q for the likeliest and p - p r / s for the others.
    """

    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, tokens: Tensor, shares: Tensor, true: Tensor, weights: TokenWeights
    ) -> Tensor:
        normaliser = logits.logsumexp(dim=-1, keepdim=True)
        logarithms = logits.gather(1, tokens) - normaliser
        own = logarithms.exp()
        rest = (1.0 - own.sum(dim=-1)).clamp(min=LEAST_MASS)
        likeliest, others = shares[:, :-1], shares[:, -1]
        divergence = torch.xlogy(shares, shares).sum() - (likeliest * logarithms).sum() - (others * rest.log()).sum()
        entropy = (normaliser - logits.gather(1, true[:, None])).sum()
        both = weights.teacher + weights.true
        if ctx.needs_input_grad[0]:
            gradient = (logits - normaliser).exp_()
            gradient.mul_((both - weights.teacher * others / rest)[:, None])
            gradient.scatter_(1, tokens, both * own - weights.teacher * likeliest)
            gradient.scatter_add_(1, true[:, None], gradient.new_full((len(true), 1), -weights.true))
            ctx.save_for_backward(gradient)
        return weights.teacher * divergence + weights.true * entropy

    @staticmethod
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        return gradient * outer, None, None, None, None
