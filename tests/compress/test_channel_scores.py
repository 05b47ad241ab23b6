"""Scores of channels are the sums they are said to be, and taking them leaves the net as it was."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from edgewright.compress.channel_groups import groups_of
from edgewright.compress.channel_scores import ChannelImportance, gradients_of, importance_of, in_order, is_depthwise
from edgewright.compress.dependency_graph import dependency_graph
from edgewright.errors import ModelError
from edgewright.models import convnet_sources
from edgewright.models.convnet import ConvNet
from edgewright.models.inputs import ImageInputs
from tests import tiny_vision


def net_of(factory: str = "last_is_convolution") -> ConvNet:
    torch.manual_seed(0)
    return convnet_sources.from_factory(f"{tiny_vision.MODULE}:{factory}")


def images(count: int = 10) -> ImageInputs:
    return tiny_vision.pixels(torch.randn(count, 1, 8, 8, generator=torch.Generator().manual_seed(1)))


def scores_of(importance: ChannelImportance, batch_size: int = 4) -> Tensor:
    """Of the 16 channels between the net's two convolutions."""
    net = net_of()
    gradients = gradients_of(net, images(), importance, None, batch_size)
    student = net_of()
    scored = importance_of(importance, net, student, images(), gradients, batch_size)
    (group,) = groups_of(dependency_graph(student), student, scored)
    return group.scores


@pytest.mark.parametrize(("count", "size"), [(10, 4), (8, 4), (1, 4), (3, 1), (0, 4), (101, 25)])
def test_batches_hold_each_index_once_in_order_and_differ_by_one_at_most(count: int, size: int) -> None:
    found = list(in_order(count, size))
    assert [index for batch in found for index in batch] == list(range(count))
    assert len(found) == -(-count // size)
    sizes = [len(batch) for batch in found] or [0]
    assert max(sizes) <= size
    assert max(sizes) - min(sizes) <= 1


def test_only_a_convolution_of_each_channel_by_itself_is_depthwise() -> None:
    assert is_depthwise(nn.Conv2d(8, 8, 3, groups=8))
    assert not is_depthwise(nn.Conv2d(8, 16, 3, groups=8))
    assert not is_depthwise(nn.Conv2d(1, 1, 3))
    assert not is_depthwise(nn.Linear(8, 8))


def test_a_channels_energy_is_what_its_readers_get_of_it() -> None:
    network: Any = net_of().network
    with torch.no_grad():
        passed = functional.relu(network.first(images().batch(range(10))[0]))
    expected = passed.square().mean(dim=(0, 2, 3)) * network.second.weight.detach().square().sum(dim=(0, 2, 3))
    torch.testing.assert_close(scores_of("activation"), expected)
    torch.testing.assert_close(scores_of("activation", batch_size=1), expected)


def slopes(indexes: Sequence[int]) -> dict[str, Tensor]:
    net = net_of()
    net(*images().batch(indexes)).square().mean().backward()
    return {name: each.grad for name, each in net.named_parameters() if each.grad is not None}


def test_fisher_squares_what_a_gate_on_a_channel_would_change_batch_by_batch() -> None:
    weight = net_of().network.second.weight.detach()  # type: ignore[union-attr]
    batches = [(weight * slopes(each)["network.second.weight"]).sum(dim=(0, 2, 3)) for each in in_order(10, 4)]
    torch.testing.assert_close(scores_of("fisher"), torch.stack(batches).square().mean(dim=0))


def test_taylor_sums_the_gradients_of_all_batches() -> None:
    (found,) = gradients_of(net_of(), images(), "taylor", None, 4)
    for name, total in found.items():
        torch.testing.assert_close(total, sum(slopes(each)[name] for each in in_order(10, 4)))


@pytest.mark.parametrize("importance", ["magnitude", "activation"])
def test_what_asks_for_no_gradients_takes_none(importance: ChannelImportance) -> None:
    def never(indexes: Sequence[int]) -> Tensor:
        raise AssertionError("no loss is needed")

    assert gradients_of(net_of(), images(), importance, never, 4) == []


def test_a_loss_that_fails_leaves_the_nets_mode_and_what_it_learns_as_they_were() -> None:
    net = net_of("mixed").train()
    stem: Any = net.network.stem
    stem.requires_grad_(False)
    stem.eval()

    def fails(indexes: Sequence[int]) -> Tensor:
        raise RuntimeError("no labels")

    with pytest.raises(RuntimeError, match="no labels"):
        gradients_of(net, images(), "taylor", fails, 4)
    assert not any(each.requires_grad for each in stem.parameters())
    assert all(each.requires_grad for name, each in net.named_parameters() if ".stem." not in name)
    assert not stem.training
    assert net.training


@pytest.mark.parametrize("importance", ["taylor", "fisher"])
def test_a_gradient_that_is_no_number_is_reported_with_its_kind(importance: ChannelImportance) -> None:
    net = net_of()

    def endless(indexes: Sequence[int]) -> Tensor:
        scores: Tensor = net(*images().batch(indexes))
        return scores.sum() * torch.inf

    with pytest.raises(ModelError, match=f"the loss that {importance} importance is taken from"):
        gradients_of(net, images(), importance, endless, 4)
