"""Models of every family against the library they come from: the same numbers, whatever their configuration says."""

from typing import Any

import pytest
import torch

from edgewright.errors import UnsupportedModelError
from edgewright.models.encoder import Encoder
from edgewright.models.loading import from_transformers, shape_of
from edgewright.models.model import Head, HeadShape, TransformerModel
from edgewright.models.model import load as load_model
from edgewright.models.model import save as save_model
from edgewright.models.text import TextModule
from edgewright.models.transformers_types import TransformersConfig, config_of
from tests import tiny

LIMIT = 1e-5
LENGTHS = (2, 3, 9, 17, 40, 64)


def batch_of(lengths: tuple[int, ...], vocabulary: int = 90) -> tuple[torch.Tensor, torch.Tensor]:
    """Random texts of these lengths, filled up to the longest."""
    generator = torch.Generator().manual_seed(11)
    ids = torch.randint(4, vocabulary, (len(lengths), max(lengths)), generator=generator)
    mask = (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).float()
    return ids * mask.long(), mask


def difference(model: Any, ids: torch.Tensor, mask: torch.Tensor, ours: Encoder | None = None) -> float:
    """The largest difference from transformers for any token that is not padding, in units of its output's spread."""
    theirs = ids.masked_fill(mask == 0, model.config.pad_token_id)
    with torch.inference_mode():
        expected = model(input_ids=theirs, attention_mask=mask.long()).last_hidden_state[mask.bool()]
        found = (ours or from_transformers(model))(ids, mask)[mask.bool()]
    assert expected.std() > 0.1
    return float((found - expected).abs().max() / max(float(expected.std()), 1.0))


VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    **{family: (family, {}) for family in tiny.CLASSES},
    "albert of one group": ("albert", {"num_hidden_groups": 1}),
    "albert of groups of two layers": ("albert", {"num_hidden_groups": 3, "inner_group_num": 2}),
    "albert with wide embeddings": ("albert", {"embedding_size": 32}),
    "albert with another activation": ("albert", {"hidden_act": "relu"}),
    "mpnet with more buckets": ("mpnet", {"relative_attention_num_buckets": 40}),
    "modernbert with biases": ("modernbert", {"norm_bias": True, "attention_bias": True, "mlp_bias": True}),
    "modernbert that looks everywhere": ("modernbert", {"layer_types": ["full_attention"] * 3}),
    "modernbert with a wide window": ("modernbert", {"local_attention": 128}),
    "modernbert with a window of two": ("modernbert", {"local_attention": 4, "layer_types": ["sliding_attention"] * 3}),
    "deberta with matrices of their own": ("deberta-v2", {"share_att_key": False}),
    "deberta of queries alone": ("deberta-v2", {"pos_att_type": "c2p"}),
    "deberta of keys alone": ("deberta-v2", {"pos_att_type": ["p2c"]}),
    "deberta without buckets": ("deberta-v2", {"position_buckets": -1}),
    "deberta with a short reach": ("deberta-v2", {"position_buckets": -1, "max_relative_positions": 12}),
    "deberta with absolute positions": ("deberta-v2", {"position_biased_input": True, "type_vocab_size": 2}),
    "deberta of absolute positions alone": (
        "deberta-v2",
        {"position_biased_input": True, "relative_attention": False, "pos_att_type": None},
    ),
    "deberta with token types alone": ("deberta-v2", {"type_vocab_size": 2}),
    "deberta with narrow embeddings": ("deberta-v2", {"embedding_size": 16}),
    "deberta without a norm of distances": ("deberta-v2", {"norm_rel_ebd": "none"}),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_gives_what_transformers_gives_at_every_length(variant: str) -> None:
    family, changes = VARIANTS[variant]
    model = tiny.family_model(family, **changes)
    assert difference(model, *batch_of(LENGTHS)) < LIMIT


