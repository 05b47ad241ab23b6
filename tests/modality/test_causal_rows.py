"""Documents become rows: all of a long text is counted, of a prompt that is too long its last tokens stay."""

import pytest

from edgewright.modality.causal_rows import CausalRow, Frame, Piece, rows_of, word_numbers_of

NOTHING = Piece(ids=(), words=())


def piece(start: int, count: int) -> Piece:
    """Tokens in words of two."""
    return Piece(ids=tuple(range(start, start + count)), words=tuple(place // 2 for place in range(count)))


def rows(prompt: Piece, completion: Piece, frame: Frame, longest: int = 8) -> list[CausalRow]:
    return list(rows_of(prompt, completion, frame, longest=longest, document=3))


@pytest.mark.parametrize("count", [1, 6, 7, 8, 20])
def test_every_token_of_a_text_is_counted_once_whatever_its_length(count: int) -> None:
    found = rows(NOTHING, piece(10, count), Frame(begin=(1,)))
    assert [token for row in found for token in row.counted] == list(range(10, 10 + count))
    assert {(row.ids[0], row.first, row.document) for row in found} == {(1, 1, 3)}
    assert max(len(row.ids) for row in found) <= 8


def test_the_first_token_of_a_text_that_nothing_stands_before_is_not_counted() -> None:
    (row,) = rows(NOTHING, piece(10, 4), Frame(begin=()))
    assert (row.ids, row.first) == ((10, 11, 12, 13), 1)


def test_an_end_follows_where_there_is_one_and_room_for_it() -> None:
    frame = Frame(begin=(1,), end=2)
    assert [row.ids for row in rows(NOTHING, piece(10, 3), frame)] == [(1, 10, 11, 12, 2)]
    assert [row.ids[-1] for row in rows(NOTHING, piece(10, 9), frame)] == [16, 2]
    assert [row.ids[-1] for row in rows(NOTHING, piece(10, 7), frame)] == [16]


def test_of_a_prompt_nothing_is_counted_and_the_end_of_its_completion_is() -> None:
    (row,) = rows(piece(20, 2), piece(10, 3), Frame(begin=(1,), end=2))
    assert (row.ids, row.counted) == ((1, 20, 21, 10, 11, 12, 2), (10, 11, 12, 2))
    assert row.words == (0, 1, 1, 2, 2, 3, 4)


def test_a_prompt_that_is_too_long_loses_its_first_tokens_and_leaves_half_to_the_completion() -> None:
    (row,) = rows(piece(20, 30), piece(10, 2), Frame(begin=(1,), end=2))
    assert row.ids == (1, 46, 47, 48, 49, 10, 11, 2)
    (row,) = rows(piece(20, 30), piece(10, 30), Frame(begin=(1,), end=2))
    assert row.ids == (1, 47, 48, 49, 10, 11, 12, 13)
    assert row.first == 4


def test_a_document_of_nothing_has_no_rows() -> None:
    assert rows(NOTHING, NOTHING, Frame(begin=(1,))) == []
    assert rows(piece(20, 2), NOTHING, Frame(begin=(1,))) == []


def test_words_of_several_parts_are_never_joined() -> None:
    assert word_numbers_of([0], [5, 5, 6], [6, 7]) == (0, 1, 1, 2, 3, 4)
