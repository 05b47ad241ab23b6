"""Decoders of every kind against the library they come from: the same logits at any length, wherever padding is."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from edgewright.errors import UnsupportedModelError
from edgewright.models.decoder_layouts import DECODERS, REFUSED
from edgewright.models.decoder_loading import from_transformers, shape_of
from edgewright.models.transformers_types import TransformersConfig
from tests import tiny_decoders

LIMIT = 1e-4  # absolute, of logits up to 7
LENGTHS = (1, 7, 33, tiny_decoders.POSITIONS)


@pytest.mark.parametrize("variant", tiny_decoders.VARIANTS)
@torch.inference_mode()
def test_every_variant_gives_the_logits_of_transformers_at_every_length(variant: str) -> None:
    model, decoder = tiny_decoders.original(variant), tiny_decoders.decoder(variant)
    for length in LENGTHS:
        ids = tiny_decoders.ids_of(2, length)
        expected = model(ids).logits
        assert float(expected.std()) > 0.5
        assert float((decoder(ids) - expected).abs().max()) < LIMIT


@pytest.mark.parametrize("variant", tiny_decoders.VARIANTS)
@pytest.mark.parametrize("side", ["left", "right"])
@torch.inference_mode()
def test_padding_on_either_side_changes_nothing(variant: str, side: str) -> None:
    model, decoder = tiny_decoders.original(variant), tiny_decoders.decoder(variant)
    ids, mask = tiny_decoders.ids_of(3, 20), torch.ones(3, 20)
    for row, lacking in enumerate((0, 7, 19)):
        mask[row, :lacking] = 0
    if side == "right":
        mask = mask.flip(-1)
    places = (mask.long().cumsum(-1) - 1).clamp(min=0)
    expected = model(ids, attention_mask=mask.long(), position_ids=places).logits
    found = decoder(ids, mask)
    assert float((found - expected)[mask.bool()].abs().max()) < LIMIT
    for row in range(3):
        alone = decoder(ids[row : row + 1, mask[row].bool()])
        assert float((alone[0] - found[row, mask[row].bool()]).abs().max()) < LIMIT


def test_what_the_shape_says_is_what_was_read() -> None:
    shape = tiny_decoders.decoder("qwen2 with windows in some layers").shape
    assert (shape.family, shape.queries, shape.groups, shape.heads, shape.tied) == ("llama", 2, 2, 4, False)
    assert [layer.window for layer in shape.layers] == [0, 6, 6]
    assert {layer.biased for layer in shape.layers} == {("query_key_value",)}
    assert tiny_decoders.decoder("mistral with a window as long as texts").shape.windows == (0,)
    assert tiny_decoders.decoder("gpt2").shape.family == "gpt2"
    assert tiny_decoders.decoder("llama with one table").parameters_count == sum(
        each.numel() for each in tiny_decoders.original("llama with one table").parameters()
    )


@pytest.mark.parametrize("kind", REFUSED)
def test_types_that_are_near_are_refused_with_the_reason_and_what_to_do(kind: str) -> None:
    with pytest.raises(UnsupportedModelError) as caught:
        shape_of(TransformersConfig(SimpleNamespace(model_type=kind)))  # type: ignore[arg-type]
    said = str(caught.value)
    assert f"a decoder of type {kind} ({REFUSED[kind]})" in said
    assert "model.factory" in said
    assert all(name in said for name in DECODERS)


REFUSALS: dict[str, tuple[str, dict[str, Any], str]] = {
    "angles that depend on the length": (
        "llama",
        {"rope_parameters": {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1000.0}},
        "rotary positions of type 'dynamic'",
    ),
    "another activation": ("llama", {"hidden_act": "tanh"}, "activation 'tanh'"),
    "another activation of gpt2": ("gpt2", {"activation_function": "tanh"}, "activation 'tanh'"),
    "an encoder to be read": ("gpt2", {"add_cross_attention": True}, "reads an encoder"),
}


@pytest.mark.parametrize("what", REFUSALS)
def test_a_variant_that_is_not_understood_is_refused_by_name(what: str) -> None:
    kind, changes, said = REFUSALS[what]
    with pytest.raises(UnsupportedModelError, match=said):
        shape_of(TransformersConfig(tiny_decoders.config(kind, **changes)))


def test_layers_of_an_unknown_kind_and_windows_of_no_size_are_refused() -> None:
    config = tiny_decoders.config("qwen2")
    config.layer_types = ["full_attention", "chunked_attention", "full_attention"]
    with pytest.raises(UnsupportedModelError, match="layers of chunked_attention"):
        shape_of(TransformersConfig(config))
    config.layer_types = ["sliding_attention"] * 3
    config.sliding_window = None
    with pytest.raises(UnsupportedModelError, match="windows of unknown size"):
        shape_of(TransformersConfig(config))


def test_a_model_without_an_output_table_is_refused() -> None:
    from transformers import LlamaModel

    with pytest.raises(UnsupportedModelError, match="a LlamaModel, which has no output table"):
        from_transformers(LlamaModel(tiny_decoders.config("llama")))
