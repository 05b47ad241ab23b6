"""A text in tokens knows which of its tokens belong to one word, and where the words that it was given as begin."""

from edgewright.modality.encoded import NO_WORD, Encoded, first_places, without_last_padding, word_numbers


def test_words_are_counted_without_gaps_and_special_tokens_are_words_of_their_own() -> None:
    assert word_numbers([None, 0, 0, 2, None, None]) == (0, 1, 1, 2, 3, 4)
    assert word_numbers([]) == ()


def test_a_word_begins_at_its_first_piece_and_one_that_is_cut_off_nowhere() -> None:
    row = Encoded(ids=(1, 5, 6, 7, 2), words=(0, 1, 1, 2, 3), given=(NO_WORD, 0, 0, 2, NO_WORD))
    assert first_places(row) == {0: 1, 2: 3}


def test_padding_that_a_text_ends_with_is_taken_off_and_other_padding_stays() -> None:
    row = Encoded(ids=(4, 0, 5, 0, 0), words=(0, 1, 2, 3, 4), given=(0, 1, 2, 3, 4))
    assert without_last_padding(row) == Encoded(ids=(4, 0, 5), words=(0, 1, 2), given=(0, 1, 2))
    assert without_last_padding(Encoded(ids=(0, 0), words=(0, 1))).ids == (0,)
    kept = Encoded(ids=(4, 5), words=(0, 1))
    assert without_last_padding(kept) is kept
