"""How well a model does its task, as one number between 0 and 1 where more is better.

In:  held-out examples' answers, labels, tags or values.
Out: a `Score`: what a model's outputs for them are worth.
Running models is the caller's business, so that the same score judges PyTorch, ExecuTorch and LiteRT alike.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from edgewright.errors import BadDataError
from edgewright.tasks.fidelity import rank_correlation

LABELS_SHOWN = 5
QUERIES_AT_ONCE = 4096
OUTSIDE = "O"  # the tag of a word that is part of nothing


class Score(Protocol):
    """A judge of outputs."""

    @property
    def metric(self) -> str:
        """What the number is, in the field's words."""

    @property
    def texts(self) -> Sequence[str]:
        """The texts whose outputs `of` takes, in this order; none where the examples are images."""

    def of(self, outputs: Tensor) -> float:
        """Outputs (examples, n) → a number from 0 to 1."""

    def details(self, outputs: Tensor) -> Mapping[str, float]:
        """Outputs → further numbers that the field asks for, by their names."""


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
        return float((1.0 / self.ranks(outputs)).mean())

    def of_similarities(self, rows: Callable[[slice], Tensor]) -> float:
        """The score, of `rows`: a slice of the queries → their similarities, (queries of the slice, candidates).

        Candidates as similar as the right one count half a rank each.
        """
        return float((1.0 / self._ranks(rows)).mean())

    def details(self, outputs: Tensor) -> Mapping[str, float]:
        """The share of queries whose right answer is among the first 1 and 10."""
        ranks = self.ranks(outputs)
        return {f"recall at {count}": float((ranks <= count).float().mean()) for count in (1, 10)}

    def ranks(self, outputs: Tensor) -> Tensor:
        """Embeddings as `of` takes them → each query's rank of its right answer, (queries,), 1 where it is first."""
        vectors = torch.nn.functional.normalize(outputs.float(), dim=-1)
        queries, candidates = vectors[: len(self.queries)], vectors[len(self.queries) :]
        return self._ranks(lambda part: queries[part] @ candidates.T)

    def _ranks(self, rows: Callable[[slice], Tensor]) -> Tensor:
        """A part of the queries at a time: all similarities of 60,000 pairs would take 14 GB."""
        starts = range(0, len(self.queries), QUERIES_AT_ONCE)
        parts = [slice(start, start + QUERIES_AT_ONCE) for start in starts]
        return torch.cat([_ranks(rows(part), self.right[part]) for part in parts])


def _ranks(similarities: Tensor, right: Tensor) -> Tensor:
    """(queries, candidates), and each query's right candidate → its rank."""
    similarities = similarities.nan_to_num(nan=-math.inf)  # a comparison with "not a number" would rank it first
    wanted = similarities.gather(1, right[:, None])
    above = (similarities > wanted).sum(dim=1)
    level = (similarities == wanted).sum(dim=1) - 1
    return 1.0 + above + level / 2


class LabelScore:
    """The share of examples, texts or images, whose highest class score is their label's."""

    metric = "accuracy"

    def __init__(self, labels: Sequence[str], known: Sequence[str], *, texts: Sequence[str] = ()) -> None:
        self.texts = tuple(texts)
        self.known = tuple(known)
        self.right = torch.tensor(places_of(labels, known))

    def of(self, outputs: Tensor) -> float:
        """Class scores (examples, classes) → the score."""
        return float((self.chosen(outputs) == self.right).float().mean())

    def chosen(self, outputs: Tensor) -> Tensor:
        """Class scores → the class that is said of each example, (examples,); -1 where a score is not a number."""
        return _chosen(outputs)

    def shown(self, index: int) -> str:
        """An example, for a person."""
        return _example(self.texts, index)

    def details(self, outputs: Tensor) -> Mapping[str, float]:
        """The mean of the classes' own F1, each counting the same however rare it is."""
        chosen = _chosen(outputs)
        each = [_f1(chosen == place, self.right == place) for place in self.right.unique().tolist()]
        return {"macro F1": sum(each) / len(each)}


