"""Methods without a network, on examples small enough to be reckoned by hand."""

import numpy as np
import pytest

from edgewright.errors import BadDataError
from edgewright.tasks.baselines import label_baseline, pixel_baseline, search_baseline, tag_baseline, value_baseline
from edgewright.tasks.scores import LabelScore, Scale, TagScore, ValueScore
from edgewright.tasks.search_score import SearchScore


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


def test_texts_without_a_word_are_reported() -> None:
    with pytest.raises(BadDataError, match="the texts hold no words"):
        label_baseline(["?", "!"], ["a", "b"], LabelScore(["a"], ["a", "b"], texts=["?"]))


def test_pixels_alone_tell_light_from_dark() -> None:
    random = np.random.default_rng(0)
    dark, light = (random.integers(low, low + 100, (20, 4, 4, 1), dtype=np.uint8) for low in (0, 150))
    pixels, labels = np.concatenate([dark[:15], light[:15]]), ["dark"] * 15 + ["light"] * 15
    score = LabelScore(["dark"] * 5 + ["light"] * 5, ["dark", "light"])
    baseline = pixel_baseline(pixels, labels, np.concatenate([dark[15:], light[15:]]), score)
    assert (baseline.name, baseline.score) == ("pixels + logistic regression", 1.0)


def stripes(count: int, side: int, seed: int) -> tuple[np.ndarray, list[str]]:
    """Images with stripes that lie or stand, in noise: easy for pixels."""
    random = np.random.default_rng(seed)
    images = random.integers(0, 120, (count, side, side, 3), dtype=np.uint8)
    labels = ["lying" if place % 2 else "standing" for place in range(count)]
    for image, label in zip(images, labels, strict=True):
        band = slice(0, side // 2)
        if label == "lying":
            image[band] += 100
        else:
            image[:, band] += 100
    return images, labels


def test_large_images_are_looked_at_small_and_by_their_components() -> None:
    (pixels, labels), (held_out, right) = stripes(300, 96, 0), stripes(60, 96, 1)
    baseline = pixel_baseline(pixels, labels, held_out, LabelScore(right, ["lying", "standing"]))
    assert baseline.name == "pixels of 32 × 32, 256 components + logistic regression"
    assert baseline.score == 1.0


def test_an_image_that_is_not_square_keeps_its_shape() -> None:
    (pixels, labels), (held_out, right) = stripes(60, 64, 0), stripes(20, 64, 1)
    wide = LabelScore(right, ["lying", "standing"])
    baseline = pixel_baseline(pixels[:, :16], labels, held_out[:, :16], wide)
    assert baseline.name == "pixels of 8 × 32, 59 components + logistic regression"


def test_many_texts_are_a_seeded_sample_and_many_labels_a_descent_and_both_are_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("edgewright.tasks.baselines.MOST_EXAMPLES", 40)
    monkeypatch.setattr("edgewright.tasks.baselines.EXACT_SPARSE_WORK", 100)
    topics = {"weather": "rain snow wind sun", "kitchen": "bread butter cheese salt", "street": "car bus tram bike"}
    texts = [f"{a} and {b}" for words in topics.values() for a in words.split() for b in words.split()] * 4
    labels = [topic for topic in topics for _ in range(16)] * 4
    score = LabelScore(["weather", "kitchen", "street"], sorted(topics), texts=["sun or wind", "salt, bread", "a tram"])
    first, again = (label_baseline(texts, labels, score) for _ in range(2))
    assert first == again
    assert first.name == "TF-IDF + logistic regression by 20 passes of SGD, on 40 of 192 examples"
    assert first.score == 1.0


def test_the_passes_of_a_descent_are_bounded_by_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgewright.tasks.baselines.EXACT_SPARSE_WORK", 1)
    monkeypatch.setattr("edgewright.tasks.baselines.DESCENT_WORK", 500)
    texts, labels = ["ant ape", "bee bat"] * 10, ["a", "b"] * 10
    baseline = label_baseline(texts, labels, LabelScore(["a"], ["a", "b"], texts=["ant"]))
    assert "by 4 passes of SGD" in baseline.name  # 20 texts of 3 features (two words and their pair), 2 labels


def test_values_of_many_texts_are_learnt_from_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgewright.tasks.baselines.MOST_EXAMPLES", 15)
    words = ["awful", "poor", "fair", "good", "great"]
    texts, values = [f"{word} food" for word in words * 6], [100.0 * n for n in range(5)] * 6
    score = ValueScore(values=[0.0, 400.0], texts=["awful place", "great place"], scale=Scale.of(values))
    assert value_baseline(texts, values, score).name.endswith("on 15 of 30 examples")


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
