"""How well a model does its task, as one number between 0 and 1 where more is better.

In:  held-out texts with their answers or labels.
Out: a `Score`: which texts a model must be run on, and what its outputs are worth.
Running models is the caller's business, so that the same score judges PyTorch, ExecuTorch and LiteRT alike.
"""

import math
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor


class Score(Protocol):
    """A judge of outputs."""

    @property
    def metric(self) -> str:
        """What the number is, in the field's words."""

    @property
    def texts(self) -> Sequence[str]:
        """The texts whose outputs `of` takes, in this order."""

    def of(self, outputs: Tensor) -> float:
        """Outputs (texts, n) → a number from 0 to 1."""


class SearchScore:
    """Mean reciprocal rank of the right answer among all held-out answers, by cosine similarity."""

    metric = "mean reciprocal rank"

    def __init__(self, queries: Sequence[str], answers: Sequence[str]) -> None:
        candidates = list(dict.fromkeys(answers))
        place = {answer: index for index, answer in enumerate(candidates)}
        self.queries, self.candidates = tuple(queries), tuple(candidates)
        self.right = torch.tensor([place[answer] for answer in answers])
        self.texts = (*self.queries, *self.candidates)

    def of(self, outputs: Tensor) -> float:
        """Embeddings of the queries, then of the candidates → the score."""
        vectors = torch.nn.functional.normalize(outputs.float(), dim=-1)
        return self.of_similarities(vectors[: len(self.queries)] @ vectors[len(self.queries) :].T)

    def of_similarities(self, similarities: Tensor) -> float:
        """(queries, candidates) → the score; candidates as similar as the right one count half a rank each."""
        similarities = similarities.nan_to_num(nan=-math.inf)  # a comparison with "not a number" would rank it first
        right = similarities.gather(1, self.right[:, None])
        above = (similarities > right).sum(dim=1)
        level = (similarities == right).sum(dim=1) - 1
        return float((1.0 / (1.0 + above + level / 2)).mean())


class LabelScore:
    """The share of texts whose highest class score is their label's."""

    metric = "accuracy"

    def __init__(self, texts: Sequence[str], labels: Sequence[str], known: Sequence[str]) -> None:
        place = {label: index for index, label in enumerate(known)}
        self.texts = tuple(texts)
        self.right = torch.tensor([place[label] for label in labels])

    def of(self, outputs: Tensor) -> float:
        """Class scores (texts, classes) → the score."""
        return float((outputs.argmax(dim=-1) == self.right).float().mean())
