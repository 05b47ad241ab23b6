"""The task of a label for each text."""

from typing import Any

import torch

from edgewright.data.texts import Example, Texts
from edgewright.tasks.table import task_of


def texts(*train: Example, test: tuple[Example, ...] = (), **more: Any) -> Texts:
    return Texts(train=train, validation=(), test=test, **more)


def test_targets_are_places_among_the_labels() -> None:
    rows = texts(Example(text="a", label="y"), Example(text="b", label="x"), configured=("y", "z", "x"))
    assert torch.stack(list(task_of("classification").targets(rows))).tolist() == [0, 2]
