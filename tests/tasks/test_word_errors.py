import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewright.errors import InputError
from edgewright.tasks.word_errors import Edits, alignment, character_edits, normalised, word_edits


def test_case_punctuation_and_white_space_make_no_difference() -> None:
    assert normalised("  Don’t STOP—now, “please”!\n") == "don't stop now please"
    assert normalised("well-known / co-op ") == "well known co op"
    assert normalised("U.S.A. 3,5") == "usa 35"
    assert normalised("Straße Éte ﬁn") == "strasse éte fin"
    assert normalised("你好，世界") == "你好世界"


def test_each_kind_of_edit_is_counted() -> None:
    edits = word_edits(["the cat sat on the mat"], ["the bat sat the mat today"])
    assert edits == Edits(said=6, replaced=1, left_out=1, put_in=1)
    assert edits.rate == pytest.approx(0.5)
    assert character_edits(["abcd"], ["abd"]) == Edits(said=4, replaced=0, left_out=1, put_in=0)


def test_edits_of_several_texts_are_summed_and_not_averaged() -> None:
    edits = word_edits(["one", "one two three"], ["two", "one two three"])
    assert (edits.said, edits.count, edits.rate) == (4, 1, 0.25)


def test_more_may_be_wrong_than_was_said() -> None:
    assert word_edits(["no"], ["yes it is so"]).rate == 4


def test_a_rate_of_nothing_and_texts_without_a_pair_are_refused() -> None:
    with pytest.raises(InputError, match="every reference is empty"):
        _ = word_edits(["…"], ["word"]).rate
    with pytest.raises(InputError, match="2 references for 1 transcripts"):
        word_edits(["a", "b"], ["a"])


def test_an_alignment_shows_what_became_of_each_word() -> None:
    steps = alignment("a b c".split(), "a x c d".split())
    assert [(step.kind, step.said, step.written) for step in steps] == [
        ("equal", "a", "a"),
        ("replaced", "b", "x"),
        ("equal", "c", "c"),
        ("put in", "", "d"),
    ]


@given(st.text("abc", max_size=8), st.text("abc", max_size=8))
def test_an_alignment_is_of_both_texts_and_is_no_longer_one_way_than_the_other(said: str, written: str) -> None:
    steps = alignment(said, written)
    assert "".join(step.said for step in steps) == said
    assert "".join(step.written for step in steps) == written
    edits = sum(step.kind != "equal" for step in steps)
    assert edits == sum(step.kind != "equal" for step in alignment(written, said))
    assert abs(len(said) - len(written)) <= edits <= max(len(said), len(written))
