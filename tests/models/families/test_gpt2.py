"""What decoders of this kind offer, by implementations that are there."""

from edgewright.models.capabilities import CAPABILITIES, GENERATES
from edgewright.models.families import checked, family_of, offered
from edgewright.models.families.gpt2 import FAMILY
from tests import tiny_decoders


def test_it_keeps_what_it_promises() -> None:
    assert checked("gpt2", FAMILY) is FAMILY
    for promised in FAMILY.capabilities:
        assert CAPABILITIES[promised].missing(FAMILY.implementation(CAPABILITIES[promised])) == []


def test_its_models_are_of_it_and_generate() -> None:
    model = tiny_decoders.decoder("gpt2")
    assert family_of(model) is FAMILY
    assert FAMILY.modality == "text"
    assert offered(model, GENERATES) is not None
