"""Our encoder against the one it was read from, and a cut one against the whole with the same parts silenced."""

import copy
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from edgewright.errors import UnsupportedModelError
from edgewright.models.encoder import Encoder, example_inputs
from edgewright.models.layouts import TEXT
from edgewright.models.loading import from_transformers
from edgewright.models.model import Head, HeadShape, TransformerModel
from edgewright.models.text import TextModule, padded
from edgewright.models.transformer_layer import TransformerLayer
from edgewright.models.transformer_shape import LayerCut
from tests import tiny

TEXTS = tiny.sentences(6)


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    """Texts of unlike lengths, so that all but the longest are padded."""
    ids, mask = padded(tiny.tokenizer().encode([*TEXTS, "rain"]))
    assert mask.sum(dim=1).unique().numel() > 2
    return ids, mask


def layer_of(encoder: Encoder, index: int) -> TransformerLayer:
    layer = encoder.layers[index]
    assert isinstance(layer, TransformerLayer)
    return layer


@torch.inference_mode()
def test_a_padded_batch_gives_what_transformers_gives() -> None:
    ids, mask = batch()
    expected = tiny.bert()(input_ids=ids, attention_mask=mask.long()).last_hidden_state
    found = from_transformers(tiny.bert())(ids, mask)
    assert found.shape == expected.shape
    assert (found - expected)[mask.bool()].abs().max() < 1e-4


@torch.inference_mode()
@pytest.mark.parametrize("activation", ["gelu", "gelu_new", "relu"])
def test_every_activation_gives_what_transformers_gives(activation: str) -> None:
    from transformers import BertModel

    torch.manual_seed(1)
    model = BertModel(tiny.bert_config(hidden_act=activation)).eval()
    ids, mask = batch()
    expected = model(input_ids=ids, attention_mask=mask.long()).last_hidden_state
    assert (from_transformers(model)(ids, mask) - expected)[mask.bool()].abs().max() < 1e-4


@torch.inference_mode()
def test_one_text_without_a_batch_gives_what_it_gives_in_a_padded_batch() -> None:
    ids, mask = batch()
    together = tiny.encoder()(ids, mask)
    for row, length in enumerate(mask.sum(dim=1).int().tolist()):
        alone = tiny.encoder()(ids[row, :length])
        assert alone.shape == (length, 32)
        assert torch.allclose(alone, together[row, :length], atol=1e-5)


@torch.inference_mode()
def test_one_padded_text_gives_what_it_gives_without_padding() -> None:
    (text,) = tiny.tokenizer().encode(TEXTS[:1])
    ids = torch.tensor([*text.ids, 0, 0, 0, 0, 0])
    found = tiny.encoder()(ids, (ids != 0).float())
    assert torch.allclose(found[: len(text.ids)], tiny.encoder()(ids[: len(text.ids)]), atol=1e-5)


@torch.inference_mode()
def test_all_hidden_states_begin_with_the_embedding_and_end_with_the_output() -> None:
    ids, mask = batch()
    expected = tiny.bert()(input_ids=ids, attention_mask=mask.long(), output_hidden_states=True).hidden_states
    found = tiny.encoder().all_hidden(ids, mask)
    assert len(found) == len(expected) == 4
    for ours, theirs in zip(found, expected, strict=True):
        assert (ours - theirs)[mask.bool()].abs().max() < 1e-4


@torch.inference_mode()
def test_cutting_heads_and_neurons_out_is_silencing_them() -> None:
    whole = tiny.encoder()
    cuts = [
        LayerCut(layer=0, heads=(0, 3), neurons=tuple(range(0, 64, 2))),
        LayerCut(layer=1, heads=(0, 1, 2, 3), neurons=tuple(range(64))),
        LayerCut(layer=2, heads=(1,), neurons=(5, 40, 63)),
    ]
    silenced = copy.deepcopy(whole)
    for cut in cuts:
        layer = layer_of(silenced, cut.layer)
        for head in set(range(4)) - set(cut.heads):
            layer.attention_output.weight[:, head * 8 : (head + 1) * 8] = 0
        for neuron in set(range(64)) - set(cut.neurons):
            layer.down.weight[:, neuron] = 0
    ids, mask = batch()
    small = whole.sliced(cuts)
    assert torch.allclose(small(ids, mask), silenced(ids, mask), atol=1e-5)
    assert not torch.allclose(small(ids, mask), whole(ids, mask), atol=1e-2)


@torch.inference_mode()
def test_cutting_layers_out_leaves_the_others_in_order() -> None:
    whole = tiny.encoder()
    everything = {"heads": tuple(range(4)), "neurons": tuple(range(64))}
    small = whole.sliced([LayerCut(layer=0, **everything), LayerCut(layer=2, **everything)])
    ids, mask = batch()
    hidden = whole.embedded(ids)
    for index in (0, 2):
        hidden = layer_of(whole, index)(hidden, whole.bias(ids, mask))
    assert torch.equal(small(ids, mask), hidden)


def test_a_cut_encoder_has_smaller_tensors_and_says_so() -> None:
    small = tiny.encoder().sliced([LayerCut(layer=1, heads=(2,), neurons=(0, 1, 2))])
    layer = layer_of(small, 0)
    assert layer.query_key_value.weight.shape == (3 * 8, 32)
    assert layer.attention_output.weight.shape == (32, 8)
    assert (layer.up.weight.shape, layer.down.weight.shape) == ((3, 32), (32, 3))
    assert [(each.heads, each.neurons) for each in small.shape.layers] == [(1, 3)]


