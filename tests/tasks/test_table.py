"""Every task there is, by the name that a recipe gives."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from edgewright.data.texts import Example, Texts
from edgewright.specs.recipe import TaskSettings
from edgewright.tasks.table import TASKS, task_of


def texts(*train: Example, test: tuple[Example, ...] = (), **more: Any) -> Texts:
    return Texts(train=train, validation=(), test=test, **more)


def test_a_recipe_may_name_every_task_there_is_and_no_other() -> None:
    for kind in TASKS:
        assert TaskSettings(kind=kind).description is TASKS[kind]
    with pytest.raises(ValidationError, match="did you mean regression"):
        TaskSettings(kind="regresion")


@pytest.mark.parametrize(
    ("kind", "count"),
    [
        ("embedding", 0),
        ("classification", 3),
        ("token-classification", 3),
        ("regression", 1),
        ("image-classification", 3),
    ],
)
def test_the_head_has_as_many_outputs_as_the_kind_asks_for(kind: str, count: int) -> None:
    assert task_of(kind).outputs(("a", "b", "c")) == count
    assert task_of(kind).per_token == (kind == "token-classification")


@pytest.mark.parametrize("kind", TASKS)
def test_a_perfect_imitation_costs_nothing_and_another_costs_something(kind: str) -> None:
    output = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    for temperature in (1.0, 4.0):
        assert task_of(kind).imitation(output, output, temperature=temperature) == pytest.approx(0.0, abs=1e-6)
        assert task_of(kind).imitation(-output, output, temperature=temperature) > 0.1


def test_scores_and_baselines_are_made_of_the_examples_of_a_part() -> None:
    held = (Example(text="snow falls", pair="it snows", label="y", value=1.0, tags=("O", "O")),)
    held += (replace(held[0], text="bread bakes", label="x", value=2.0, tags=("B", "O")),)
    train = tuple(replace(row, text=f"{row.text} now", tags=(*(row.tags or ()), "O")) for row in held * 3)
    rows = texts(*train, test=held)
    metrics = {"embedding": "mean reciprocal rank", "classification": "accuracy", "regression": "Spearman correlation"}
    for kind, metric in metrics.items():
        score = task_of(kind).score(rows)
        assert score.metric == metric
        assert score.texts[:2] == ("snow falls", "bread bakes")
        assert 0 <= task_of(kind).baseline(rows, score).score <= 1
    tagged = replace(rows, configured=("B", "O"))
    score = task_of("token-classification").score(tagged)
    assert score.metric == "micro F1 of tags"
    assert task_of("token-classification").baseline(tagged, score).score == 1.0
