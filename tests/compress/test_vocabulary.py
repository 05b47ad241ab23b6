"""A smaller vocabulary splits what it knows as before, and still spells what it does not."""

import json
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.compress.vocabulary import Trimmed, affected, trim, untrimmed
from edgewright.data.docstrings import standard_library
from edgewright.errors import BadDataError, InputError
from edgewright.modality.tokenizer import TextTokenizer
from tests import tiny, tiny_bpe, tiny_unigram

TEXTS = ["the rain and the snow", "walking in the rain", "read a book"]


@pytest.fixture(scope="module")
def trimmed() -> Trimmed:
    return trim(tiny.tokenizer(), TEXTS, size=None)


def pieces(tokenizer: TextTokenizer, text: str) -> list[str]:
    names = {number: piece for piece, number in tokenizer.vocabulary.items()}
    return [names[token] for token in tokenizer.encode([text])[0].ids]


def test_texts_whose_pieces_all_stay_are_split_as_before(trimmed: Trimmed) -> None:
    others = [*TEXTS, "snow and rain", "the book", "Reading, in the rain?!"]
    before, after = tiny.tokenizer().encode(others), trimmed.tokenizer.encode(others)
    for old, new in zip(before, after, strict=True):
        assert tuple(trimmed.kept[token] for token in new.ids) == old.ids
        assert new.words == old.words
    assert affected(tiny.tokenizer(), trimmed, others) == 0
    assert trimmed.coverage == 1.0


def test_pieces_that_no_text_uses_are_gone_and_ids_have_no_gaps(trimmed: Trimmed) -> None:
    vocabulary = trimmed.tokenizer.vocabulary
    assert len(vocabulary) == len(trimmed.kept) < len(tiny.pieces())
    assert sorted(vocabulary.values()) == list(range(len(vocabulary)))
    assert "thunder" not in vocabulary
    assert {"rain", "##ing", "book", "[MASK]", "z", "##9", "?"} <= set(vocabulary)


def test_a_word_that_is_gone_is_spelt_in_known_pieces(trimmed: Trimmed) -> None:
    assert pieces(tiny.tokenizer(), "thunder") == ["[CLS]", "thunder", "[SEP]"]
    spelt = pieces(trimmed.tokenizer, "thunder")
    assert "[UNK]" not in spelt
    assert "".join(piece.removeprefix("##") for piece in spelt[1:-1]) == "thunder"
    assert affected(tiny.tokenizer(), trimmed, ["thunder"]) == pytest.approx(1 / 3)


def test_padding_stays_token_0_and_special_tokens_stand_around_a_text(trimmed: Trimmed) -> None:
    assert trimmed.tokenizer.vocabulary["[PAD]"] == trimmed.kept[0] == 0
    assert pieces(trimmed.tokenizer, "rain") == ["[CLS]", "rain", "[SEP]"]


def test_a_size_keeps_the_most_frequent_pieces() -> None:
    required = len(trim(tiny.tokenizer(), ["a"], size=None).kept)
    small = trim(tiny.tokenizer(), [*TEXTS, "rain", "the rain"], size=required + 2)
    assert len(small.kept) == required + 2
    assert {"the", "rain"} <= set(small.tokenizer.vocabulary)
    assert "snow" not in small.tokenizer.vocabulary
    assert 0 < small.coverage < 1
    assert 0 < affected(tiny.tokenizer(), small, TEXTS) < 1


def test_a_size_below_what_must_stay_is_reported_with_both_numbers() -> None:
    required = len(trim(tiny.tokenizer(), ["a"], size=None).kept)
    assert len(trim(tiny.tokenizer(), TEXTS, size=required).kept) == required
    with pytest.raises(BadDataError, match=rf"vocabulary\.size is {required - 1}, but {required} special tokens"):
        trim(tiny.tokenizer(), TEXTS, size=required - 1)


def test_texts_of_which_no_token_is_known_are_refused() -> None:
    with pytest.raises(BadDataError, match="every token of the training texts is unknown"):
        trim(tiny.tokenizer(), ["☃☃☃", "☂"], size=None)
    with pytest.raises(BadDataError):
        trim(tiny.tokenizer(), [""], size=None)


def test_no_trimming_keeps_every_piece() -> None:
    same = untrimmed(tiny.tokenizer())
    assert same.kept == tuple(range(len(tiny.pieces())))
    assert affected(tiny.tokenizer(), same, TEXTS) == 0


