"""Nets of convolutions are cut by channels and have fixed scales; they have neither hidden states nor matrices."""

import pytest

from edgewright.models import convnet_sources
from edgewright.models.capabilities import CAPABILITIES, FACTORISABLE, HIDDEN_STATES, SLICEABLE, SMOOTHABLE, TOKEN_TABLE
from edgewright.models.families import checked, family_of, offered, required
from edgewright.models.families.convnet import FAMILY
from tests import tiny_vision


def test_it_keeps_what_it_promises() -> None:
    assert set(FAMILY.capabilities) == {"stores", "prepares to run", "sliceable", "rebuildable"}
    assert checked("convnet", FAMILY) is FAMILY
    for name in FAMILY.capabilities:
        assert CAPABILITIES[name].missing(FAMILY.implementation(CAPABILITIES[name])) == []


def test_a_net_of_a_factory_is_of_it_and_is_cut_by_its_arithmetic() -> None:
    net = convnet_sources.from_factory(f"{tiny_vision.MODULE}:digits_net")
    assert family_of(net) is FAMILY
    assert FAMILY.modality == "image"
    units = set(required(net, SLICEABLE, setting="x").units)
    assert "keep_macs" in units
    assert not units & {"heads", "neurons"}


@pytest.mark.parametrize("capability", [FACTORISABLE, HIDDEN_STATES, SMOOTHABLE, TOKEN_TABLE])
def test_what_transformers_alone_have_it_does_not_offer(capability: object) -> None:
    net = convnet_sources.from_factory(f"{tiny_vision.MODULE}:digits_net")
    assert offered(net, capability) is None  # type: ignore[arg-type]


def test_int8_has_fixed_scales_everywhere() -> None:
    assert (FAMILY.scheme, FAMILY.products_only) == ("static-int8", False)
