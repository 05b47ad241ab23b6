"""The order in which columns of a matrix can go, and what each costs once the others are refitted.

In:  second moments of what a matrix reads, the matrix, and groups of its columns that go together.
Out: an `Elimination`. Which part of it is carried out is `search`'s decision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

ELIMINATION_RIDGE = 1e-4
PENDING = 64  # removals whose update of the inverse is made in one product


@dataclass(frozen=True, kw_only=True)
class Elimination:
    """Groups in the order of their removal, and the squared output error after each, per example row."""

    order: tuple[int, ...]
    errors: tuple[float, ...]


@torch.no_grad()
def elimination(
    gram: Tensor, weight: Tensor, groups: Sequence[Sequence[int]], *, ridge: float = ELIMINATION_RIDGE
) -> Elimination:
    """Remove the groups of columns of `weight` one after another, each time the one that then costs least.

    `gram` holds second moments of the columns' inputs and of a one after them: (columns + 1,) squared; `weight` is
    (outputs, columns). After each removal the other columns and the bias are refitted at once, which is the optimal
    brain surgeon (Hassibi and Stork 1993) on whole structures (Kurtic et al. 2023, ZipLM). Single columns take
    O(columns²) each, with the update of the inverse delayed so that it is a product of matrices.
    """
    gram = gram.double()
    penalty = ridge * gram.diagonal()[:-1].mean()
    penalties = torch.full_like(gram.diagonal(), float(penalty))
    penalties[-1] = 1e-9  # the bias is refitted freely
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(gram + penalties.diag()))
    weights = torch.cat([weight.double().T, weight.new_zeros(1, len(weight)).double()])
    order, costs = (
        _remove_singles(inverse, weights, [group[0] for group in groups])
        if all(len(group) == 1 for group in groups)
        else _remove_groups(inverse, weights, groups)
    )
    errors = torch.tensor(costs, dtype=torch.float64).clamp(min=0).cumsum(0)
    return Elimination(order=tuple(order), errors=tuple(errors.tolist()))


def _remove_groups(inverse: Tensor, weights: Tensor, groups: Sequence[Sequence[int]]) -> tuple[list[int], list[float]]:
    remaining = dict(enumerate(torch.as_tensor(list(group), device=inverse.device) for group in groups))
    order, costs = [], []
    while remaining:
        best: tuple[float, int, Tensor] | None = None
        for number, columns in remaining.items():
            factor = torch.linalg.cholesky(inverse[columns[:, None], columns])
            own = torch.linalg.solve_triangular(factor, weights[columns], upper=False)
            cost = float(own.square().sum())
            if best is None or cost < best[0]:
                best = (cost, number, factor)
        assert best is not None
        cost, number, factor = best
        columns = remaining.pop(number)
        shared = torch.linalg.solve_triangular(factor, inverse[columns], upper=False)
        own = torch.linalg.solve_triangular(factor, weights[columns], upper=False)
        weights = weights - shared.T @ own
        inverse = inverse - shared.T @ shared
        order.append(number)
        costs.append(cost)
    return order, costs


def _remove_singles(inverse: Tensor, weights: Tensor, columns: Sequence[int]) -> tuple[list[int], list[float]]:
    """As above for one column at a time: column j costs |w_j|² / P_jj, where P is the inverse.

    With u = P_j / √P_jj and v = w_j / √P_jj, removal takes u uᵀ from P and u vᵀ from the weights; `PENDING` of these
    are gathered before the matrices themselves are touched, and what is gone is then left out of them.
    """
    names = torch.as_tensor([*columns, len(weights) - 1], device=inverse.device)
    inverse, weights = inverse[names[:, None], names], weights[names]
    numbers = torch.arange(len(columns), device=inverse.device)
    order: list[int] = []
    costs: list[float] = []
    while len(numbers):
        pending = min(PENDING, len(numbers))
        shared = inverse.new_zeros(len(inverse), pending)
        own = inverse.new_zeros(pending, weights.shape[1])
        diagonal, energy = inverse.diagonal().clone(), weights.square().sum(dim=1)
        gone = torch.zeros(len(inverse), dtype=torch.bool, device=inverse.device)
        gone[-1] = True  # the bias
        for step in range(pending):
            scores = (energy / diagonal.clamp(min=1e-300)).masked_fill(gone, torch.inf)
            chosen = int(scores.argmin())
            order.append(int(numbers[chosen]))
            costs.append(float(scores[chosen]))
            gone[chosen] = True
            root = float(diagonal[chosen].clamp(min=1e-300)) ** 0.5
            u = (inverse[chosen] - shared @ shared[chosen]) / root
            v = (weights[chosen] - shared[chosen] @ own) / root
            along = weights @ v - shared @ (own @ v)
            energy += u.square() * v.square().sum() - 2 * u * along
            energy.clamp_(min=0)
            diagonal -= u.square()
            shared[:, step], own[step] = u, v
        gone[-1] = False
        stays = ~gone
        shared = shared[stays]
        inverse = inverse[stays][:, stays] - shared @ shared.T
        weights = weights[stays] - shared @ own
        numbers = numbers[stays[:-1]]
    return order, costs
