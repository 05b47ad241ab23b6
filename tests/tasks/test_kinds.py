"""What each kind of task asks: targets, losses by hand, imitation, and scores made of held-out examples."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional

from edgewright.data.images import ImagePart, Images, load_images
from edgewright.data.texts import Example, Texts
from edgewright.errors import BadDataError, InputError
from edgewright.specs.recipe import Data, TaskSettings
from edgewright.tasks.table import TASKS, task_of
from edgewright.tasks.token_classification import IGNORED
from tests import tiny


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


def test_an_embedding_has_nothing_to_be_fitted_to() -> None:
    with pytest.raises(InputError, match=r"used as it is; remove stages\.finetune"):
        task_of("embedding").loss(torch.ones(1, 2), torch.ones(1))


def test_targets_are_places_among_the_labels() -> None:
    rows = texts(Example(text="a", label="y"), Example(text="b", label="x"), configured=("y", "z", "x"))
    assert torch.stack(list(task_of("classification").targets(rows))).tolist() == [0, 2]


@pytest.mark.parametrize("kind", ["classification", "token-classification", "image-classification"])
def test_a_target_outside_the_configured_range_is_told_with_its_row_and_what_is_known(kind: str) -> None:
    if kind == "image-classification":
        part = ImagePart(pixels=np.zeros((2, 1, 1, 1), dtype=np.uint8), labels=("x", "z"), names=("a", "b"))
        rows: Any = Images(train=part, validation=part, test=part, extra=part, configured=("x", "y"))
    else:
        rows = texts(
            Example(text="a", label="x", tags=("x",)),
            Example(text="b c", label="z", tags=("x", "z")),
            configured=("x", "y"),
        )
    with pytest.raises(BadDataError, match="labels outside the configured range: row 2 has 'z'; known are x, y"):
        task_of(kind).targets(rows)


def test_a_value_that_is_no_finite_number_is_told_with_its_row() -> None:
    for value in (math.nan, math.inf, None):
        with pytest.raises(BadDataError, match=f"row 2 has the value {value}; values must be finite"):
            task_of("regression").targets(texts(Example(text="a", value=1.0), Example(text="b", value=value)))


def test_values_are_learned_on_a_scale_of_mean_0_and_spread_1() -> None:
    rows = texts(*(Example(text=str(n), value=1e6 + n) for n in range(9)))
    targets = torch.stack(list(task_of("regression").targets(rows)))
    assert targets.mean() == pytest.approx(0, abs=1e-6)
    assert targets.std(correction=0) == pytest.approx(1)
    task = task_of("regression")
    assert task.standardised
    assert task.scale(rows).restored(targets.double()).tolist() == pytest.approx([1e6 + n for n in range(9)])
    assert task.loss(torch.zeros(9, 1), targets) == pytest.approx(1)


def test_the_loss_of_labels_is_cross_entropy() -> None:
    output = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    by_hand = (math.log(1 + math.exp(-2)) + math.log(1 + math.exp(1))) / 2
    assert task_of("classification").loss(output, torch.tensor([0, 0])) == pytest.approx(by_hand)


def test_the_loss_of_tags_leaves_out_all_pieces_that_speak_for_no_word() -> None:
    task, output = task_of("token-classification"), torch.randn(2, 4, 3)
    targets = torch.tensor([[IGNORED, 1, IGNORED, IGNORED], [IGNORED, 2, 0, IGNORED]])
    chosen = functional.cross_entropy(output[targets != IGNORED], targets[targets != IGNORED])
    assert task.loss(output, targets) == pytest.approx(float(chosen))
    assert task.loss(output, torch.full((2, 4), IGNORED)) == 0.0


@pytest.mark.parametrize("kind", TASKS)
def test_a_perfect_imitation_costs_nothing_and_another_costs_something(kind: str) -> None:
    output = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    for temperature in (1.0, 4.0):
        assert task_of(kind).imitation(output, output, temperature=temperature) == pytest.approx(0.0, abs=1e-6)
        assert task_of(kind).imitation(-output, output, temperature=temperature) > 0.1


def test_a_softened_imitation_keeps_the_size_of_its_gradient() -> None:
    """Hinton et al. 2015: at a high temperature the gradient is that of the logits' squared error, over the classes."""
    output, wanted = torch.randn(8, 5), torch.randn(8, 5)
    output, wanted = (each - each.mean(dim=-1, keepdim=True) for each in (output, wanted))
    output.requires_grad_()
    loss = task_of("classification").imitation(output, wanted, temperature=1000.0)
    (gradient,) = torch.autograd.grad(loss, output)
    assert torch.allclose(gradient, (output - wanted).detach() / 5 / 8, atol=1e-4)


def test_an_embedding_is_imitated_in_direction_alone() -> None:
    output = torch.randn(6, 4)
    assert task_of("embedding").imitation(5 * output, output, temperature=1.0) == pytest.approx(0.0, abs=1e-6)


def test_the_target_of_a_word_stands_at_its_first_piece_and_nowhere_else() -> None:
    rows = tiny.tokenizer().encode_words([["warmest", "rain"], ["rain"]])
    assert len(rows[0].ids) == 5  # [CLS] warm ##est rain [SEP]
    first, second = task_of("token-classification").aligned([torch.tensor([2, 1]), torch.tensor([0])], rows)
    assert first.tolist() == [IGNORED, 2, IGNORED, 1, IGNORED]
    assert second.tolist() == [IGNORED, 0, IGNORED]


def test_words_behind_the_maximum_length_have_no_target_and_no_outputs() -> None:
    from edgewright.models.inputs import first_pieces

    words = ["rain"] * 12
    rows = tiny.tokenizer().cut_at(8).encode_words([words])
    (pieces,) = task_of("token-classification").aligned([torch.arange(12)], rows)
    assert pieces.tolist() == [IGNORED, 0, 1, 2, 3, 4, 5, IGNORED]
    found = first_pieces([torch.randn(8, 3)], rows, [12])
    assert found.isnan().all(dim=-1).tolist() == [False] * 6 + [True] * 6


def test_more_words_than_tags_are_told_with_their_row() -> None:
    rows = tiny.tokenizer().encode_words([["rain"], ["rain", "snow"]])
    with pytest.raises(BadDataError, match="row 2 has 2 words or more, but 1 tags"):
        task_of("token-classification").aligned([torch.tensor([0])] * 2, rows)


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


def test_digits_are_scored_and_have_a_baseline_of_pixels() -> None:
    images = load_images(Data(builtin="digits"), TaskSettings(kind="image-classification"))
    task = task_of("image-classification")
    score = task.score(images)
    baseline = task.baseline(images, score)
    assert baseline.name == "pixels + logistic regression"
    assert 0.9 < baseline.score < 1.0
    assert len(task.targets(images)) == len(images.train)


def test_tagged_words_reach_the_score_from_a_file(tmp_path: Path) -> None:
    from edgewright.data.texts import load_texts

    path = tmp_path / "a.conll"
    path.write_text("\n".join(f"rain{n} B\nfalls O\nfalls O\n" for n in range(30)))
    examples = load_texts(Data(file=path), TaskSettings(kind="token-classification"))
    task = task_of("token-classification")
    assert task.baseline(examples, task.score(examples)).score == pytest.approx(0.0)  # every "rain…" is a new word
