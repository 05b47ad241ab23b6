"""What counting words, or pixels alone, achieves on a task: the baseline that says whether a network is needed at all.

In:  training examples with their answers, and the `Score` that judges the held-out ones.
Out: `Baseline`: the method's name and its score, to be shown beside the student's.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from toolchain.errors import BadDataError
from toolchain.tasks.scores import LabelScore, SearchScore, TagScore, ValueScore, places_of


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
    similarities = torch.from_numpy((queries @ candidates.T).toarray())
    return Baseline(name="TF-IDF", score=score.of_similarities(similarities))


def label_baseline(texts: Sequence[str], labels: Sequence[str], score: LabelScore) -> Baseline:
    """Logistic regression on TF-IDF vectors of words and word pairs, fitted to the training part."""
    vectorizer = _words_and_pairs()
    known, held_out = _fitted(vectorizer, texts), vectorizer.transform(score.texts)
    outputs = _logistic(known, labels, held_out, score.known, strength=10.0)
    return Baseline(name="TF-IDF + logistic regression", score=score.of(outputs))


def pixel_baseline(
    pixels: NDArray[np.uint8], labels: Sequence[str], held_out: NDArray[np.uint8], score: LabelScore
) -> Baseline:
    """Logistic regression on an image's pixels, (images, height, width, channels), fitted to the training part."""
    known, asked = (images.reshape(len(images), -1).astype(np.float32) / 255 for images in (pixels, held_out))
    outputs = _logistic(known, labels, asked, score.known, strength=1.0)
    return Baseline(name="pixels + logistic regression", score=score.of(outputs))


def value_baseline(texts: Sequence[str], values: Sequence[float], score: ValueScore) -> Baseline:
    """Ridge regression on TF-IDF vectors of words and word pairs, fitted to the training part."""
    from sklearn.linear_model import Ridge

    vectorizer = _words_and_pairs()
    model = Ridge().fit(_fitted(vectorizer, texts), np.asarray(values))
    said = torch.from_numpy(model.predict(vectorizer.transform(score.texts)))
    return Baseline(name="TF-IDF + ridge regression", score=score.of(score.scale.standardised(said)))


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


def _words_and_pairs() -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2))


def _logistic(
    examples: Any, labels: Sequence[str], held_out: Any, known: Sequence[str], *, strength: float
) -> torch.Tensor:
    """Probabilities (held-out examples, known labels); 0 for a label that no training example has."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(max_iter=1000, C=strength).fit(examples, places_of(labels, known))
    outputs = torch.zeros(held_out.shape[0], len(known), dtype=torch.float64)
    outputs[:, model.classes_] = torch.from_numpy(model.predict_proba(held_out)).double()
    return outputs


def _fitted(vectorizer: Any, texts: Sequence[str]) -> Any:
    """The texts' vectors. Raises `BadDataError` when there is not one word in them."""
    try:
        return vectorizer.fit_transform(texts)
    except ValueError as error:
        raise BadDataError(f"the texts hold no words ({error}); is the right column named in the recipe?") from error
