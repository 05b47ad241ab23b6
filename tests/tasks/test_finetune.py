"""Fitting a teacher to labels, tags and values."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

from edgewright.errors import BadDataError, TrainingError
from edgewright.models import teacher as teachers
from edgewright.models.inputs import ImageInputs, TextInputs, first_pieces
from edgewright.models.model import TransformerModel
from edgewright.models.text import outputs
from edgewright.specs.recipe import Finetune, ModelSource
from edgewright.tasks.finetune import finetune
from edgewright.tasks.scores import LabelScore
from edgewright.tasks.table import task_of
from tests import tiny

TAGS = ("O", *tiny.LABELS)


@dataclass(frozen=True)
class Row:
    text: str
    pair: str | None = None
    label: str | None = None
    value: float | None = None
    tags: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Rows:
    train: Sequence[Row]
    test: Sequence[Row]
    labels: tuple[str, ...] = ()
    validation: Sequence[Row] = ()


def unfitted(kind: str = "classification", labels: tuple[str, ...] = tiny.LABELS) -> TransformerModel:
    torch.manual_seed(0)
    source = ModelSource(folder=tiny.bert_folder())
    return teachers.load(source, head=task_of(kind).head, labels=labels, max_length=tiny.MAX_LENGTH).model


def texts(count: int, seed: int) -> list[tuple[str, str]]:
    return [(text, label) for label in tiny.LABELS for text in tiny.sentences(count, seed=seed, label=label)]


def labelled(count: int, unseen: int = 15) -> Rows:
    parts = [[Row(text, label=label) for text, label in texts(n, seed)] for n, seed in ((count, 0), (unseen, 1))]
    return Rows(*parts, labels=tiny.LABELS)


def test_the_loss_falls_and_unseen_texts_get_their_labels() -> None:
    model, rows, task = unfitted(), labelled(40), task_of("classification")
    settings = Finetune(epochs=10, learning_rate=3e-3, batch_tokens=256)
    inputs = TextInputs(tiny.tokenizer().encode([row.text for row in rows.train]))
    done = finetune(model, inputs, task.targets(rows), task, settings)
    assert done.losses[-1] < 0.5 * done.losses[0]
    score = task.score(rows)
    assert score.of(outputs(model, tiny.tokenizer().encode(score.texts))) > 0.6


def test_the_best_epochs_weights_stay_and_patience_ends_the_rest() -> None:
    model, rows, task = unfitted(), labelled(20), task_of("classification")
    inputs = TextInputs(tiny.tokenizer().encode([row.text for row in rows.train]))
    values, states = iter([0.5, 0.9, 0.7, 0.8, 0.6]), []

    def validate() -> float:
        states.append({name: value.cpu().clone() for name, value in model.state_dict().items()})
        return next(values)

    settings = Finetune(epochs=9, learning_rate=3e-3, batch_tokens=256, patience=3)
    done = finetune(model, inputs, task.targets(rows), task, settings, validate=validate)
    assert (done.best_validation, done.stopped_early, len(states)) == (0.9, True, 5)
    assert all(torch.equal(value, states[1][name]) for name, value in model.state_dict().items())


def test_tags_are_learned_from_the_first_piece_of_each_word() -> None:
    things = {word: label for label, words in tiny.THINGS.items() for word in words.split()}
    rows = [Row(text, tags=tuple(things.get(word, "O") for word in text.split())) for text, _ in texts(60, 0)]
    given = Rows(train=[row for n, row in enumerate(rows) if n % 6], test=rows[::6], labels=TAGS)
    model, task = unfitted("token-classification", TAGS), task_of("token-classification")
    encoded = tiny.tokenizer().encode_words([row.text.split() for row in given.train])
    targets = task.aligned(task.targets(given), encoded)
    finetune(model, TextInputs(encoded), targets, task, Finetune(epochs=12, learning_rate=5e-3, batch_tokens=256))
    score = task.score(given)
    words = [text.split() for text in score.texts]
    held_out = tiny.tokenizer().encode_words(words)
    with torch.no_grad():
        said = [model(*TextInputs([row]).batch([0]))[0] for row in held_out]
    assert score.of(first_pieces(said, held_out, [len(own) for own in words])) > 0.8


def test_values_are_learned_whatever_their_unit() -> None:
    rows = [Row(text, value=1000.0 + 500.0 * (label == "kitchen")) for text, label in texts(40, 0)]
    given = Rows(train=rows[::2] + rows[1::4], test=rows[3::4])
    model, task = unfitted("regression", ()), task_of("regression")
    inputs = TextInputs(tiny.tokenizer().encode([row.text for row in given.train]))
    settings = Finetune(epochs=12, learning_rate=3e-3, batch_tokens=256)
    finetune(model, inputs, task.targets(given), task, settings)
    score = task.score(given)
    said = outputs(model, tiny.tokenizer().encode(score.texts))
    assert score.of(said) > 0.5
    assert score.details(said)["root mean squared error"] < 230


def test_images_are_learned_by_any_module() -> None:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 60, (60, 4, 4, 1), dtype=np.uint8)
    places = torch.arange(60) % 2
    pixels[places.numpy() == 1, :2] += 150
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2))
    inputs = ImageInputs(pixels, mean=(0.5,), std=(0.5,))
    task = task_of("image-classification")
    finetune(model, inputs, list(places), task, Finetune(epochs=30, learning_rate=1e-2, batch_tokens=16))
    score = LabelScore([str(int(place)) for place in places], ["0", "1"])
    with torch.no_grad():
        assert score.of(model(*inputs.batch(range(60)))) > 0.95


def test_fewer_examples_than_a_batch_holds_make_one_smaller_batch() -> None:
    model, task = unfitted(), task_of("classification")
    rows = Rows(
        train=[Row("rain and snow", label="weather"), Row("bread", label="kitchen")], test=(), labels=tiny.LABELS
    )
    inputs = TextInputs(tiny.tokenizer().encode([row.text for row in rows.train]))
    done = finetune(model, inputs, task.targets(rows), task, Finetune(epochs=3, batch_tokens=4096))
    assert done.steps == 3


def test_no_examples_at_all_are_reported() -> None:
    with pytest.raises(BadDataError, match="there is no text to train on"):
        finetune(unfitted(), TextInputs([]), [], task_of("classification"), Finetune())


def test_targets_that_are_not_one_for_each_example_are_reported() -> None:
    with pytest.raises(BadDataError, match="there are 3 examples, but 2 targets"):
        finetune(unfitted(), TextInputs(tiny.rows(3)), [torch.tensor(0)] * 2, task_of("classification"), Finetune())


def test_training_that_diverges_names_the_recipes_setting() -> None:
    rows, task = labelled(10), task_of("classification")
    inputs = TextInputs(tiny.tokenizer().encode([row.text for row in rows.train]))
    settings = Finetune(epochs=2, learning_rate=1e30, batch_tokens=64)
    with pytest.raises(TrainingError, match=r"at step \d+ .*lower stages\.finetune\.learning_rate"):
        finetune(unfitted(), inputs, task.targets(rows), task, settings)
