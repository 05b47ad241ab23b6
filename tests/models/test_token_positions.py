"""Places of tokens are told as each family's papers and transformers' own code have them."""

import pytest
import torch

from edgewright.models.token_positions import (
    MASKED,
    Places,
    apart,
    distance_rows,
    placed,
    relative_buckets,
    rotations,
    turned,
    window,
)


def test_a_bias_alone_becomes_places_and_places_stay_as_they_are() -> None:
    bias = torch.ones(1, 3, 3)
    assert placed(bias).bias is bias
    assert placed(None) == Places()
    known = Places(bias=bias, local=bias)
    assert placed(known) is known


def test_tokens_are_apart_by_how_far_the_row_is_behind_the_column() -> None:
    assert apart(torch.arange(3)).tolist() == [[0, -1, -2], [1, 0, -1], [2, 1, 0]]
    assert apart(torch.arange(2), first=7).tolist() == [[7, 6], [8, 7]]


def test_a_window_lets_through_its_reach_to_either_side() -> None:
    found = window(apart(torch.arange(5)), 2)
    assert found.shape == (1, 5, 5)
    assert (found[0, 0] == 0).tolist() == [True, True, True, False, False]
    assert (found[0, 4] == 0).tolist() == [False, False, True, True, True]
    assert set(found.flatten().tolist()) == {0.0, MASKED}


def test_turned_vectors_keep_their_length_and_their_products_depend_on_distance_alone() -> None:
    cosines, sines = rotations(10_000.0, 8, 20)
    assert cosines.shape == sines.shape == (20, 4)
    torch.testing.assert_close(cosines[:, 0], torch.arange(20.0).cos())
    torch.testing.assert_close(sines[:, 3], (torch.arange(20.0) / 10_000**0.75).sin())
    query, key = torch.randn(2, 8, generator=torch.Generator().manual_seed(0))
    queries, keys = (turned(each.expand(20, 8), (cosines, sines)) for each in (query, key))
    torch.testing.assert_close(queries.norm(dim=-1), query.norm().expand(20))
    products = queries @ keys.T
    for distance in (-3, 0, 5):
        diagonal = products.diagonal(distance)
        torch.testing.assert_close(diagonal, diagonal[:1].expand(len(diagonal)), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(queries[0], query)


def test_relative_buckets_are_those_of_mpnet() -> None:
    from transformers.models.mpnet.modeling_mpnet import MPNetEncoder

    distances = torch.arange(1 - 300, 300)
    # There a position is the key's less the query's.
    theirs = MPNetEncoder.relative_position_bucket(-distances, num_buckets=32, max_distance=128)
    assert torch.equal(relative_buckets(300), theirs)


@pytest.mark.parametrize(("buckets", "reach"), [(16, 40), (256, 512)])
def test_rows_of_distances_are_those_of_deberta(buckets: int, reach: int) -> None:
    from transformers.models.deberta_v2.modeling_deberta_v2 import make_log_bucket_position

    distances = torch.arange(1 - 200, 200)
    theirs = make_log_bucket_position(distances, buckets, reach).long()
    assert torch.equal(distance_rows(200, buckets=buckets, reach=reach), (theirs + buckets).clamp(0, 2 * buckets - 1))


def test_without_buckets_each_distance_within_reach_has_its_own_row() -> None:
    assert distance_rows(4, buckets=0, reach=2).tolist() == [0, 0, 1, 2, 3, 3, 3]
