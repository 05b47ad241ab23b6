"""How much the trainings of a build work on, in tokens or examples, told by the examples alone.

In:  how many examples there are, and of texts how long they are.
Out: a `Workload`, by which the time of a build is reckoned; `estimates` knows how fast this machine is.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

from typing_extensions import override

if TYPE_CHECKING:
    from edgewright.data.texts import Texts
    from edgewright.specs.recipe import Distill, Finetune

SAMPLE_TEXTS = 300
PIECES_A_WORD = 1.4


@dataclass(frozen=True, kw_only=True)
class Workload:
    """So many examples, each of which is one `unit`; `every` counts those besides that have no label.

    `usual_s` are the seconds that stages take on a quiet machine of two cores, where they differ from those of texts.
    """

    unit: str  # in the plural
    train: int
    every: int
    usual_s: Mapping[str, float] = field(default_factory=dict)

    @property
    def usual_size(self) -> int:
        """The units of an example in the middle."""
        return 1

    def fitted(self, settings: Finetune) -> float:
        """The units that fitting the teacher sees, of all epochs together."""
        return settings.epochs * (1 + settings.augment) * self.train

    def recorded(self, settings: Distill) -> int:
        """The units of one epoch of distillation."""
        return max(self.every + settings.augment * self.train, 1)


@dataclass(frozen=True, kw_only=True)
class CausalWorkload(Workload):
    """Documents that a model goes on with, whose units are tokens: so many in one epoch, and in a usual row."""

    tokens: int
    usual: int

    @classmethod
    def of(cls, texts: Sequence[str], *, train: int, max_length: int) -> CausalWorkload:
        """By a seeded sample of the texts that a student sees."""
        sample = random.Random(0).sample(texts, min(SAMPLE_TEXTS, len(texts)))
        sizes = [PIECES_A_WORD * len(text.split()) + 2 for text in sample]
        tokens = round(len(texts) * sum(sizes) / max(len(sizes), 1))
        usual = min(round(median(sizes)), max_length) if sizes else max_length
        return cls(unit="tokens", train=train, every=len(texts), tokens=tokens, usual=usual)

    @property
    @override
    def usual_size(self) -> int:
        return self.usual

    @override
    def recorded(self, settings: Distill) -> int:
        return max(min(self.tokens, settings.tokens or self.tokens), 1)


@dataclass(frozen=True, kw_only=True)
class TextWorkload(Workload):
    """Texts, whose units are tokens; `words` are the lengths of a sample, and none is longer than `max_length`."""

    words: tuple[int, ...]
    max_length: int

    @classmethod
    def of(cls, texts: Texts, max_length: int) -> TextWorkload:
        """By a seeded sample of the texts that a student sees."""
        every = texts.training_texts
        sample = random.Random(0).sample(every, min(SAMPLE_TEXTS, len(every)))
        words = tuple(len(text.split()) for text in sample)
        return cls(unit="tokens", train=len(texts.train), every=len(every), words=words, max_length=max_length)

    @property
    @override
    def usual_size(self) -> int:
        return min(round(PIECES_A_WORD * median(self.words)) + 2, self.max_length)

    @override
    def fitted(self, settings: Finetune) -> float:
        return settings.epochs * self.train * self._mean(self.max_length)

    @override
    def recorded(self, settings: Distill) -> int:
        texts = self.every + settings.augment * self.train
        tokens = round(texts * self._mean(min(settings.max_length, self.max_length)))
        return max(min(tokens, settings.tokens or tokens), 1)

    def _mean(self, longest: int) -> float:
        """Tokens of a text that is cut there."""
        return sum(min(PIECES_A_WORD * words + 2, longest) for words in self.words) / max(len(self.words), 1)