class TagScore:
    """Micro F1 of the words' tags other than "O"; where there is no such tag, the share of right ones.

    `tags` are those of each text, `texts` the texts themselves, whose words are those that white space parts.
    """

    def __init__(self, tags: Sequence[Sequence[str]], known: Sequence[str], *, texts: Sequence[str]) -> None:
        for place, (text, own) in enumerate(zip(texts, tags, strict=True)):
            if len(text.split()) != len(own):
                raise BadDataError(f"row {place + 1} has {len(text.split())} words, but {len(own)} tags")
        self.texts, self.known = tuple(texts), tuple(known)
        self.right = torch.tensor(
            [place for row, own in enumerate(tags, start=1) for place in places_of(own, known, row=row)]
        )
        self._words = [(text, word) for text in self.texts for word in text.split()]
        self.outside = self.known.index(OUTSIDE) if OUTSIDE in self.known else None
        self.metric = "accuracy of tags" if self.outside is None else "micro F1 of tags"

    def of(self, outputs: Tensor) -> float:
        """Scores of each word's tags, (all words, tags), taken from its first piece → the score.

        A word whose scores are no numbers, because the text was cut before it, is one without the right tag.
        """
        chosen = self.chosen(outputs)
        right = chosen == self.right
        if self.outside is None:
            return float(right.float().mean())
        found = int(((chosen != self.outside) & (chosen >= 0)).sum())
        wanted = int((self.right != self.outside).sum())
        hits = int((right & (self.right != self.outside)).sum())
        return 2 * hits / (found + wanted) if found + wanted else 1.0

    def chosen(self, outputs: Tensor) -> Tensor:
        """Scores of tags → the tag that is said of each word, (all words,); -1 where it has none."""
        return _chosen(outputs)

    def shown(self, index: int) -> str:
        """A word and its text, for a person."""
        text, word = self._words[index]
        return f"{word} | {text}"

    def details(self, outputs: Tensor) -> Mapping[str, float]:
        """The share of right tags, "O" among them."""
        return {"accuracy of tags": float((self.chosen(outputs) == self.right).float().mean())}


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How values become a model's outputs: (value - mean) / std."""

    mean: float = 0.0
    std: float = 1.0

    @classmethod
    def of(cls, values: Sequence[float]) -> "Scale":
        """The scale on which these values have mean 0 and spread 1."""
        numbers = torch.tensor(list(values), dtype=torch.float64)
        spread = float(numbers.std(correction=0))
        return cls(mean=float(numbers.mean()), std=spread if spread > 0 else 1.0)

    def standardised(self, values: Tensor) -> Tensor:
        """Values → what the model should say."""
        return (values - self.mean) / self.std

    def restored(self, outputs: Tensor) -> Tensor:
        """What the model says → values."""
        return outputs * self.std + self.mean


@dataclass(frozen=True, kw_only=True)
class ValueScore:
    """Spearman correlation of values said and right, 0 where it is negative.

    Ranks and not R², which is unbounded below and which one outlier or a drift of scale that any user would calibrate
    away can ruin; how far off the values themselves are is told by the root mean squared error beside it.
    """

    values: Sequence[float]
    texts: Sequence[str] = ()
    scale: Scale = field(default_factory=Scale)
    metric: str = "Spearman correlation"

    def __post_init__(self) -> None:
        if len(set(self.values)) < 2:
            raise BadDataError(
                f"all {len(self.values)} held-out values are the same: there is nothing to rank; add rows"
            )

    def of(self, outputs: Tensor) -> float:
        """Outputs (examples, 1) or (examples,), on the training values' scale → the score."""
        return max(0.0, rank_correlation(outputs.detach().float().flatten().cpu().numpy(), list(self.values)))

    def shown(self, index: int) -> str:
        """An example, for a person."""
        return _example(self.texts, index)

    def details(self, outputs: Tensor) -> Mapping[str, float]:
        """The root mean squared error in the values' own units, and R²."""
        right = torch.tensor(list(self.values), dtype=torch.float64)
        said = self.scale.restored(outputs.detach().flatten().cpu().double())
        error = float(((said - right) ** 2).mean())
        return {"root mean squared error": math.sqrt(error), "R²": 1.0 - error / float(right.var(correction=0))}


def places_of(labels: Sequence[str], known: Sequence[str], *, row: int | None = None) -> list[int]:
    """The class of each label; `row` is where all of them stand, if they are one row's tags.

    Raises `BadDataError` for labels outside the configured range.
    """
    place = {label: index for index, label in enumerate(known)}
    outside = [(row or number, label) for number, label in enumerate(labels, start=1) if label not in place]
    if outside:
        found = "; ".join(f"row {number} has {label!r}" for number, label in outside[:LABELS_SHOWN])
        more = f" and {len(outside) - LABELS_SHOWN} more" if len(outside) > LABELS_SHOWN else ""
        shown = ", ".join(known[:12]) + (f" and {len(known) - 12} more" if len(known) > 12 else "")
        raise BadDataError(
            f"labels outside the configured range: {found}{more}; known are {shown}; "
            "correct the rows or add to task.labels"
        )
    return [place[label] for label in labels]


def _example(texts: Sequence[str], index: int) -> str:
    return texts[index] if texts else f"example {index + 1}"


def _chosen(outputs: Tensor) -> Tensor:
    """The class with the highest score; -1, which is never right, where a score is not a number."""
    return torch.where(outputs.isnan().any(dim=-1), -1, outputs.argmax(dim=-1)).cpu()


def _f1(said: Tensor, right: Tensor) -> float:
    return 2 * int((said & right).sum()) / max(int(said.sum()) + int(right.sum()), 1)