def test_the_smaller_tokenizer_comes_back_from_disk_and_transformers_reads_it(trimmed: Trimmed, tmp_path: Path) -> None:
    from transformers import PreTrainedTokenizerFast

    trimmed.tokenizer.save(tmp_path / "tokenizer.json")
    expected = trimmed.tokenizer.encode(TEXTS)
    assert TextTokenizer.load(tmp_path / "tokenizer.json", max_length=tiny.MAX_LENGTH).encode(TEXTS) == expected
    theirs = PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / "tokenizer.json"))(TEXTS)["input_ids"]
    assert theirs == [list(row.ids) for row in expected]


@pytest.mark.parametrize("wrapped", [False, True])
def test_the_older_form_of_tokens_around_a_text_is_renumbered_too(wrapped: bool) -> None:
    definition = json.loads(json.dumps(tiny.tokenizer().definition))
    around = {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]}
    definition["post_processor"] = {"type": "Sequence", "processors": [around]} if wrapped else around
    vocabulary = definition["model"]["vocab"]
    renumbered = dict(zip(vocabulary, [0, *range(len(vocabulary) - 1, 0, -1)], strict=True))
    definition["model"]["vocab"] = renumbered
    for token in definition["added_tokens"]:
        token["id"] = renumbered[token["content"]]
    around["sep"], around["cls"] = ["[SEP]", renumbered["[SEP]"]], ["[CLS]", renumbered["[CLS]"]]
    before = TextTokenizer(json.dumps(definition), max_length=tiny.MAX_LENGTH)
    after = trim(before, TEXTS, size=None)
    assert pieces(after.tokenizer, "the rain") == ["[CLS]", "the", "rain", "[SEP]"]
    assert affected(before, after, TEXTS) == 0


def test_a_coverage_keeps_the_fewest_pieces_that_reach_it() -> None:
    texts = tiny.sentences(300)
    for floor in (0.9, 0.99, 1.0):
        least = trim(tiny.tokenizer(), texts, coverage=floor)
        assert least.coverage >= floor
        assert trim(tiny.tokenizer(), texts, size=len(least.kept), coverage=floor).kept == least.kept
        assert trim(tiny.tokenizer(), texts, size=len(least.kept) - 1).coverage < floor


@pytest.mark.parametrize("make", [tiny.tokenizer, tiny_bpe.tokenizer])
def test_a_size_that_cannot_reach_the_coverage_is_reported_with_what_it_reaches_and_what_is_needed(make) -> None:  # type: ignore[no-untyped-def]
    tokenizer, texts = make(), [*tiny.sentences(300), *tiny_bpe.docstrings()]
    needed = len(trim(tokenizer, texts, coverage=0.98).kept)
    reached = trim(tokenizer, texts, size=needed - 20).coverage
    told = rf"size {needed - 20} keeps {100 * reached:.3f}%.*asks for 98\.000%; raise size to {needed} "
    with pytest.raises(BadDataError, match=told):
        trim(tokenizer, texts, size=needed - 20, coverage=0.98)
    assert len(trim(tokenizer, texts, size=needed, coverage=0.98).kept) == needed


@pytest.mark.parametrize("coverage", [0.0, -1.0, 99.9, float("nan")])
def test_a_coverage_that_is_no_share_is_refused(coverage: float) -> None:
    with pytest.raises(InputError, match=r"vocabulary\.coverage is"):
        trim(tiny.tokenizer(), TEXTS, coverage=coverage)


@pytest.mark.parametrize("texts", [[], [""], [[]]])
def test_empty_texts_are_refused(texts: list[str]) -> None:
    for tokenizer in (tiny.tokenizer(), tiny_bpe.tokenizer()):
        with pytest.raises(BadDataError, match="the training texts are empty"):
            trim(tokenizer, texts)


@cache
def trimmed_bpe(size: int | None) -> Trimmed:
    return trim(tiny_bpe.tokenizer(), tiny_bpe.docstrings()[::3], size=size)


