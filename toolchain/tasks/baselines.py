"""What counting words, or pixels alone, achieves on a task: the baseline that says whether a network is needed at all.

In:  training examples with their answers, and the `Score` that judges the held-out ones.
Out: `Baseline`: the method's name and its score, to be shown beside the student's.
A baseline is bounded by work and takes a minute at most: of many examples it is fitted to a seeded sample, of large
images to smaller ones and their principal components, and where words, labels and examples are many it is trained by
stochastic gradient descent. Its name says what was done; all held-out examples are judged.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from edgewright.errors import BadDataError
from edgewright.tasks.scores import LabelScore, TagScore, ValueScore, places_of
from edgewright.tasks.search_score import SearchScore

MOST_EXAMPLES = 20_000  # that a baseline is fitted to
LARGEST_SIDE = 32  # in pixels, of images that are looked at pixel by pixel
COMPONENTS = 256  # the most features that logistic regression of pixels is fitted to
# Numbers of the examples (of sparse ones those that are not 0) times labels that logistic regression is solved for.
EXACT_SPARSE_WORK, EXACT_DENSE_WORK = 20_000_000, 200_000_000
DESCENT_WORK = 2_000_000_000  # the same, times passes over the examples
MOST_PASSES, FEWEST_PASSES = 20, 2

Each = TypeVar("Each")


class SparseRows(Protocol):
    """A matrix of SciPy's of which most numbers are 0, (texts, words); `nnz` counts the others."""

    @property
    def shape(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def nnz(self) -> int: ...  # noqa: D102
    @property
    def T(self) -> SparseRows: ...  # noqa: D102
    def __getitem__(self, part: slice | Sequence[int] | int, /) -> SparseRows: ...
    def __matmul__(self, other: SparseRows, /) -> SparseRows: ...
    def toarray(self) -> NDArray[np.float64]: ...  # noqa: D102


class Vectorizer(Protocol):
    """What makes vectors of texts in scikit-learn."""

    def fit_transform(self, texts: Sequence[str], /) -> SparseRows: ...  # noqa: D102
    def transform(self, texts: Sequence[str], /) -> SparseRows: ...  # noqa: D102


Vectors: TypeAlias = "NDArray[np.float32] | SparseRows"


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """A method without a network, and what it scores."""

    name: str
    score: float


def search_baseline(score: SearchScore) -> Baseline:
    """Cosine of TF-IDF vectors; the word statistics are those of the held-out texts, as an index would have them."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectors = _fitted(TfidfVectorizer(sublinear_tf=True), score.texts)
    queries, candidates = vectors[: len(score.queries)], vectors[len(score.queries) :]
    similarities = lambda part: torch.from_numpy((queries[part] @ candidates.T).toarray())  # noqa: E731
    return Baseline(name="TF-IDF", score=score.of_similarities(similarities))


def label_baseline(texts: Sequence[str], labels: Sequence[str], score: LabelScore) -> Baseline:
    """Logistic regression on TF-IDF vectors of words and word pairs, fitted to the training part."""
    places, of_all = _sampled(len(texts))
    vectorizer = _words_and_pairs()
    known, held_out = _fitted(vectorizer, _chosen(texts, places)), vectorizer.transform(score.texts)
    outputs, how = _logistic(known, _chosen(labels, places), held_out, score.known, strength=10.0)
    return Baseline(name=f"TF-IDF + logistic regression{how}{of_all}", score=score.of(outputs))


def pixel_baseline(
    pixels: NDArray[np.uint8], labels: Sequence[str], held_out: NDArray[np.uint8], score: LabelScore
) -> Baseline:
    """Logistic regression on an image's pixels, (images, height, width, channels), fitted to the training part."""
    places, of_all = _sampled(len(pixels))
    known, asked = _small(pixels[places]), _small(held_out)
    size = _small_size(pixels.shape[1:3])
    what = "pixels" if size == pixels.shape[1:3] else f"pixels of {size[0]} × {size[1]}"
    if known.shape[1] > COMPONENTS and len(known) > 1:
        from sklearn.decomposition import PCA

        count = min(COMPONENTS, len(known) - 1)
        components = PCA(count, svd_solver="randomized", random_state=0).fit(known)
        known, asked, what = components.transform(known), components.transform(asked), f"{what}, {count} components"
    outputs, how = _logistic(known, _chosen(labels, places), asked, score.known, strength=1.0)
    return Baseline(name=f"{what} + logistic regression{how}{of_all}", score=score.of(outputs))


def value_baseline(texts: Sequence[str], values: Sequence[float], score: ValueScore) -> Baseline:
    """Ridge regression on TF-IDF vectors of words and word pairs, fitted to the training part."""
    from sklearn.linear_model import Ridge

    places, of_all = _sampled(len(texts))
    vectorizer = _words_and_pairs()
    model = Ridge().fit(_fitted(vectorizer, _chosen(texts, places)), np.asarray(values)[places])
    predicted = torch.from_numpy(model.predict(vectorizer.transform(score.texts)))
    return Baseline(name=f"TF-IDF + ridge regression{of_all}", score=score.of(score.scale.standardised(predicted)))


def tag_baseline(texts: Sequence[str], tags: Sequence[Sequence[str]], score: TagScore) -> Baseline:
    """Each word's most frequent tag in the training part, whatever stands around it; for an unknown one that of all."""
    counts: defaultdict[str, Counter[int]] = defaultdict(Counter)
    overall: Counter[int] = Counter()
    for row, (text, own) in enumerate(zip(texts, tags, strict=True), start=1):
        for word, place in zip(text.split(), places_of(own, score.known, row=row), strict=True):
            counts[word.lower()][place] += 1
            overall[place] += 1
    ((usual, _),) = overall.most_common(1)
    words = [word.lower() for text in score.texts for word in text.split()]
    chosen = [counts[word].most_common(1)[0][0] if word in counts else usual for word in words]
    outputs = torch.nn.functional.one_hot(torch.tensor(chosen), len(score.known)).float()
    return Baseline(name="most frequent tag of each word", score=score.of(outputs))


def _words_and_pairs() -> Vectorizer:
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer: Vectorizer = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2))
    return vectorizer


