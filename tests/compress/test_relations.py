"""Relations are the same for sides of unlike widths, and what pads a batch counts for nothing."""

import pytest
import torch
from torch import Tensor

from edgewright.compress import relations


def drawn(units: int, inner: int, seed: int) -> Tensor:
    return torch.randn(units, 3 * inner, generator=torch.Generator().manual_seed(seed))


def test_a_side_is_at_no_distance_from_itself_and_at_one_from_another() -> None:
    own = [drawn(5, 16, 0), drawn(3, 16, 1)]
    assert float(relations.error(own, own)) == pytest.approx(0.0, abs=1e-6)
    assert float(relations.error(own, [drawn(5, 16, 2), drawn(3, 16, 3)])) > 0.01


def test_the_distance_is_the_mean_divergence_of_queries_keys_and_values() -> None:
    ours, theirs = drawn(4, 16, 0), drawn(4, 24, 1)
    total = 0.0
    for own, their in zip(ours.chunk(3, dim=-1), theirs.chunk(3, dim=-1), strict=True):
        for head in range(8):
            found, wanted = own[:, 2 * head : 2 * head + 2], their[:, 3 * head : 3 * head + 3]
            log_found = (found @ found.T / 2**0.5).log_softmax(dim=-1)
            log_wanted = (wanted @ wanted.T / 3**0.5).log_softmax(dim=-1)
            total += float((log_wanted.exp() * (log_wanted - log_found)).sum())
    assert float(relations.error([ours], [theirs])) == pytest.approx(total / (3 * 8 * 4), rel=1e-4)


def test_examples_of_unlike_lengths_say_together_what_they_say_alone() -> None:
    ours, theirs = [drawn(2, 16, 0), drawn(7, 16, 1)], [drawn(2, 32, 2), drawn(7, 32, 3)]
    alone = [float(relations.error([own], [their])) for own, their in zip(ours, theirs, strict=True)]
    assert float(relations.error(ours, theirs)) == pytest.approx((2 * alone[0] + 7 * alone[1]) / 9, rel=1e-4)


def test_gradients_are_numbers_also_where_units_are_padded() -> None:
    ours = [drawn(2, 16, 0).requires_grad_(), drawn(7, 16, 1).requires_grad_()]
    relations.error(ours, [drawn(2, 16, 2), drawn(7, 16, 3)]).backward()
    for each in ours:
        assert each.grad is not None
        assert bool(each.grad.isfinite().all())
        assert bool(each.grad.any())


def test_channels_that_do_not_fill_a_head_are_left_out() -> None:
    ours, theirs = drawn(4, 17, 0), drawn(4, 16, 1)
    changed = ours.clone().reshape(4, 3, 17)
    changed[..., 16] += 100
    assert float(relations.error([changed.flatten(1)], [theirs])) == float(relations.error([ours], [theirs]))


def test_where_a_side_has_fewer_channels_than_heads_both_are_split_into_as_many_as_it_has() -> None:
    ours, theirs = drawn(4, 3, 0), drawn(4, 16, 1)
    total = 0.0
    for own, their in zip(ours.chunk(3, dim=-1), theirs.chunk(3, dim=-1), strict=True):
        for head in range(3):
            student, teacher = own[:, head : head + 1], their[:, 5 * head : 5 * head + 5]
            log_student = (student @ student.T).log_softmax(dim=-1)
            log_teacher = (teacher @ teacher.T / 5**0.5).log_softmax(dim=-1)
            total += float((log_teacher.exp() * (log_teacher - log_student)).sum())
    assert float(relations.error([ours], [theirs])) == pytest.approx(total / (3 * 3 * 4), rel=1e-4)
