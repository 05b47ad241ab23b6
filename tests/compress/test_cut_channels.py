"""A net is cut by its channels to a share of its products, and refitted on request."""

import pytest
import torch

from edgewright.compress.cut_channels import cut
from edgewright.compress.cutting import Goal
from edgewright.compress.prune_channels import prune_channels
from edgewright.compress.refit import corrected
from edgewright.errors import InputError
from edgewright.models import convnet, convnet_sources
from edgewright.specs.recipe import Prune
from tests import tiny_vision


def test_a_net_is_cut_as_its_channels_are_and_refitted_as_they_are() -> None:
    net = convnet_sources.from_factory(f"{tiny_vision.MODULE}:mixed")
    sample = tiny_vision.pixels(convnet.example_inputs(net, 8)[0])
    settings = Prune(keep_macs=0.6, importance="activation")
    made = cut(net, sample, Goal(settings=settings, multiple=4, share=lambda: 0.6))
    wanted = prune_channels(net, sample, keep_macs=0.6, importance="activation", ranking="isomorphic", multiple=4)
    refitted = corrected(wanted, net, sample)
    assert made.layers == ()
    assert made.refitted is not None
    for ours, theirs in ((made.model, wanted.model), (made.refitted(), refitted)):
        for found, expected in zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True):
            assert torch.equal(found, expected)


def test_what_stays_has_to_be_said_and_nothing_else() -> None:
    net = convnet_sources.from_factory(f"{tiny_vision.MODULE}:mixed")
    sample = tiny_vision.pixels(convnet.example_inputs(net, 8)[0])
    with pytest.raises(InputError, match=r"is cut by prune\.keep_macs: say what share of the products stays"):
        cut(net, sample, Goal(settings=Prune()))
    with pytest.raises(InputError, match=r"prune\.layers is not read beside prune\.keep_macs"):
        cut(net, sample, Goal(settings=Prune(keep_macs=0.5, layers=2), share=lambda: 0.5))
