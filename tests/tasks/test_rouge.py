"""ROUGE-L: words in common in their order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewright.tasks.rouge import rouge_l


@pytest.mark.parametrize(
    ("written", "wanted", "share"),
    [
        ("police kill the gunman", "police killed the gunman", 3 / 4),  # Lin's own example, beta 1
        ("the gunman kill police", "police killed the gunman", 2 / 4),
        ("the gunman police killed", "police killed the gunman", 2 / 4),
        ("Return the value.", "return   the VALUE", 1.0),
        ("a b", "a b c d", 2 * 2 / 6),
        ("", "something", 0.0),
        ("something", "", 0.0),
        ("", "", 1.0),
        ("🙂", "🙂", 1.0),
        ("🙂", "🙃", 0.0),
        ("Grüße an alle", "grüße an", 4 / 5),
        ("snake_case", "snake case", 1.0),
    ],
)
def test_known_texts_have_known_shares(written: str, wanted: str, share: float) -> None:
    assert rouge_l(written, wanted) == pytest.approx(share)


words = st.lists(st.sampled_from("abcd"), max_size=12).map(" ".join)


def naive(one: list[str], other: list[str]) -> int:
    if not one or not other:
        return 0
    if one[-1] == other[-1]:
        return naive(one[:-1], other[:-1]) + 1
    return max(naive(one[:-1], other), naive(one, other[:-1]))


@given(one=st.lists(st.sampled_from("abc"), max_size=6), other=st.lists(st.sampled_from("abc"), max_size=6))
def test_what_is_in_common_is_the_longest_there_is(one: list[str], other: list[str]) -> None:
    if one or other:
        assert rouge_l(" ".join(one), " ".join(other)) == pytest.approx(2 * naive(one, other) / (len(one) + len(other)))


@given(one=words, other=words)
def test_it_is_the_same_both_ways_and_a_share(one: str, other: str) -> None:
    assert rouge_l(one, other) == rouge_l(other, one)
    assert 0 <= rouge_l(one, other) <= 1
    assert rouge_l(one, one) == 1
