"""What stages ask of a transformer is what it computes: its states, matrices, tables and copies."""

import pytest
import torch

from edgewright.models import transformer_capabilities as capabilities
from edgewright.models.model import TransformerModel
from edgewright.models.transformer_shape import LINEARS, LayerCut
from tests import tiny
from tests.compress.test_importance import images, text_model, texts, vision_model

MODELS = {
    "text": (text_model, texts),
    "each token": (lambda: text_model(pooling="each", classes=5), texts),
    "vision": (vision_model, images),
}


@pytest.mark.parametrize("name", MODELS)
def test_outputs_follow_from_the_last_state_and_are_those_of_the_model(name: str) -> None:
    make, inputs = MODELS[name]
    model, batch = make(), inputs(5).batch(range(5))
    with torch.no_grad():
        states = capabilities.states(model, *batch)
        found, wanted = capabilities.outputs(model, states[-1], *batch), model(*batch)
    assert len(states) == len(model.encoder.layers) + 1
    assert {each.shape[-1] for each in states} == {capabilities.width(model)}
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("name", MODELS)
def test_the_copy_that_is_run_says_the_same_and_the_model_stays(name: str) -> None:
    make, inputs = MODELS[name]
    model, batch = make(), inputs(5).batch(range(5))
    before = {place: each.clone() for place, each in model.state_dict().items()}
    with torch.no_grad():
        torch.testing.assert_close(capabilities.to_run(model)(*batch), model(*batch), rtol=1e-4, atol=1e-5)
    assert all(torch.equal(each, before[place]) for place, each in model.state_dict().items())


def test_heads_say_whether_they_pool_and_whether_they_embed() -> None:
    assert (capabilities.output_each_unit(text_model()), capabilities.embeds(text_model())) == (False, True)
    tags = MODELS["each token"][0]()
    assert (capabilities.output_each_unit(tags), capabilities.embeds(tags)) == (True, False)


def test_relations_are_the_last_layers_queries_keys_and_values() -> None:
    model, batch = text_model(), texts(3).batch(range(3))
    with torch.no_grad():
        state = capabilities.states(model, *batch)[-2]
        found = capabilities.relations(model, state)
        wanted = model.encoder.layer(-1).query_key_value(state)
    assert found.shape[-1] == capabilities.relations_width(model) == 3 * 32
    torch.testing.assert_close(found, wanted)


def test_a_last_layer_without_heads_has_no_relations() -> None:
    teacher = text_model()
    cuts = [LayerCut(layer=0, heads=(), neurons=tuple(range(64)))]
    assert capabilities.relations_width(TransformerModel(teacher.encoder.sliced(cuts), teacher.head)) == 0
    assert capabilities.relations_width(TransformerModel(teacher.encoder.sliced([]), teacher.head)) == 0


def test_matrices_are_named_by_layer_and_part_and_constants_are_none() -> None:
    model = text_model()
    assert capabilities.parts(model) == ("tokens", *LINEARS)
    assert capabilities.parts(vision_model()) == LINEARS
    found = capabilities.matrices(model, ("tokens", "up"))
    assert list(found) == ["tokens", "layers.0.up", "layers.1.up", "layers.2.up"]
    assert all(found[name] is model.encoder.get_submodule(name) for name in found)
    cut = model.encoder.sliced([LayerCut(layer=0, heads=(0,), neurons=())])
    assert list(capabilities.matrices(TransformerModel(cut, model.head), LINEARS)) == [
        "layers.0.query_key_value",
        "layers.0.attention_output",
    ]


def test_a_model_without_low_ranks_is_made_again_as_it_is() -> None:
    model, batch = text_model(), texts(3).batch(range(3))
    again = capabilities.factorised(model, {}, model.encoder.state_dict())
    assert again.head is not model.head
    assert not again.training
    with torch.no_grad():
        assert torch.equal(again(*batch), model(*batch))


def test_a_vocabulary_is_cut_to_the_tokens_that_are_kept() -> None:
    model = text_model()
    everything = range(capabilities.pieces(model))
    assert capabilities.with_vocabulary(model, everything) is model
    small = capabilities.with_vocabulary(model, [0, 1, 2, 3, 9])
    assert capabilities.pieces(small) == 5
    assert torch.equal(small.encoder.tokens.weight[4], model.encoder.tokens.weight[9])
    assert capabilities.pieces(model) == len(tiny.pieces())
    assert capabilities.projection(model) is None
