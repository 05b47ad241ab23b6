"""Our encoder against the one it was read from, and a cut one against the whole with the same parts silenced."""

import copy
from pathlib import Path

import pytest
import torch

from tests import tiny
from toolchain.errors import BadModelError, UnsupportedModelError
from toolchain.models import encoder as encoders
from toolchain.models.encoder import Encoder, EncoderLayer, LayerCut, from_transformers
from toolchain.models.text import padded

TEXTS = tiny.sentences(6)


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    """Texts of unlike lengths, so that all but the longest are padded."""
    ids, mask = padded(tiny.tokenizer().encode([*TEXTS, "rain"]))
    assert mask.sum(dim=1).unique().numel() > 2
    return ids, mask


def layer_of(encoder: Encoder, index: int) -> EncoderLayer:
    layer = encoder.layers[index]
    assert isinstance(layer, EncoderLayer)
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
        hidden = layer_of(whole, index)(hidden, whole.attention_bias(mask))
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


@torch.inference_mode()
def test_an_encoder_comes_back_from_disk_as_it_was(tmp_path: Path) -> None:
    small = tiny.encoder().sliced([LayerCut(layer=1, heads=(2, 3), neurons=tuple(range(10)))])
    encoders.save(small, tmp_path)
    back = encoders.load(tmp_path)
    assert back.shape == small.shape
    assert not back.training
    ids, mask = batch()
    assert torch.equal(back(ids, mask), small(ids, mask))


@pytest.mark.parametrize("file", ["shape.json", "encoder.safetensors"])
@pytest.mark.parametrize("damage", ["missing", "cut in half", "other bytes"])
def test_a_damaged_saved_encoder_is_a_bad_model(tmp_path: Path, file: str, damage: str) -> None:
    encoders.save(tiny.encoder(), tmp_path)
    path = tmp_path / file
    data = path.read_bytes()
    path.unlink() if damage == "missing" else path.write_bytes(data[: len(data) // 2] if "cut" in damage else b"[]")
    with pytest.raises(BadModelError) as caught:
        encoders.load(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_another_family_and_an_unknown_activation_are_told_with_what_is_supported() -> None:
    from transformers import BertModel, DistilBertConfig, DistilBertModel

    distil = DistilBertModel(DistilBertConfig(dim=32, hidden_dim=64, n_layers=1, n_heads=4, vocab_size=50))
    with pytest.raises(UnsupportedModelError, match="distilbert is not supported; supported are bert"):
        from_transformers(distil)
    with pytest.raises(UnsupportedModelError, match="activation 'silu'"):
        from_transformers(BertModel(tiny.bert_config(hidden_act="silu", num_hidden_layers=1)))
