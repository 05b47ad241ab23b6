"""What counting words alone achieves on a task: the baseline that says whether a network is needed at all.

In:  the held-out texts of a `SearchScore`, or training texts with labels and a `LabelScore`.
Out: `Baseline`: the method's name and its score, to be shown beside the student's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from toolchain.errors import BadDataError
from toolchain.tasks.scores import LabelScore, SearchScore


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


def label_baseline(texts: Sequence[str], labels: Sequence[str], known: Sequence[str], score: LabelScore) -> Baseline:
    """Logistic regression on TF-IDF vectors of words and word pairs, fitted to the training part."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    vectorizer = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2))
    model = LogisticRegression(max_iter=1000, C=10.0)
    place = {label: index for index, label in enumerate(known)}
    model.fit(_fitted(vectorizer, texts), [place[label] for label in labels])
    outputs = torch.zeros(len(score.texts), len(known), dtype=torch.float64)
    outputs[:, model.classes_] = torch.from_numpy(model.predict_proba(vectorizer.transform(score.texts)))
    return Baseline(name="TF-IDF + logistic regression", score=score.of(outputs))


def _fitted(vectorizer: Any, texts: Sequence[str]) -> Any:
    """The texts' vectors. Raises `BadDataError` when there is not one word in them."""
    try:
        return vectorizer.fit_transform(texts)
    except ValueError as error:
        raise BadDataError(f"the texts hold no words ({error}); is the right column named in the recipe?") from error