def check_same_or_spelt(before: TextTokenizer, after: Trimmed, texts: list[str]) -> int:
    """How many texts have all their pieces kept: those are split as before; the others are still spelt whole."""
    before, small = before.cut_at(100_000), after.tokenizer.cut_at(100_000)
    kept, same = set(after.kept), 0
    for text, old, new in zip(texts, before.encode(texts), small.encode(texts), strict=True):
        if kept.issuperset(old.ids):
            same += 1
            assert tuple(after.kept[token] for token in new.ids) == old.ids
            assert new.words == old.words
        if small.merges is not None:
            assert small.decode(new.ids) == text
    return same


@cache
def real_texts() -> list[str]:
    """Sentences of the standard library's docstrings, and some of their words."""
    sentences = [text for passage in standard_library()[::10] for text in (passage.summary, *passage.body.split(". "))]
    return [*sentences, *(word for sentence in sentences[:500] for word in sentence.split())]


@pytest.mark.parametrize("size", [None, 800, 400])
def test_docstrings_whose_pieces_are_kept_are_split_as_before_and_all_are_spelt(size: int | None) -> None:
    assert check_same_or_spelt(tiny_bpe.tokenizer(), trimmed_bpe(size), real_texts()) > 300
    trimmed = trim(tiny.tokenizer(), tiny.sentences(50), size=180)
    assert check_same_or_spelt(tiny.tokenizer(), trimmed, [*real_texts(), *tiny.sentences(500, seed=1)]) > 30


WORDS = st.sampled_from(sorted({word for text in tiny_bpe.docstrings() for word in text.split(" ")}))


@settings(max_examples=300, deadline=None)
@given(st.lists(WORDS | st.text(max_size=8), max_size=12).map(" ".join), st.sampled_from([None, 900, 600, 300]))
def test_any_text_whose_pieces_are_kept_is_split_as_before(text: str, size: int | None) -> None:
    text = text.encode("utf-8", "ignore").decode()  # lone surrogates are no text
    if not any(special in text for special in (*tiny_bpe.SPECIAL, "<mask>")):
        check_same_or_spelt(tiny_bpe.tokenizer(), trimmed_bpe(size), [text])


@pytest.mark.parametrize("size", [None, 800, 400])
def test_kept_pieces_are_closed_under_the_merges_that_build_them(size: int | None) -> None:
    before, small = tiny_bpe.tokenizer(), trimmed_bpe(size).tokenizer
    assert len(small.vocabulary) <= (size or len(before.vocabulary))
    assert before.merges is not None
    assert small.merges is not None
    assert small.merges == tuple(pair for pair in before.merges if {*pair, "".join(pair)} <= small.vocabulary.keys())
    built = {left + right for left, right in small.merges}
    unbuilt = {piece for piece in small.vocabulary if piece not in built}
    assert unbuilt == {piece for piece in before.vocabulary if len(piece) == 1} | {*tiny_bpe.SPECIAL, "<mask>"}
    assert len({piece for piece in unbuilt if len(piece) == 1}) == 256


def test_a_piece_that_two_merges_make_keeps_the_parents_of_both() -> None:
    definition = json.loads(tiny_bpe.definition())
    singles = [piece for piece in definition["model"]["vocab"] if len(piece) == 1]
    pieces = [*tiny_bpe.SPECIAL, *singles, "ab", "bc", "abc", "dab", "<mask>"]
    definition["model"]["vocab"] = {piece: token for token, piece in enumerate(pieces)}
    definition["model"]["merges"] = [["d", "ab"], ["a", "b"], ["b", "c"], ["a", "bc"], ["ab", "c"]]
    definition["added_tokens"][-1]["id"] = len(pieces) - 1
    tokenizer, _ = TextTokenizer.from_definition(json.dumps(definition), max_length=8)
    after = trim(tokenizer, ["abc"])
    assert {"ab", "bc", "abc"} <= after.tokenizer.vocabulary.keys()
    assert "dab" not in after.tokenizer.vocabulary
    assert check_same_or_spelt(tokenizer, after, ["abc", "dabc", "abcabc", "bcab"]) > 0


def test_byte_level_bpe_has_a_floor_of_bytes_and_special_tokens() -> None:
    with pytest.raises(BadDataError, match=r"size is 260, but 261 special tokens and bytes must stay"):
        trim(tiny_bpe.tokenizer(), tiny_bpe.docstrings(), size=260)
    least = trim(tiny_bpe.tokenizer(), tiny_bpe.docstrings(), size=261)
    assert (len(least.kept), least.tokenizer.merges) == (261, ())


