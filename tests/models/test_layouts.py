"""Families say where their parts stand, and others are refused with what is supported and what to do."""

import pytest

from edgewright.errors import UnsupportedModelError
from edgewright.models.layouts import IMAGE, REFUSED, TEXT, image_family, text_family, unsupported_image
from tests import tiny


@pytest.mark.parametrize("name", TEXT)
def test_the_places_of_each_family_are_those_of_transformers(name: str) -> None:
    family, model = text_family(name), tiny.family_model(name, "ForSequenceClassification")
    parts = dict(model.named_modules())
    assert family.wrapped in parts
    assert family.head.inner in parts
    assert family.head.output in parts
    if family.head.norm:
        assert family.head.norm in parts
    layer = f"{family.wrapped}." + family.layer.format(index=0, group=0, inner=0)
    for place in (*family.query_key_value, *family.places.values()):
        # The first layer of ModernBERT has the identity for a norm before attention.
        assert layer + place in parts, place
    tokens, positions, norm = family.embeddings
    for place in filter(None, (tokens, norm, family.closing_norm)):
        assert f"{family.wrapped}.{place}" in parts, place
    if family.positions in ("absolute", "relative"):
        assert f"{family.wrapped}.{positions}" in parts


def test_parts_that_are_taken_as_they_stand_are_told_by_our_names() -> None:
    assert text_family("distilbert").places == {
        "attention_output": "attention.out_lin",
        "attention_norm": "sa_layer_norm",
        "up": "ffn.lin1",
        "down": "ffn.lin2",
        "feed_forward_norm": "output_layer_norm",
    }


def test_a_family_that_is_not_read_is_refused_with_those_that_are() -> None:
    with pytest.raises(UnsupportedModelError, match="a model of type gpt2") as caught:
        text_family("gpt2")
    for known in (*TEXT, "model.factory"):
        assert known in str(caught.value)


@pytest.mark.parametrize("name", REFUSED)
def test_one_that_is_near_to_a_family_says_why_and_which_to_take(name: str) -> None:
    with pytest.raises(UnsupportedModelError, match=REFUSED[name].split(";")[0]):
        text_family(name)


def test_vision_transformers_are_held_by_their_own_names() -> None:
    assert [image_family(name) for name in IMAGE] == ["vit", "deit"]
    with pytest.raises(UnsupportedModelError, match="a vision model of type swin"):
        image_family("swin")


def test_a_model_of_images_that_is_not_read_may_come_from_a_factory() -> None:
    said = str(unsupported_image("a vision model of type swin"))
    assert 'model.factory = "module:function"' in said
    assert "nets of convolutions" in said
