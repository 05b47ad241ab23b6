"""Altered copies: pieces of real texts, as many as asked for, the same each time."""

import pytest

from edgewright.data.augment import LEAST_WORDS, altered_copies

TEXTS = [f"the {thing} of number {n} stands here for all that can be said of it" for n, thing in enumerate("abcdefgh")]


def test_copies_are_made_of_the_texts_own_words_and_no_longer_than_asked() -> None:
    words = {word for text in TEXTS for word in text.split()}
    copies = altered_copies(TEXTS, copies=20, max_words=10)
    assert len(copies) > 100
    assert all(set(copy.split()) <= words for copy in copies)
    assert all(1 <= len(copy.split()) <= 10 for copy in copies)


def test_a_copy_is_none_of_the_texts_and_stands_there_once() -> None:
    copies = altered_copies(["one", "one two", "three"], copies=50, max_words=8)
    assert copies
    assert len(set(copies)) == len(copies)
    assert set(copies).isdisjoint({"one", "one two", "three"})


def test_some_copies_join_two_texts_and_some_are_a_thinned_piece_of_one() -> None:
    marked = [" ".join(f"{name}{n}" for n in range(30)) for name in "xy"]
    copies = [copy.split() for copy in altered_copies(marked, copies=40, max_words=16)]
    joined = [copy for copy in copies if len({word[0] for word in copy}) == 2]
    alone = [[int(word[1:]) for word in copy] for copy in copies if len({word[0] for word in copy}) == 1]
    assert len(joined) > 5
    assert all(len(copy) >= 2 * LEAST_WORDS for copy in joined)
    rising = [copy for copy in alone if copy == sorted(copy)]
    assert any(copy[-1] - copy[0] >= len(copy) for copy in rising)  # with a word left out


def test_copies_are_the_same_each_time_and_others_for_another_seed() -> None:
    first, again, other = (altered_copies(TEXTS, copies=3, max_words=12, seed=seed) for seed in (0, 0, 1))
    assert first == again != other


@pytest.mark.parametrize("texts", [[], [" "]])
def test_of_nothing_there_are_no_copies(texts: list[str]) -> None:
    assert altered_copies(texts, copies=3, max_words=8) == []


def test_no_copies_are_made_where_none_are_asked_for() -> None:
    assert altered_copies(TEXTS, copies=0, max_words=8) == []