def test_words_given_apart_are_counted_as_they_are_encoded() -> None:
    apart = [text.split(" ") for text in tiny_bpe.docstrings()[:200]]
    for tokenizer in (tiny.tokenizer(), tiny_bpe.tokenizer()):
        trimmed = trim(tokenizer, apart)
        before, after = tokenizer.encode_words(apart), trimmed.tokenizer.encode_words(apart)
        assert [row.ids for row in before] == [tuple(trimmed.kept[token] for token in row.ids) for row in after]
        assert (trimmed.coverage, affected(tokenizer, trimmed, apart)) == (1.0, 0)


def test_the_smaller_byte_level_tokenizer_comes_back_and_transformers_reads_it(tmp_path: Path) -> None:
    from transformers import PreTrainedTokenizerFast

    texts, small = list(tiny_bpe.docstrings()[:50]), trimmed_bpe(600).tokenizer.cut_at(1000)
    small.save(tmp_path / "tokenizer.json")
    theirs = PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / "tokenizer.json"))(texts)["input_ids"]
    assert theirs == [list(row.ids) for row in small.encode(texts)]
    assert small.vocabulary["<pad>"] == trimmed_bpe(600).kept[0] == 0
    assert 0 < affected(tiny_bpe.tokenizer(), trimmed_bpe(600), texts) < 1


EUROPEAN = [text for text in tiny_unigram.SENTENCES if text.isascii() or "ö" in text or "é" in text]


@cache
def trimmed_unigram(size: int | None) -> Trimmed:
    return trim(tiny_unigram.tokenizer(), [*EUROPEAN, *tiny.sentences(40)], size=size)


@pytest.mark.parametrize("size", [None, 260])
def test_texts_of_a_unigram_model_whose_pieces_are_kept_are_split_as_before(size: int | None) -> None:
    texts = [*tiny_unigram.SENTENCES, *tiny_unigram.STRANGE, *tiny.sentences(300, seed=1)]
    assert check_same_or_spelt(tiny_unigram.tokenizer(), trimmed_unigram(size), texts) > (100 if size is None else 5)
    assert len(trimmed_unigram(size).kept) <= (size or 400)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(" ".join(tiny_unigram.SENTENCES).split()) | st.text(max_size=8), max_size=12))
def test_any_text_of_a_unigram_model_whose_pieces_are_kept_is_split_as_before(words: list[str]) -> None:
    check_same_or_spelt(
        tiny_unigram.tokenizer(), trimmed_unigram(260), [" ".join(words).encode("utf-8", "ignore").decode()]
    )


def test_scores_the_unknown_and_the_letters_of_the_scripts_that_are_used_stay() -> None:
    """No letter of Latin or Greek is lost by texts that use few of them; Cyrillic and Chinese, which none uses, are."""
    before = tiny_unigram.tokenizer()
    after = trim(before, ["the rain", "ά"], size=None)
    small = after.tokenizer
    assert small.scores == {piece: before.scores[piece] for piece in small.vocabulary}  # type: ignore[index]
    assert min(small.scores.values()) == min(before.scores.values())  # type: ignore[union-attr]
    single = {piece for piece in before.vocabulary if len(piece) == 1}
    assert {"ö", "é", "ι", "z", "▁", "."} & single <= set(small.vocabulary)
    assert not {"ж", "д", "人"} & set(small.vocabulary)
    for text in ("Würde", "ίσοι", "a zebra, quite new"):
        assert small.unknown_id not in small.encode([text])[0].ids or before.unknown_id in before.encode([text])[0].ids


def test_a_vocabulary_of_a_quarter_of_a_million_pieces_is_trimmed_in_seconds() -> None:
    import time

    definition = json.loads(tiny_unigram.definition())
    vocabulary = definition["model"]["vocab"]
    mask = vocabulary.pop()
    vocabulary += [[f"▁w{number}", -9.0 - number / 1e5] for number in range(250_000)]
    definition["added_tokens"][-1]["id"] = len(vocabulary)
    vocabulary.append(mask)
    tokenizer, _ = TextTokenizer.from_definition(json.dumps(definition), max_length=32)
    started = time.process_time()
    after = trim(tokenizer, [f"rain w{number} snow" for number in range(2_000)], size=4_000)
    assert time.process_time() - started < 20
    assert len(after.kept) <= 4_000
