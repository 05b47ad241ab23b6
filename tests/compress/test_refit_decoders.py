"""Refitting a cut decoder brings its stream back towards the teacher's, without training."""

import pytest
import torch

from edgewright.compress.refit_decoders import refitted
from edgewright.models.decoder import DecoderModel, everything
from edgewright.models.transformer_shape import LayerCut
from tests import tiny_decoders
from tests.compress.test_cut_decoders import sample

TEXTS = 60


def apart(model: DecoderModel, teacher: DecoderModel) -> float:
    """The mean squared distance of logits, on texts that were not fitted to."""
    ids = tiny_decoders.ids_of(8, 25, seed=99)
    with torch.inference_mode():
        return float((model(ids) - teacher(ids)).square().mean())


@pytest.mark.parametrize("variant", ["llama", "llama with biases", "qwen3", "gpt2"])
def test_a_cut_model_comes_nearer_to_its_teacher(variant: str) -> None:
    teacher = tiny_decoders.decoder(variant)
    neurons = teacher.shape.layers[0].neurons
    groups = tuple(range(teacher.shape.groups - 1))
    cuts = [
        LayerCut(layer=index, heads=groups, neurons=tuple(range(0, neurons, 2))) for index in range(len(teacher.layers))
    ]
    student = teacher.sliced(cuts)
    better = refitted(student, teacher, cuts, sample(TEXTS))
    assert apart(better, teacher) < 0.9 * apart(student, teacher)
    assert [layer.neurons for layer in better.shape.layers] == [-(-neurons // 2)] * 3
    assert {"attention_output", "down"} <= set(better.shape.layers[0].biased)


def test_a_dropped_layer_is_made_up_for_by_the_one_before() -> None:
    teacher = tiny_decoders.decoder("llama")
    cuts = [everything(teacher.shape)[index] for index in (0, 2)]
    student = teacher.sliced(cuts)
    better = refitted(student, teacher, cuts, sample(TEXTS))
    assert apart(better, teacher) < apart(student, teacher)
    first = [everything(teacher.shape)[index] for index in (1, 2)]
    shorter = teacher.sliced(first)
    assert apart(refitted(shorter, teacher, first, sample(TEXTS)), teacher) < apart(shorter, teacher)


def test_what_lost_nothing_stays_as_it_was_and_a_narrower_stream_is_followed() -> None:
    teacher = tiny_decoders.decoder("qwen2")
    whole = everything(teacher.shape)
    same = refitted(teacher.sliced(whole), teacher, whole, sample(TEXTS))
    assert apart(same, teacher) < 1e-6
    student = teacher.sliced(whole, width=range(24))
    better = refitted(student, teacher, whole, sample(TEXTS), width=range(24))
    assert better.shape.width == 24
    assert apart(better, teacher) < apart(student, teacher)


def test_parts_without_anything_left_say_their_mean() -> None:
    teacher = tiny_decoders.decoder("llama")
    cuts = [LayerCut(layer=0, heads=(), neurons=(0, 1)), LayerCut(layer=1, heads=(0, 1), neurons=())]
    student = teacher.sliced(cuts)
    better = refitted(student, teacher, cuts, sample(TEXTS))
    assert bool(better.layer(1).down.bias.any())
    assert apart(better, teacher) < apart(student, teacher)
