"""How well a model does its task, as one number: mostly between 0 and 1 where more is better.

In:  held-out examples' answers, labels, tags or values.
Out: a `Score`: what a model's outputs for them are worth.
Running models is the caller's business, so that the same score judges PyTorch, ExecuTorch and LiteRT alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.functional import log_softmax

from edgewright.errors import BadDataError
from edgewright.tasks.account import Account, Flip, account_of_choices, account_of_losses, shortened
from edgewright.tasks.fidelity import rank_correlation

LABELS_SHOWN = 5
OUTSIDE = "O"  # the tag of a word that is part of nothing


Asked = Callable[[Tensor], Tensor]
"""Outputs (n, outputs) → how well each says what is asked, (n,)."""


class Score:
    """A judge of outputs. `metric` is what the number is, in the field's words; `specs.metrics` says which is better.

    `texts` are those whose outputs `of` takes, in this order; none where the examples are images.
    """

    metric: str
    texts: Sequence[str] = ()
    is_of_bytes = False  # whether it is the bits that a text's tokens take for each of its bytes

    def of(self, outputs: Tensor) -> float:
        """Outputs (examples, n) → a number, from 0 to 1 where more is better."""
        raise NotImplementedError

    def details(self, outputs: Tensor) -> Mapping[str, float]:
        """Outputs → further numbers that the field asks for, by their names."""
        return {}

    def account(self, teacher: Tensor, student: Tensor) -> Account | None:
        """What changed from one model's outputs to the other's; None for a score of no single examples."""
        return None

    def asked(self, outputs: Tensor, index: int) -> Asked:
        """How well a model answers one of the examples, given its outputs for all of them; by default the output."""
        return lambda output: output.flatten()


class LabelScore(Score):
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

    def account(self, teacher: Tensor, student: Tensor) -> Account:
        """What each class lost, and which answers flipped."""
        return account_of_choices(self, teacher, student)

    def asked(self, outputs: Tensor, index: int) -> Asked:
        """The log-probability of the right class."""
        right = int(self.right[index])
        return lambda output: log_softmax(output, dim=-1)[:, right]

    def shown(self, index: int) -> str:
        """An example, for a person."""
        return _example(self.texts, index)

    def details(self, outputs: Tensor) -> Mapping[str, float]:
        """The mean of the classes' own F1, each counting the same however rare it is."""
        chosen = _chosen(outputs)
        each = [_f1(chosen == place, self.right == place) for place in self.right.unique().tolist()]
        return {"macro F1": sum(each) / len(each)}


class TagScore(Score):
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
        predicted = int(((chosen != self.outside) & (chosen >= 0)).sum())
        wanted = int((self.right != self.outside).sum())
        hits = int((right & (self.right != self.outside)).sum())
        return 2 * hits / (predicted + wanted) if predicted + wanted else 1.0

    def chosen(self, outputs: Tensor) -> Tensor:
        """Scores of tags → the tag that is said of each word, (all words,); -1 where it has none."""
        return _chosen(outputs)

    def account(self, teacher: Tensor, student: Tensor) -> Account:
        """What each tag lost, and which answers flipped."""
        return account_of_choices(self, teacher, student)

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
    def of(cls, values: Sequence[float]) -> Scale:
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
class ValueScore(Score):
    """Spearman correlation of values said and right, 0 where it is negative.

    Ranks and not R², which is unbounded below and which one outlier or a drift of scale that any user would calibrate
    away can ruin; how far off the values themselves are is said by the root mean squared error beside it.
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

    def account(self, teacher: Tensor, student: Tensor) -> Account:
        """The values that are further off, in their own unit."""
        right = torch.tensor(list(self.values), dtype=torch.float64)
        before, after = (self._restored(outputs) for outputs in (teacher, student))

        def flip(index: int) -> Flip:
            return Flip(
                index=index,
                text=shortened(self.shown(index)),
                expected=f"{right[index]:.4g}",
                teacher=f"{before[index]:.4g}",
                student=f"{after[index]:.4g}",
            )

        return account_of_losses((after - right).abs() - (before - right).abs(), flip)

    def shown(self, index: int) -> str:
        """An example, for a person."""
        return _example(self.texts, index)

    def _restored(self, outputs: Tensor) -> Tensor:
        return self.scale.restored(outputs.detach().flatten().cpu().double())

    def details(self, outputs: Tensor) -> Mapping[str, float]:
        """The root mean squared error in the values' own units, and R²."""
        right = torch.tensor(list(self.values), dtype=torch.float64)
        error = float(((self._restored(outputs) - right) ** 2).mean())
        return {"root mean squared error": math.sqrt(error), "R²": 1.0 - error / float(right.var(correction=0))}


def places_of(labels: Sequence[str], known: Sequence[str], *, row: int | None = None) -> list[int]:
    """The class of each label; `row` is where all of them stand, if they are one row's tags.

    Raises `BadDataError` for labels outside the configured range.
    """
    place = {label: index for index, label in enumerate(known)}
    outside = [(row or number, label) for number, label in enumerate(labels, start=1) if label not in place]
    if outside:
        rows = "; ".join(f"row {number} has {label!r}" for number, label in outside[:LABELS_SHOWN])
        more = f" and {len(outside) - LABELS_SHOWN} more" if len(outside) > LABELS_SHOWN else ""
        shown = ", ".join(known[:12]) + (f" and {len(known) - 12} more" if len(known) > 12 else "")
        raise BadDataError(
            f"labels outside the configured range: {rows}{more}; known are {shown}; "
            "correct the rows or add to task.labels"
        )
    return [place[label] for label in labels]


def _example(texts: Sequence[str], index: int) -> str:
    return texts[index] if texts else f"example {index + 1}"


def _chosen(outputs: Tensor) -> Tensor:
    """The class with the highest score; -1, which is never right, where a score is not a number."""
    return torch.where(outputs.isnan().any(dim=-1), -1, outputs.argmax(dim=-1)).cpu()


def _f1(predicted: Tensor, right: Tensor) -> float:
    return 2 * int((predicted & right).sum()) / max(int(predicted.sum()) + int(right.sum()), 1)