def _sampled(count: int) -> tuple[list[int], str]:
    """The places of the examples that a baseline is fitted to, and what its name says where these are not all."""
    if count <= MOST_EXAMPLES:
        return list(range(count)), ""
    return sorted(random.Random(0).sample(range(count), MOST_EXAMPLES)), f", on {MOST_EXAMPLES} of {count} examples"


def _chosen(each: Sequence[Each], places: Sequence[int]) -> list[Each]:
    return [each[place] for place in places]


def _small_size(size: Sequence[int]) -> tuple[int, int]:
    """(height, width) of an image whose longer side is at most `LARGEST_SIDE`."""
    share = min(1.0, LARGEST_SIDE / max(size))
    return (max(1, round(size[0] * share)), max(1, round(size[1] * share)))


def _small(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Bytes (images, height, width, channels) → (images, values) from 0 to 1, of small images, means of areas."""
    size = _small_size(images.shape[1:3])
    rows = []
    for start in range(0, len(images), 256):
        part = torch.from_numpy(images[start : start + 256]).permute(0, 3, 1, 2).float() / 255
        resized = part if size == tuple(part.shape[2:]) else torch.nn.functional.adaptive_avg_pool2d(part, size)
        rows.append(resized.permute(0, 2, 3, 1).reshape(len(part), -1).numpy())
    pixels: NDArray[np.float32] = np.concatenate(rows)
    return pixels


def _logistic(
    examples: Vectors, labels: Sequence[str], held_out: Vectors, known: Sequence[str], *, strength: float
) -> tuple[torch.Tensor, str]:
    """Probabilities (held-out examples, known labels), 0 for a label that no training example has; how they were got.

    Where it would be more work than that it is trained by stochastic gradient descent, for so many passes over
    the examples as `DESCENT_WORK` leaves.
    """
    from sklearn.linear_model import LogisticRegression, SGDClassifier

    places = places_of(labels, known)
    if isinstance(examples, np.ndarray):
        values, most = examples.size, EXACT_DENSE_WORK
    else:
        values, most = examples.nnz, EXACT_SPARSE_WORK
    work = values * len(set(places))
    if work <= most:
        model, how = LogisticRegression(max_iter=1000, C=strength), ""
    else:
        passes = max(FEWEST_PASSES, min(MOST_PASSES, DESCENT_WORK // work))
        alpha = 1 / (strength * len(places))  # the same penalty, as a mean over examples
        model = SGDClassifier(loss="log_loss", alpha=alpha, max_iter=passes, tol=None, random_state=0)
        how = f" by {passes} passes of SGD"
    model.fit(examples, places)
    outputs = torch.zeros(held_out.shape[0], len(known), dtype=torch.float64)
    outputs[:, model.classes_] = torch.from_numpy(model.predict_proba(held_out)).double()
    return outputs, how


def _fitted(vectorizer: Vectorizer, texts: Sequence[str]) -> SparseRows:
    """The texts' vectors. Raises `BadDataError` when there is not one word in them."""
    try:
        return vectorizer.fit_transform(texts)
    except ValueError as error:
        raise BadDataError(f"the texts hold no words ({error}); is the right column named in the recipe?") from error
