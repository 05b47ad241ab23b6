"""Methods without a network, on examples small enough to be reckoned by hand."""

import numpy as np
import pytest

from toolchain.errors import BadDataError
from toolchain.tasks.baselines import label_baseline, pixel_baseline, search_baseline, tag_baseline, value_baseline
from toolchain.tasks.scores import LabelScore, Scale, SearchScore, TagScore, ValueScore


def test_counting_words_finds_the_answers_that_share_them() -> None:
    queries = ["open a zip archive", "parse command line options", "sort a list of numbers"]
    answers = ["the archive is a zip file", "options of a command on its line", "numbers in a list, in order"]
    baseline = search_baseline(SearchScore(queries, answers))
    assert (baseline.name, baseline.score) == ("TF-IDF", 1.0)
    shuffled = search_baseline(SearchScore(queries, [*answers[1:], answers[0]]))
    assert shuffled.score < 0.6


def test_counting_words_learns_labels_and_knows_no_more_than_words() -> None:
    texts = ["rain and snow", "snow and wind", "bread and butter", "butter and cheese"] * 3
    labels = ["weather", "weather", "kitchen", "kitchen"] * 3
    known = ["kitchen", "weather"]
    easy = LabelScore(["weather", "kitchen"], known, texts=["wind with rain", "cheese on bread"])
    baseline = label_baseline(texts, labels, easy)
    assert (baseline.name, baseline.score) == ("TF-IDF + logistic regression", 1.0)
    same = LabelScore(["weather", "kitchen"], known, texts=["unheard", "unseen"])
    assert label_baseline(texts, labels, same).score == 0.5


def test_a_baseline_of_labels_keeps_them_in_order_and_never_says_one_it_has_not_seen() -> None:
    known = ["a", "never", "b", "c"]
    texts, labels = ["ant ape", "ant cow", "bee bat", "bee dog", "cat cod", "cat emu"], ["a", "a", "b", "b", "c", "c"]
    score = LabelScore(["a", "b", "c"], known, texts=["ant", "bee", "cat"])
    assert label_baseline(texts, labels, score).score == 1.0


def test_texts_without_a_word_are_told() -> None:
    with pytest.raises(BadDataError, match="the texts hold no words"):
        label_baseline(["?", "!"], ["a", "b"], LabelScore(["a"], ["a", "b"], texts=["?"]))


def test_pixels_alone_tell_light_from_dark() -> None:
    random = np.random.default_rng(0)
    dark, light = (random.integers(low, low + 100, (20, 4, 4, 1), dtype=np.uint8) for low in (0, 150))
    pixels, labels = np.concatenate([dark[:15], light[:15]]), ["dark"] * 15 + ["light"] * 15
    score = LabelScore(["dark"] * 5 + ["light"] * 5, ["dark", "light"])
    baseline = pixel_baseline(pixels, labels, np.concatenate([dark[15:], light[15:]]), score)
    assert (baseline.name, baseline.score) == ("pixels + logistic regression", 1.0)


def test_counting_words_ranks_values_and_says_them_in_their_unit() -> None:
    words = ["awful", "poor", "fair", "good", "great"]
    texts, values = [f"{word} food" for word in words * 6], [100.0 * n for n in range(5)] * 6
    score = ValueScore(
        values=[0.0, 200.0, 400.0], texts=["awful place", "fair place", "great place"], scale=Scale.of(values)
    )
    baseline = value_baseline(texts, values, score)
    assert (baseline.name, baseline.score) == ("TF-IDF + ridge regression", pytest.approx(1.0))


def test_each_word_has_its_most_frequent_tag_and_an_unknown_one_that_of_all() -> None:
    texts, tags = ["Anna sees Paris", "anna sleeps", "Paris sleeps", "paris smiles now"], ["AOB", "AO", "BO", "AOO"]
    score = TagScore(["AOB", "OO"], "OAB", texts=["ANNA sleeps Paris", "who knows"])
    baseline = tag_baseline(texts, tags, score)
    assert (baseline.name, baseline.score) == ("most frequent tag of each word", 1.0)
