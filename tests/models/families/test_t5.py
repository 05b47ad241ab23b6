"""What encoder-decoders of this kind offer, by implementations that are there."""

from edgewright.models.capabilities import CAPABILITIES, SEQUENCE_TO_SEQUENCE
from edgewright.models.families import checked, family_of, offered
from edgewright.models.families.t5 import FAMILY
from edgewright.models.own_family import is_own_family
from tests import tiny_t5


def test_it_keeps_what_it_promises() -> None:
    assert checked("t5", FAMILY) is FAMILY
    for promised in FAMILY.capabilities:
        assert CAPABILITIES[promised].missing(FAMILY.implementation(CAPABILITIES[promised])) == []


def test_its_models_are_of_it_and_write_from_a_source() -> None:
    model = tiny_t5.model_of("flan-t5")
    assert family_of(model) is FAMILY
    assert FAMILY.modality == "text"
    assert offered(model, SEQUENCE_TO_SEQUENCE) is not None
    assert not is_own_family(model)  # one that reads texts, as a classifier's encoder does
