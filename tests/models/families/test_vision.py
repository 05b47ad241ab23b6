"""Vision transformers offer what text encoders do, but for a token table, which images have none of."""

import pytest

from edgewright.errors import InputError
from edgewright.models.capabilities import (
    CAPABILITIES,
    GENERATES,
    HIDDEN_STATES,
    PREDICTS_TOKENS,
    SEQUENCE_TO_SEQUENCE,
    TOKEN_TABLE,
)
from edgewright.models.families import checked, family_of, required
from edgewright.models.families.vision import FAMILY
from tests.compress.test_importance import images, vision_model


def test_it_offers_every_capability_but_those_of_texts_and_keeps_what_it_promises() -> None:
    of_texts = {each.name for each in (TOKEN_TABLE, GENERATES, PREDICTS_TOKENS, SEQUENCE_TO_SEQUENCE)}
    assert set(FAMILY.capabilities) == set(CAPABILITIES) - of_texts
    assert checked("vision", FAMILY) is FAMILY
    for name in FAMILY.capabilities:
        assert CAPABILITIES[name].missing(FAMILY.implementation(CAPABILITIES[name])) == []


def test_models_of_images_are_of_it() -> None:
    model = vision_model()
    assert family_of(model) is FAMILY
    assert FAMILY.modality == "image"
    units = required(model, HIDDEN_STATES, setting="x").units(model, images(2))
    assert units.counts([0, 1]).tolist() == [17, 17]  # 16 patches, and the token of the answer


def test_a_token_table_is_refused_by_the_setting_that_asks_for_one() -> None:
    with pytest.raises(
        InputError, match=r"a vision transformer has no token table; set stages\.vocabulary\.enabled = false"
    ):
        required(vision_model(), TOKEN_TABLE, setting="stages.vocabulary.enabled")


def test_fixed_scales_are_for_products_alone() -> None:
    assert FAMILY.products_only
