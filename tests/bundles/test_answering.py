"""Outputs that do not fit what the manifest says are a fault of the bundle."""

from typing import Any

import pytest

from edgewright.bundles.answering import _require_fitting
from edgewright.bundles.schema import TaskFacts
from edgewright.errors import BundleError


def task(kind: Any, *labels: str) -> TaskFacts:
    return TaskFacts(kind=kind, metric="accuracy", max_length=16, labels=labels)


@pytest.mark.parametrize(
    ("facts", "numbers"),
    [
        (task("classification", "a", "b"), 3),
        (task("classification", "a", "b"), 1),
        (task("token-classification", "O", "B"), 5),
        (task("regression"), 0),
        (task("regression"), 2),
    ],
)
def test_too_few_or_too_many_labels_are_told(facts: TaskFacts, numbers: int) -> None:
    with pytest.raises(BundleError, match=f"the model gave {numbers} numbers, which are not those of"):
        _require_fitting(facts, [0.0] * numbers)


def test_outputs_that_fit_pass() -> None:
    _require_fitting(task("classification", "a", "b"), [0.0, 1.0])
    _require_fitting(task("token-classification", "O", "B"), [0.0] * 6)
    _require_fitting(task("embedding"), [0.0] * 7)
    _require_fitting(task("regression"), [0.0])
