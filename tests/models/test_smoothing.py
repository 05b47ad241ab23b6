"""Every pair's channels can be scaled in the one part and taken back in the other without a change of the outputs."""

from collections.abc import Callable

import pytest
import torch

from edgewright.compress.low_rank import factorise
from edgewright.models.inputs import Inputs
from edgewright.models.model import TransformerModel
from edgewright.models.smoothing import pairs_of
from edgewright.models.transformer_shape import LayerCut
from tests import tiny
from tests.compress.test_importance import images, text_model, texts, vision_model

PARTS = ("tokens", "up", "down", "attention_output", "query_key_value")


def of_low_rank() -> TransformerModel:
    made = factorise(tiny.model_copy(), texts(), parts=PARTS, ranks=dict.fromkeys(PARTS, 8))
    return made.model


@pytest.mark.parametrize(
    ("make", "inputs"),
    [(text_model, texts), (vision_model, images), (of_low_rank, texts)],
    ids=["text", "vision", "low rank"],
)
def test_channels_scaled_on_one_side_and_taken_back_on_the_other_change_nothing(
    make: Callable[[], TransformerModel], inputs: Callable[[int], Inputs]
) -> None:
    model, batch = make(), inputs(4).batch(range(4))
    with torch.no_grad():
        wanted = model(*batch)
        pairs = list(pairs_of(model))
        for place, (made, reader) in enumerate(pairs):
            factors = torch.linspace(0.5, 2.0, len(made[0]))
            for tensor in made:
                tensor.mul_(factors.view(-1, *[1] * (tensor.ndim - 1)))
            changed = model(*batch)
            assert not torch.allclose(changed, wanted, rtol=1e-4, atol=1e-5), place
            reader.weight.div_(factors)
            torch.testing.assert_close(model(*batch), wanted, rtol=1e-3, atol=1e-4)


def test_where_norms_come_after_sums_there_are_the_values_alone() -> None:
    model = text_model()
    readers = [reader for _, reader in pairs_of(model)]
    assert readers == [model.encoder.layer(index).attention_output for index in range(3)]


def test_where_norms_come_first_each_of_them_is_read_by_one_layer() -> None:
    model = vision_model()
    readers = [reader for _, reader in pairs_of(model)]
    assert len(readers) == len(set(readers)) == 3 * 3
    assert model.encoder.layer(0).up in readers


def test_a_layer_without_heads_has_no_values_to_rescale() -> None:
    teacher = text_model()
    neurons = tuple(range(64))
    cuts = [LayerCut(layer=0, heads=(), neurons=neurons), LayerCut(layer=1, heads=(0,), neurons=neurons)]
    model = TransformerModel(teacher.encoder.sliced(cuts), teacher.head)
    (pair,) = pairs_of(model)
    assert pair[1] is model.encoder.layer(1).attention_output
    assert len(pair[0][0]) == 8


def test_a_table_of_low_rank_is_read_by_its_projection() -> None:
    model = of_low_rank()
    made, reader = next(iter(pairs_of(model)))
    assert made[0].shape == (8, len(tiny.pieces()))
    assert reader is model.encoder.token_projection
