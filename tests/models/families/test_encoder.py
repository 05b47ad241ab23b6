"""Text encoders offer all that there is, by implementations that are there."""

from edgewright.models.capabilities import (
    CAPABILITIES,
    GENERATES,
    PREDICTS_TOKENS,
    SEQUENCE_TO_SEQUENCE,
    SLICEABLE,
    TOKEN_TABLE,
)
from edgewright.models.families import checked, family_of, required
from edgewright.models.families.encoder import FAMILY
from tests import tiny


def test_it_offers_every_capability_but_to_write_and_keeps_what_it_promises() -> None:
    assert set(FAMILY.capabilities) == set(CAPABILITIES) - {
        each.name for each in (GENERATES, PREDICTS_TOKENS, SEQUENCE_TO_SEQUENCE)
    }
    assert checked("encoder", FAMILY) is FAMILY
    for name in FAMILY.capabilities:
        capability = CAPABILITIES[name]
        assert capability.missing(FAMILY.implementation(capability)) == []


def test_models_of_texts_are_of_it() -> None:
    model = tiny.model_copy()
    assert family_of(model) is FAMILY
    assert (FAMILY.modality, FAMILY.title) == ("text", "text encoder")
    assert required(model, TOKEN_TABLE, setting="x").table(model) is model.encoder.tokens
    assert set(required(model, SLICEABLE, setting="x").units) >= {"heads", "neurons", "layers"}


def test_int8_takes_activations_as_they_come_and_fixed_scales_are_for_products_alone() -> None:
    assert (FAMILY.scheme, FAMILY.products_only) == ("dynamic-int8", True)
