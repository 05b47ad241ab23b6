"""What a task is given: examples in their parts, as `data` reads them.

Rooms of one layer keep to themselves, so a task says here what it needs of an example; `data`'s own types have it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray


class TextExample(Protocol):
    """A text, and what its task asks of it; the others are None.

    `cells` are what stands in columns that are the task's own, by its names for them.
    """

    @property
    def text(self) -> str: ...  # noqa: D102
    @property
    def pair(self) -> str | None: ...  # noqa: D102
    @property
    def label(self) -> str | None: ...  # noqa: D102
    @property
    def value(self) -> float | None: ...  # noqa: D102
    @property
    def tags(self) -> tuple[str, ...] | None: ...  # noqa: D102
    @property
    def cells(self) -> tuple[tuple[str, str], ...]: ...  # noqa: D102


class TextExamples(Protocol):
    """The parts of a task's texts, and its labels in the order of the model's classes."""

    @property
    def train(self) -> Sequence[TextExample]: ...  # noqa: D102
    @property
    def validation(self) -> Sequence[TextExample]: ...  # noqa: D102
    @property
    def test(self) -> Sequence[TextExample]: ...  # noqa: D102
    @property
    def labels(self) -> tuple[str, ...]: ...  # noqa: D102


class LabelledImages(Protocol):
    """Images (n, height, width, channels) and a label each."""

    @property
    def pixels(self) -> NDArray[np.uint8]: ...  # noqa: D102
    @property
    def labels(self) -> tuple[str, ...]: ...  # noqa: D102


class ImageExamples(Protocol):
    """The parts of a task's images, and its labels in the order of the model's classes."""

    @property
    def train(self) -> LabelledImages: ...  # noqa: D102
    @property
    def validation(self) -> LabelledImages: ...  # noqa: D102
    @property
    def test(self) -> LabelledImages: ...  # noqa: D102
    @property
    def labels(self) -> tuple[str, ...]: ...  # noqa: D102


class WrittenDocument(Protocol):
    """What is to be written, after a prompt, which may be empty; and where it comes from."""

    @property
    def prompt(self) -> str: ...  # noqa: D102
    @property
    def completion(self) -> str: ...  # noqa: D102
    @property
    def source(self) -> str: ...  # noqa: D102


class WrittenExamples(Protocol):
    """The parts of what is to be written, and the same in the tokens of one model."""

    @property
    def train(self) -> Sequence[WrittenDocument]: ...  # noqa: D102
    @property
    def validation(self) -> Sequence[WrittenDocument]: ...  # noqa: D102
    @property
    def test(self) -> Sequence[WrittenDocument]: ...  # noqa: D102
    @property
    def vocabulary(self) -> int:
        """How many tokens the model knows."""
        ...

    @property
    def baseline_bytes(self) -> int:
        """The most that a method without a network may take."""
        ...

    def counted_bytes(self, part: str) -> Sequence[int]:
        """Of each document of a part, the bytes (in UTF-8) of as much of its completion as a row takes."""
        ...

    def tokens(self, part: str) -> Sequence[NDArray[np.int64]]:
        """Of each document of a part, "extra" among them, the tokens of its completion, (tokens,)."""
        ...


Part = TypeVar("Part", covariant=True)


class Parted(Protocol[Part]):
    """Anything in three parts."""

    @property
    def train(self) -> Part: ...  # noqa: D102
    @property
    def validation(self) -> Part: ...  # noqa: D102
    @property
    def test(self) -> Part: ...  # noqa: D102


def part_of(examples: Parted[Part], name: str) -> Part:
    """The part of this name: "train", "validation" or "test"."""
    return {"train": examples.train, "validation": examples.validation, "test": examples.test}[name]
