"""Columns go in the order in which they cost least, and each error is that of least squares done anew."""

import pytest
import torch
from torch import Tensor

from edgewright.compress.elimination import elimination


def data(columns: int = 24, rows: int = 300) -> tuple[Tensor, Tensor, Tensor]:
    """Correlated rows with a mean of their own, their second moments with a one, and a matrix."""
    torch.manual_seed(0)
    features = torch.randn(rows, columns).double() @ torch.randn(columns, columns).double() + 1
    extended = torch.cat([features, torch.ones(rows, 1)], dim=1)
    return features, extended.T @ extended / rows, torch.randn(10, columns)


def refitted_error(features: Tensor, weight: Tensor, kept: list[int]) -> float:
    """What least squares says, done from scratch."""
    wanted = features @ weight.double().T
    read = torch.cat([features[:, kept], torch.ones(len(features), 1)], dim=1).double()
    missing = wanted - read @ torch.linalg.lstsq(read, wanted).solution
    return float(missing.square().sum() / len(features))


@pytest.mark.parametrize("size", [1, 4])
def test_the_error_after_each_removal_is_that_of_fitting_the_others_anew(size: int) -> None:
    features, gram, weight = data()
    groups = [list(range(start, start + size)) for start in range(0, 24, size)]
    found = elimination(gram, weight, groups, ridge=1e-12)
    assert sorted(found.order) == list(range(len(groups)))
    for count in range(1, len(groups) + 1):
        kept = [column for group in found.order[count:] for column in groups[group]]
        assert found.errors[count - 1] == pytest.approx(refitted_error(features, weight, kept), rel=1e-4)


@pytest.mark.parametrize("size", [1, 4])
def test_each_removal_is_the_one_that_then_costs_least(size: int) -> None:
    features, gram, weight = data()
    groups = [list(range(start, start + size)) for start in range(0, 24, size)]
    order = list(elimination(gram, weight, groups, ridge=1e-12).order)
    for count in (0, 1, len(groups) // 2):
        remaining = order[count:]

        def error_without(group: int, remaining: list[int] = remaining) -> float:
            kept = [column for each in remaining if each != group for column in groups[each]]
            return refitted_error(features, weight, kept)

        assert min(remaining, key=error_without) == order[count]


def test_delayed_updates_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    _, gram, weight = data(100, 500)
    singles = [[column] for column in range(100)]
    found = []
    for pending in (1, 7, 1000):
        monkeypatch.setattr("edgewright.compress.elimination.PENDING", pending)
        found.append(elimination(gram, weight, singles))
    assert found[0].order == found[1].order == found[2].order
    assert found[0].errors == pytest.approx(found[2].errors)


def test_a_copy_of_another_neuron_goes_first_and_costs_nothing() -> None:
    features, _, weight = data()
    features[:, 7] = 2 * features[:, 3] - 1
    extended = torch.cat([features, torch.ones(300, 1)], dim=1)
    found = elimination(extended.T @ extended / 300, weight, [[column] for column in range(24)], ridge=1e-9)
    assert found.order[0] in (3, 7)
    assert found.errors[0] < 1e-4 * found.errors[-1]
