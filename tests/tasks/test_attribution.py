"""Attributions add up to what an answer gains, and go to the words or places that it rests on."""

import numpy as np
import pytest
import torch

from edgewright.models.inputs import ImageInputs, TextInputs
from edgewright.tasks.attribution import LARGEST_SIDE, RestsOn, asked_of, of_places, of_words, side_by_side
from edgewright.tasks.scores import LabelScore, ValueScore
from edgewright.tasks.search_score import SearchScore
from tests import tiny

TEXTS = ["rain and snow in the garden", "the oven is warm"]


def test_words_add_up_to_what_the_answer_gains_over_an_empty_text() -> None:
    teacher = tiny.teacher()
    inputs = TextInputs(teacher.tokenizer.encode(TEXTS))
    asked = asked_of(ValueScore(values=[1.0, 2.0], texts=TEXTS), torch.zeros(2, 1), 0)

    def said(ids: torch.Tensor) -> float:
        with torch.no_grad():
            return float(asked(teacher.model(ids, torch.ones(ids.shape))[:, :1]))

    found = of_words(teacher.model, teacher.tokenizer, inputs, 0, lambda outputs: asked(outputs[:, :1]))
    assert list(found.shown) == TEXTS[0].split()
    ids = torch.tensor([inputs.rows[0].ids])
    empty = torch.zeros_like(ids)
    empty[0, [0, -1]] = ids[0, [0, -1]]  # the special tokens stay
    assert sum(found.says) == pytest.approx(said(ids) - said(empty), abs=0.01)


def test_the_pieces_of_a_word_are_reported_as_one_word() -> None:
    teacher = tiny.teacher()
    inputs = TextInputs(teacher.tokenizer.encode(["gardening"]))
    assert len(inputs.rows[0].ids) > 4
    found = of_words(teacher.model, teacher.tokenizer, inputs, 0, lambda outputs: outputs[:, 0])
    assert list(found.shown) == ["gardening"]


def test_places_of_an_image_have_what_a_linear_model_gives_them() -> None:
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(6, 2))
    pixels = np.array([[[[0.2], [0.4], [1.0]], [[0.0], [0.5], [0.1]]]], dtype=np.float32)
    found = of_places(model, ImageInputs(pixels), 0, lambda outputs: outputs[:, 1])
    assert np.allclose(found.shown, pixels[0, ..., 0])
    assert np.allclose(found.says, pixels[0, ..., 0] * model[1].weight[1].detach().reshape(2, 3).numpy(), atol=1e-5)


def test_a_large_image_is_reported_in_fewer_places_that_have_the_sums() -> None:
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64 * 96, 1))
    pixels = np.random.default_rng(0).random((1, 64, 96, 1), dtype=np.float32)
    found = of_places(model, ImageInputs(pixels), 0, lambda outputs: outputs[:, 0])
    assert np.shape(found.says) == np.shape(found.shown) == (LARGEST_SIDE, LARGEST_SIDE)
    gained = float((model(torch.tensor(pixels).permute(0, 3, 1, 2)) - model[1].bias).detach())
    assert np.sum(found.says) == pytest.approx(gained, abs=1e-3)


def test_what_is_asked_is_how_well_the_example_is_answered() -> None:
    labels = LabelScore(["a", "b"], ["a", "b"], texts=TEXTS)
    outputs = torch.tensor([[0.0, 0.0], [0.0, 0.0]])
    assert float(asked_of(labels, outputs, 1)(torch.tensor([[0.0, 0.0]]))) == pytest.approx(np.log(0.5))
    search = SearchScore(["q", "r"], ["x", "y"])
    vectors = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 2.0], [3.0, 0.0]])
    assert float(asked_of(search, vectors, 0)(torch.tensor([[0.0, 5.0]]))) == pytest.approx(1)
    assert float(asked_of(search, vectors, 1)(torch.tensor([[0.0, 5.0]]))) == pytest.approx(0)


def test_of_a_text_that_one_model_reads_further_what_both_read_is_kept() -> None:
    found = side_by_side(RestsOn(shown=["a", "b"], says=[1.0, 2.0]), RestsOn(shown=["a"], says=[3.0]))
    assert found == {"shown": ["a"], "teacher": [1.0], "student": [3.0]}
