"""Channels that are added, joined or filtered one by one go together, and a net's classes stay."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from edgewright.compress.channel_groups import ChannelGroup, groups_of
from edgewright.compress.dependency_graph import dependency_graph
from edgewright.models import convnet_sources
from edgewright.models.convnet import ConvNet
from tests import tiny_vision


def net_of(factory: str) -> ConvNet:
    return convnet_sources.from_factory(f"{tiny_vision.MODULE}:{factory}")


def counted(group: Any) -> Tensor:
    """A score of its own for each channel."""
    return torch.arange(len(group[0].idxs), dtype=torch.float)


def groups(net: ConvNet, importance: Any = counted) -> list[ChannelGroup]:
    return list(groups_of(dependency_graph(net), net, importance))


def test_one_groups_members_are_who_makes_its_channels_and_who_reads_them() -> None:
    (group,) = groups(net_of("last_is_convolution"))
    assert group.units == 16
    assert {(each.name, each.outwards) for each in group.members} == {
        ("network.first", True),
        ("network.second", False),
    }
    for member in group.members:
        assert member.indexes.tolist() == member.units.tolist() == list(range(16))
    assert group.scores.tolist() == list(range(16))
    assert (group.ways, type(group.root)) == (1, nn.Conv2d)


def test_all_that_is_added_to_a_residual_stream_goes_together() -> None:
    makers = [{each.name for each in group.members if each.outwards} for group in groups(net_of("digits_net"))]
    (stream,) = [each for each in makers if "network.stem" in each]
    assert {"network.stem", "network.blocks.0.second", "network.blocks.1.second"} <= stream
    assert "network.blocks.0.first" not in stream
    assert not any("network.classifier" in each for each in makers)


def test_a_unit_of_a_grouped_convolution_is_a_channel_of_each_group() -> None:
    net = net_of("mixed")
    found = groups(net)
    (grouped, *_) = [each for each in found if each.ways > 1]
    convolutions = [net.get_submodule(each.name) for each in grouped.members]
    assert any(getattr(each, "groups", 1) == grouped.ways for each in convolutions)
    count = grouped.units * grouped.ways
    expected = torch.arange(count, dtype=torch.float).reshape(grouped.ways, grouped.units).mean(dim=0)
    assert torch.equal(grouped.scores, expected)
    for member in grouped.members:
        assert int(member.units.max()) < grouped.units


@pytest.mark.parametrize("scores", [lambda group: None, lambda group: torch.ones(1)], ids=["none", "too few"])
def test_a_group_that_is_not_scored_is_left_as_it_is(scores: Any) -> None:
    assert groups(net_of("digits_net"), scores) == []