@pytest.mark.parametrize("family", tiny.CLASSES)
@torch.inference_mode()
def test_fewer_positions_and_one_text_alone_give_the_same(family: str) -> None:
    model = tiny.family_model(family)
    ids, mask = batch_of((20, 7, 13))
    short = from_transformers(model).with_positions(20)
    assert short.shape.positions == 20
    assert shape_of(config_of(model)).cut_at(20) == short.shape
    assert difference(model, ids, mask, short) < LIMIT
    together = short(ids, mask)
    for row, length in enumerate((20, 7, 13)):
        assert (short(ids[row, :length]) - together[row, :length]).abs().max() < LIMIT
        assert (short(ids[row], mask[row])[:length] - together[row, :length]).abs().max() < LIMIT


@torch.inference_mode()
def test_distances_beyond_what_mpnet_and_deberta_tell_apart_are_as_transformers_has_them() -> None:
    for family, changes in (
        ("mpnet", {"max_position_embeddings": 202}),
        ("deberta-v2", {"max_position_embeddings": 200, "position_buckets": 32}),
    ):
        model = tiny.family_model(family, **changes)
        assert difference(model, *batch_of((200, 150, 30))) < LIMIT


@torch.inference_mode()
def test_layers_that_shared_their_weights_can_be_changed_alone() -> None:
    encoder = from_transformers(tiny.family_model("albert"))
    first, second, third = (encoder.layer(index).up.weight for index in range(3))
    assert torch.equal(first, second)
    assert not torch.equal(second, third)
    first += 1
    assert not torch.equal(first, second)


@pytest.mark.parametrize("family", tiny.CLASSES)
@torch.inference_mode()
def test_every_family_comes_back_from_disk_as_it_was(family: str, tmp_path: Any) -> None:
    encoder = from_transformers(tiny.family_model(family)).with_positions(24)
    made = TransformerModel(encoder, Head(HeadShape(pooling="mean"), 32)).eval()
    save_model(made, tmp_path)
    back = load_model(tmp_path)
    assert back.encoder.shape == encoder.shape
    assert torch.equal(back(*batch_of((24, 5))), made(*batch_of((24, 5))))


@pytest.mark.parametrize("family", tiny.CLASSES)
@torch.inference_mode()
def test_every_family_is_exported_with_and_without_a_mask_for_any_length(family: str) -> None:
    encoder = from_transformers(tiny.family_model(family)).with_positions(24)
    for pooling, padded in (("mean", False), ("first", True)):
        made = TransformerModel(encoder, Head(HeadShape(pooling=pooling), 32)).eval()
        module = TextModule(made, padded=padded)
        free = ({1: torch.export.Dim("length", min=2, max=24)},)
        program = torch.export.export(
            module, (torch.ones(1, 16, dtype=torch.long),), dynamic_shapes=free, strict=False
        ).module()
        for length in (2, 11, 24):
            ids = torch.arange(2, 2 + length)[None]
            assert (program(ids) - made(ids, torch.ones(1, length))).abs().max() < LIMIT


@pytest.mark.parametrize(
    ("family", "changes", "said"),
    [
        ("deberta-v2", {"conv_kernel_size": 3}, r"a convolution beside its first layer \(conv_kernel_size 3\)"),
        ("deberta-v2", {"attention_head_size": 4}, "heads of 4 channels"),
        ("mpnet", {"relative_attention_num_buckets": 16}, "16 relative buckets"),
        ("modernbert", {"hidden_activation": "silu"}, "activation 'silu'"),
        (
            "modernbert",
            {"rope_parameters": {"full_attention": {"rope_type": "linear", "factor": 2.0, "rope_theta": 1e4}}},
            "rotary positions of type 'linear'",
        ),
    ],
)
def test_a_variant_that_is_not_understood_is_refused_by_name(family: str, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UnsupportedModelError, match=said):
        shape_of(TransformersConfig(tiny.family_config(family, **changes)))
