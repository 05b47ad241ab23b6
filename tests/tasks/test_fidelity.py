"""How faithfully embeddings follow a teacher's."""

import time

import pytest
import torch
from scipy.stats import spearmanr

from edgewright.errors import BadDataError
from edgewright.tasks.fidelity import LARGEST_SAMPLE, fidelity


def embeddings(count: int, width: int = 8, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


def test_few_examples_are_compared_pair_by_pair() -> None:
    ours, theirs = embeddings(12), embeddings(12, 20, seed=1)
    similarities = [
        [float(torch.cosine_similarity(side[a], side[b], dim=0)) for a in range(12) for b in range(a)]
        for side in (ours, theirs)
    ]
    assert fidelity(ours, theirs) == pytest.approx(float(spearmanr(*similarities).statistic), abs=1e-3)


def test_turned_and_scaled_embeddings_are_wholly_faithful_and_others_are_not() -> None:
    theirs = embeddings(200)
    turned = torch.linalg.qr(embeddings(8, seed=3)).Q
    assert fidelity(3 * theirs @ turned, theirs) == pytest.approx(1.0, abs=1e-4)
    assert abs(fidelity(embeddings(200, seed=1), theirs)) < 0.1
    assert 0.5 < fidelity(theirs + 0.5 * embeddings(200, seed=1), theirs) < 1.0


def test_many_examples_are_sampled_the_same_way_every_time() -> None:
    theirs = embeddings(3000, 64)
    ours = theirs + embeddings(3000, 64, seed=1)
    started = time.perf_counter()
    found = fidelity(ours, theirs)
    assert time.perf_counter() - started < 10
    assert found == fidelity(ours, theirs)
    assert LARGEST_SAMPLE < 3000 * 2999 // 2
    assert found == pytest.approx(fidelity(ours[:600], theirs[:600]), abs=0.05)


def test_a_student_that_says_the_same_of_all_or_no_numbers_has_none() -> None:
    assert fidelity(torch.ones(20, 8), embeddings(20)) == 0.0
    assert fidelity(torch.full((20, 8), torch.nan), embeddings(20)) == 0.0


@pytest.mark.parametrize(("ours", "theirs"), [(2, 2), (5, 4)])
def test_too_few_or_other_examples_are_reported(ours: int, theirs: int) -> None:
    with pytest.raises(BadDataError, match=f"there are {ours} of the student's and {theirs} of the teacher's"):
        fidelity(embeddings(ours), embeddings(theirs))
