"""Fitting a teacher to labels."""

import pytest

from tests import tiny
from toolchain.errors import TrainingError
from toolchain.models import teacher as teachers
from toolchain.models.text import TextModel, outputs
from toolchain.recipe import Finetune, ModelSource
from toolchain.tasks.finetune import finetune
from toolchain.tasks.scores import LabelScore


def unfitted() -> TextModel:
    source = ModelSource(folder=tiny.bert_folder())
    return teachers.load(source, labels=tiny.LABELS, max_length=tiny.MAX_LENGTH).model


def examples(count: int, seed: int) -> tuple[list[str], list[int]]:
    texts = [text for label in tiny.LABELS for text in tiny.sentences(count, seed=seed, label=label)]
    return texts, [place for place, _ in enumerate(tiny.LABELS) for _ in range(count)]


def test_the_loss_falls_and_unseen_texts_get_their_labels() -> None:
    model = unfitted()
    texts, labels = examples(40, seed=0)
    settings = Finetune(epochs=10, learning_rate=3e-3, batch_tokens=256)
    done = finetune(model, tiny.tokenizer().encode(texts), labels, settings)
    assert done.losses[-1] < 0.5 * done.losses[0]
    unseen, right = examples(15, seed=1)
    score = LabelScore(unseen, [tiny.LABELS[place] for place in right], tiny.LABELS)
    assert score.of(outputs(model, tiny.tokenizer().encode(unseen))) > 0.6


def test_training_that_diverges_names_the_recipes_setting() -> None:
    texts, labels = examples(10, seed=0)
    settings = Finetune(epochs=2, learning_rate=1e30, batch_tokens=64)
    with pytest.raises(TrainingError, match=r"at step \d+ .*lower stages\.finetune\.learning_rate"):
        finetune(unfitted(), tiny.tokenizer().encode(texts), labels, settings)