@torch.inference_mode()
def test_a_smaller_vocabulary_renumbers_tokens_and_changes_nothing_else() -> None:
    kept = [0, 2, 3, 50, 51, 99]
    small = tiny.encoder().with_vocabulary(kept)
    ids = torch.tensor([1, 5, 4, 3, 2])
    assert small.tokens.weight.shape == (6, 32)
    assert torch.equal(small(ids), tiny.encoder()(torch.tensor(kept)[ids]))


@torch.inference_mode()
def test_fewer_positions_change_nothing_for_texts_that_fit() -> None:
    ids = torch.tensor([2, 60, 61, 3])
    small = tiny.encoder().with_positions(8)
    assert small.shape.positions == 8
    assert torch.equal(small(ids), tiny.encoder()(ids))


TEXT_FAMILIES = list(tiny.CLASSES)


def both(model: Any, ids: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(ours, transformers') for the tokens that are not padding; theirs pads with its own id."""
    theirs = ids.masked_fill(mask == 0, model.config.pad_token_id)
    expected = model(input_ids=theirs, attention_mask=mask.long()).last_hidden_state
    found = from_transformers(model)(ids, mask)
    assert found.shape == expected.shape
    return found[mask.bool()], expected[mask.bool()]


@torch.inference_mode()
@pytest.mark.parametrize("family", TEXT_FAMILIES)
def test_every_family_gives_what_transformers_gives_on_a_padded_batch(family: str) -> None:
    found, expected = both(tiny.family_model(family), *batch())
    assert expected.std() > 0.1
    assert (found - expected).abs().max() < 1e-4


@torch.inference_mode()
@pytest.mark.parametrize("family", TEXT_FAMILIES)
def test_every_family_reads_texts_as_long_as_its_position_table(family: str) -> None:
    model = tiny.family_model(family)
    assert from_transformers(model).shape.positions == tiny.POSITIONS
    ids = torch.arange(2, 2 + tiny.POSITIONS)[None]
    found, expected = both(model, ids, torch.ones(1, tiny.POSITIONS))
    assert (found - expected).abs().max() < 1e-4


@torch.inference_mode()
@pytest.mark.parametrize(("family", "head"), [(each, "ForSequenceClassification") for each in TEXT_FAMILIES])
def test_an_encoder_is_found_within_a_model_with_a_head(family: str, head: str) -> None:
    model = tiny.family_model(family, head)
    ids, mask = batch()
    inner = from_transformers(getattr(model, TEXT[family].wrapped))
    assert torch.equal(from_transformers(model)(ids, mask), inner(ids, mask))


@torch.inference_mode()
def test_electras_narrow_embeddings_are_projected_and_those_as_wide_as_the_model_are_not() -> None:
    narrow = from_transformers(tiny.family_model("electra"))
    assert (narrow.shape.embedding_width, narrow.tokens.weight.shape[1], narrow.shape.width) == (16, 16, 32)
    model = tiny.family_model("electra", embedding_size=32)
    assert from_transformers(model).shape.embedding_width is None
    found, expected = both(model, *batch())
    assert (found - expected).abs().max() < 1e-4


@torch.inference_mode()
@pytest.mark.parametrize("family", TEXT_FAMILIES)
def test_the_example_is_one_text_that_every_family_reads(family: str) -> None:
    encoder = from_transformers(tiny.family_model(family))
    (ids,) = example_inputs(encoder.shape, length=100)
    assert ids.shape == (1, tiny.POSITIONS)
    assert encoder(ids).shape == (1, tiny.POSITIONS, 32)


@pytest.mark.parametrize("family", TEXT_FAMILIES)
def test_every_family_exports_one_text_of_any_length_without_a_mask(family: str) -> None:
    encoder = from_transformers(tiny.family_model(family))
    module = TextModule(TransformerModel(encoder, Head(HeadShape(pooling="mean"), 32)).eval(), padded=False)
    length = torch.export.Dim("length", min=2, max=tiny.POSITIONS)
    program = torch.export.export(module, example_inputs(encoder.shape), dynamic_shapes=({1: length},), strict=False)
    for size in (2, 11, tiny.POSITIONS):
        ids = torch.arange(2, 2 + size)[None]
        assert torch.allclose(program.module()(ids), module(ids), atol=1e-5)


@pytest.mark.parametrize(
    ("family", "said"),
    [
        ("deberta", r"type deberta \(its attention is DeBERTa's first form; take .*\) is not supported"),
        ("xlm-roberta-xl", r"norms before its parts; take an XLM-RoBERTa"),
        (
            "gpt2",
            r"type gpt2 is not supported; supported are bert, roberta, .*, deberta-v2, or, by model\.factory",
        ),
    ],
)
def test_another_family_is_told_with_the_reason_and_what_is_supported(family: str, said: str) -> None:
    with pytest.raises(UnsupportedModelError, match=said) as caught:
        from_transformers(SimpleNamespace(config=SimpleNamespace(model_type=family)))
    assert 'model.factory = "module:function" that returns (model, tokenizer)' in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"hidden_act": "silu"}, "activation 'silu' is not supported; supported are gelu"),
        ({"is_decoder": True}, "that is a decoder"),
        ({"position_embedding_type": "relative_key"}, "positions of type 'relative_key'"),
    ],
)
def test_a_variant_that_is_not_a_plain_encoder_is_told(changes: dict[str, Any], said: str) -> None:
    model = SimpleNamespace(config=tiny.bert_config(**changes))
    with pytest.raises(UnsupportedModelError, match=said):
        from_transformers(model)
    with pytest.raises(UnsupportedModelError, match="distilbert with activation 'silu'"):
        from_transformers(SimpleNamespace(config=tiny.family_config("distilbert", activation="silu")))
