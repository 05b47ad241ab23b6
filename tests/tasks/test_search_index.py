"""The corpus of a search bundle: what it finds, and what is said of one that is damaged."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file

from edgewright.errors import BundleError
from edgewright.tasks.search_index import SearchIndex


@pytest.fixture
def index() -> SearchIndex:
    embeddings = np.array([[3.0, 0.0], [0.0, 0.5], [1.0, 1.0]])
    return SearchIndex.of(["first", "second", "third"], ["één", "zwei", "три"], embeddings)


def save(index: SearchIndex, folder: Path) -> tuple[Path, Path]:
    places = folder / "corpus.json", folder / "index.safetensors"
    index.save(*places)
    return places


def test_the_best_match_is_the_text_that_points_the_same_way(index: SearchIndex) -> None:
    (best, second) = index.best([0.0, 9.0], top=2)
    assert (best["title"], best["text"]) == ("second", "zwei")
    assert best["score"] == pytest.approx(1.0, abs=0.01)
    assert second["title"] == "third"
    assert second["score"] == pytest.approx(0.707, abs=0.01)


def test_more_matches_than_texts_gives_all_texts(index: SearchIndex) -> None:
    assert [match["title"] for match in index.best([1.0, 0.1], top=10)] == ["first", "third", "second"]


def test_vectors_are_bytes_and_still_order_as_the_floats_do() -> None:
    random = np.random.default_rng(0)
    embeddings = random.normal(size=(200, 48))
    index = SearchIndex.of([""] * 200, [str(number) for number in range(200)], embeddings)
    assert index.vectors.dtype == np.int8
    for number in range(0, 200, 20):
        assert index.best(embeddings[number], top=1)[0]["text"] == str(number)


def test_an_embedding_of_nothing_but_zeros_is_no_fault(index: SearchIndex) -> None:
    assert [match["score"] for match in index.best([0.0, 0.0], top=3)] == [0.0, 0.0, 0.0]


def test_an_index_comes_back_from_disk_as_it_was(index: SearchIndex, tmp_path: Path) -> None:
    back = SearchIndex.load(*save(index, tmp_path))
    assert (back.titles, back.texts) == (index.titles, index.texts)
    assert np.array_equal(back.vectors, index.vectors)


def test_texts_and_vectors_that_do_not_belong_together_are_refused(index: SearchIndex, tmp_path: Path) -> None:
    corpus, vectors = save(index, tmp_path)
    corpus.write_text(json.dumps({"titles": ["a", "b"], "texts": ["a", "b"]}))
    with pytest.raises(BundleError, match=r"corpus\.json has 2 texts, but there are 3 vectors"):
        SearchIndex.load(corpus, vectors)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"titles": [], "texts": 3}'])
def test_a_damaged_corpus_is_a_bundle_error(index: SearchIndex, tmp_path: Path, content: str) -> None:
    corpus, vectors = save(index, tmp_path)
    corpus.write_text(content)
    with pytest.raises(BundleError):
        SearchIndex.load(corpus, vectors)


@pytest.mark.parametrize("damage", ["missing", "cut", "empty"])
def test_damaged_vectors_are_a_bundle_error(index: SearchIndex, tmp_path: Path, damage: str) -> None:
    corpus, vectors = save(index, tmp_path)
    data = vectors.read_bytes()
    vectors.unlink() if damage == "missing" else vectors.write_bytes(data[:-2] if damage == "cut" else b"")
    with pytest.raises(BundleError, match="build the bundle again"):
        SearchIndex.load(corpus, vectors)


@pytest.mark.parametrize(
    ("vectors", "said"),
    [
        (np.zeros(3, dtype=np.int8), "holds vectors of 1 axes and type int8, not bytes"),
        (np.zeros((3, 2, 1), dtype=np.int8), "holds vectors of 3 axes"),
        (np.zeros((3, 2), dtype=np.float32), "holds vectors of 2 axes and type float32"),
    ],
)
def test_an_index_of_another_rank_or_type_is_refused(
    index: SearchIndex, tmp_path: Path, vectors: NDArray[Any], said: str
) -> None:
    places = save(index, tmp_path)
    save_file({"vectors": vectors}, places[1])
    with pytest.raises(BundleError, match=said):
        SearchIndex.load(*places)


@pytest.mark.parametrize(
    "document",
    ['{"titles": "abc", "texts": "abc"}', '{"titles": [1, 2, 3], "texts": ["a", "b", "c"]}', "[]", "[" * 9999, "{}"],
)
def test_a_corpus_of_something_else_than_texts_is_refused(index: SearchIndex, tmp_path: Path, document: str) -> None:
    places = save(index, tmp_path)
    places[0].write_text(document)
    with pytest.raises(BundleError):
        SearchIndex.load(*places)


def test_an_embedding_of_another_width_is_refused(index: SearchIndex) -> None:
    with pytest.raises(BundleError, match="gave 3 numbers for a text, but the search index has vectors of 2"):
        index.best([1.0, 2.0, 3.0], top=1)
