"""A matrix gets the smallest rank that is enough, and none where two matrices would not be smaller than one."""

import itertools

import pytest
import torch

from edgewright.compress.ranks import MatrixRanks, Pays, RankChoice, within_budget
from edgewright.compress.spectra import Spectrum


def matrix(
    *energies: float, name: str = "layers.0.up", multiple: int = 1, rank: int | None = None, pays: Pays | None = None
) -> MatrixRanks:
    """Of 8 × 8 numbers: a rank takes 16 of the 64."""
    spectrum = Spectrum(
        name=name,
        weight=torch.zeros(8, 8, dtype=torch.float64),
        mean=torch.zeros(8, dtype=torch.float64),
        scale=torch.ones(8, dtype=torch.float64),
        basis=torch.eye(8, dtype=torch.float64),
        energies=torch.tensor(energies, dtype=torch.float64),
        rank=rank,
    )
    return MatrixRanks(spectrum, multiple, pays)


STEEP = (8.0, 4, 2, 1, 1, 0, 0, 0)


def test_energies_are_shares_and_losses_their_rest() -> None:
    found = matrix(*STEEP)
    assert [found.energy(rank) for rank in (None, 1, 2, 3, 8, 99)] == [1.0, 0.5, 0.75, 0.875, 1.0, 1.0]
    assert (found.lost(None), found.lost(2)) == (0.0, 4.0)
    assert (found.parameters(None), found.parameters(3)) == (64, 48)


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0.5, RankChoice(1)), (0.51, RankChoice(2)), (0.875, RankChoice(3)), (0.0, RankChoice(1))],
)
def test_the_smallest_rank_keeps_the_share(share: float, expected: RankChoice) -> None:
    assert matrix(*STEEP).with_energy(share) == expected


def test_a_rank_that_saves_too_little_leaves_the_matrix_whole_and_says_so() -> None:
    choice = matrix(*STEEP).with_energy(0.9)
    assert choice == RankChoice(None, "rank 4 would save less than 10% of its parameters")
    row = matrix(*STEEP).reported(choice)
    assert (row.rank, row.energy, row.parameters_before, row.parameters_after) == (None, 1.0, 64, 64)
    assert row.unchanged == choice.unchanged


def test_ranks_are_rounded_up_to_what_kernels_work_in() -> None:
    assert matrix(*STEEP, multiple=2).with_rank(1) == RankChoice(2)
    assert matrix(*STEEP, multiple=2).with_rank(3).rank is None  # four would be no gain


def test_a_matrix_of_low_rank_is_only_reduced() -> None:
    small = matrix(*STEEP, rank=2)
    assert small.with_rank(1) == RankChoice(1)
    assert small.with_rank(2) == RankChoice(2, "it already has rank 2")
    assert small.with_rank(None) == RankChoice(2, "no rank was asked for it")
    assert small.reported(RankChoice(1)).parameters_before == 32


def test_a_rank_that_does_not_pay_on_the_device_is_refused() -> None:
    asked: list[tuple[int, int, int]] = []

    def pays(inputs: int, outputs: int, rank: int) -> bool:
        asked.append((inputs, outputs, rank))
        return rank < 2

    found = matrix(*STEEP, pays=pays)
    assert found.with_rank(2).unchanged == "rank 2 does not pay on the device"
    assert found.with_rank(1) == RankChoice(1)
    assert asked == [(8, 8, 2), (8, 8, 1)]


def test_a_matrix_without_any_energy_loses_nothing() -> None:
    nothing = matrix(*[0.0] * 8)
    assert nothing.with_energy(0.99) == RankChoice(1)
    assert nothing.lost(1) == 0.0


@pytest.mark.parametrize("keep", [0.3, 0.5, 0.7, 0.9])
def test_a_budget_is_kept_and_spent_where_it_loses_least(keep: float) -> None:
    matrices = [matrix(*STEEP), matrix(*(each / 10 for each in STEEP), name="layers.0.down")]
    found = within_budget(matrices, keep)

    def lost(ranks: tuple[int | None, ...]) -> float:
        return sum(each.lost(rank) for each, rank in zip(matrices, ranks, strict=True))

    def size(ranks: tuple[int | None, ...]) -> int:
        return sum(each.parameters(rank) for each, rank in zip(matrices, ranks, strict=True))

    chosen = tuple(choice.rank for choice in found)
    assert size(chosen) <= keep * 128
    best = min(lost(each) for each in itertools.product((None, 3, 2, 1), repeat=2) if size(each) <= keep * 128)
    assert lost(chosen) == pytest.approx(best)


def test_all_is_spared_where_the_budget_allows_and_as_small_as_can_be_where_it_cannot_be_met() -> None:
    matrices = [matrix(*STEEP), matrix(*STEEP, name="layers.0.down")]
    assert [each.unchanged for each in within_budget(matrices, 1.0)] == ["the budget spares it"] * 2
    assert within_budget(matrices, 0.01) == [RankChoice(1), RankChoice(1)]


def test_a_matrix_of_which_no_rank_pays_says_so_and_the_others_pay_for_it() -> None:
    stubborn = matrix(*STEEP, pays=lambda *_: False)
    found = within_budget([stubborn, matrix(*STEEP)], 0.7)
    assert found == [RankChoice(None, "no rank of it pays"), RankChoice(1)]
