"""Channels go in coupled groups, what is left is the original's, and layers refitted to it keep the accuracy."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from edgewright.compress import prune_channels as channels
from edgewright.compress.channel_scores import ChannelImportance
from edgewright.compress.prune_channels import PrunedChannels, prune_channels
from edgewright.compress.refit import corrected, recalibrated
from edgewright.errors import BadDataError, InputError, ModelError
from edgewright.models import convnet, convnet_files, convnet_sources
from edgewright.models.convnet import ConvNet
from edgewright.models.inputs import ImageInputs
from edgewright.models.macs import sizes
from tests import tiny_vision

NETS = (*tiny_vision.KINDS, "mixed")
IMPORTANCES: tuple[ChannelImportance, ...] = ("magnitude", "taylor", "fisher", "activation")
RANKINGS: tuple[channels.Ranking, ...] = ("uniform", "global", "isomorphic")


def made(name: str, place: Path) -> ConvNet:
    if name not in tiny_vision.KINDS:
        return convnet_sources.from_factory(f"{tiny_vision.MODULE}:{name}")
    tiny_vision.hugging_face(name).save_pretrained(place / name)
    return convnet_sources.from_pretrained(place / name, side=32)


def inputs_of(net: ConvNet, count: int = 8) -> ImageInputs:
    return tiny_vision.pixels(convnet.example_inputs(net, count)[0])


def digits(count: int = 300) -> ImageInputs:
    return tiny_vision.pixels(tiny_vision.digits()[0][:count])


@torch.no_grad()
def outputs(net: nn.Module, of: ConvNet) -> Tensor:
    scores: Tensor = net(*convnet.example_inputs(of, 4))
    return scores


def silenced(net: ConvNet, pruned: PrunedChannels) -> ConvNet:
    """The whole net, but every channel that was pruned is 0 wherever it passes."""
    whole = copy.deepcopy(net)
    for row in pruned.kept:
        layer = whole.get_submodule(row.name)
        gone = [each for each in range(row.of) if each not in row.channels]
        layer.weight.data[gone] = 0
        if layer.bias is not None:
            layer.bias.data[gone] = 0
    for name, norm in whole.named_modules():
        if isinstance(norm, nn.BatchNorm2d):
            # No two channels have the same statistics, so that they tell who stayed.
            stayed = torch.isin(norm.running_mean, pruned.model.get_submodule(name).running_mean)
            norm.weight.data[~stayed] = 0
            norm.bias.data[~stayed] = 0
    return whole


@pytest.mark.parametrize("name", NETS)
def test_a_pruned_net_is_the_whole_net_with_channels_silenced(name: str, tmp_path: Path) -> None:
    net = made(name, tmp_path)
    pruned = prune_channels(net, inputs_of(net), keep_macs=0.5, multiple=2)
    assert pruned.sizes_after.macs <= 0.5 * pruned.sizes_before.macs
    assert outputs(pruned.model, net).shape == (4, tiny_vision.CLASSES)
    expected = outputs(silenced(net, pruned), net)
    assert not torch.allclose(expected, outputs(net, net), rtol=1e-2)
    assert torch.allclose(outputs(pruned.model, net), expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", NETS)
def test_a_pruned_net_is_exported_saved_loaded_and_pruned_again(name: str, tmp_path: Path) -> None:
    net = made(name, tmp_path)
    pruned = prune_channels(net, inputs_of(net), keep_macs=0.7, multiple=1).model
    inputs = convnet.example_inputs(net)
    exported = torch.export.export(pruned, inputs, strict=False).module()
    with torch.no_grad():
        assert torch.allclose(exported(*inputs), pruned(*inputs), rtol=1e-3, atol=1e-5)
    convnet_files.save(pruned, tmp_path)
    loaded = convnet_files.load(tmp_path, factory=net.origin.factory)
    assert torch.allclose(outputs(loaded, net), outputs(pruned, net), rtol=1e-4, atol=1e-5)
    again = prune_channels(loaded, inputs_of(net), keep_macs=0.7, multiple=1)
    assert again.sizes_after.macs <= 0.49 * sizes(net, inputs).macs
    convnet_files.save(again.model, tmp_path)
    loaded = convnet_files.load(tmp_path, factory=net.origin.factory)
    assert torch.allclose(outputs(loaded, net), outputs(again.model, net), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("importance", IMPORTANCES)
def test_pruning_leaves_the_net_and_the_random_numbers_as_they_were(importance: ChannelImportance) -> None:
    net = convnet_sources.from_factory(f"{tiny_vision.MODULE}:mixed").train()
    net.network.stem.requires_grad_(False)  # type: ignore[union-attr]
    before = {name: value.clone() for name, value in net.state_dict().items()}
    wanted = [each.requires_grad for each in net.parameters()]
    seed = torch.random.get_rng_state()
    first, second = (
        prune_channels(net, inputs_of(net), keep_macs=0.6, importance=importance, multiple=2) for _ in range(2)
    )
    assert torch.equal(seed, torch.random.get_rng_state())
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert [each.requires_grad for each in net.parameters()] == wanted
    assert all(each.grad is None for model in (net, first.model) for each in model.parameters())
    assert all(module.training for module in net.modules())
    assert not first.model.training
    assert first.kept == second.kept
    assert first.sizes_after == second.sizes_after


@pytest.mark.parametrize("ranking", RANKINGS)
@pytest.mark.parametrize("importance", IMPORTANCES)
def test_a_channel_that_nothing_comes_of_goes_first(importance: ChannelImportance, ranking: channels.Ranking) -> None:
    net = tiny_vision.trained()
    block: Any = net.network.blocks[0]  # type: ignore[index, union-attr]
    for part in (block.first.weight.data[7], block.first_norm.weight.data[7:8], block.second.weight.data[:, 7]):
        part.zero_()
    pruned = prune_channels(net, digits(64), keep_macs=0.98, importance=importance, ranking=ranking, multiple=1)
    rows = {row.name: row for row in pruned.kept}
    assert 7 not in rows["network.blocks.0.first"].channels


@pytest.mark.parametrize("ranking", RANKINGS)
@pytest.mark.parametrize("multiple", [1, 4, 8])
def test_layers_keep_a_multiple_and_at_least_the_floor(ranking: channels.Ranking, multiple: int) -> None:
    pruned = prune_channels(
        tiny_vision.trained(), digits(64), keep_macs=0.3, ranking=ranking, multiple=multiple, floor=0.25
    )
    assert pruned.kept
    for row in pruned.kept:
        layer = pruned.model.get_submodule(row.name)
        assert layer.weight.shape[0] == len(row.channels) == len(set(row.channels))
        assert len(row.channels) % multiple == 0
        assert 0.25 * row.of <= len(row.channels) < row.of


def test_uniform_keeps_the_same_share_everywhere_and_global_does_not() -> None:
    def shares(ranking: channels.Ranking) -> set[float]:
        pruned = prune_channels(tiny_vision.trained(), digits(64), keep_macs=0.3, ranking=ranking, multiple=1)
        return {round(len(row.channels) / row.of, 1) for row in pruned.kept}

    assert len(shares("uniform")) == 1
    assert len(shares("global")) > 1
    assert len(shares("isomorphic")) > 1


def test_uniform_magnitude_agrees_with_torch_prunings_own_pruner() -> None:
    import torch_pruning

    net, theirs = tiny_vision.trained(), tiny_vision.trained()
    pruner = torch_pruning.pruner.BasePruner(
        theirs,
        convnet.example_inputs(theirs)[0],
        importance=torch_pruning.importance.GroupMagnitudeImportance(),
        pruning_ratio=0.5,
        ignored_layers=[theirs.network.classifier],
    )
    pruner.step()
    share = sizes(theirs, convnet.example_inputs(net)).macs / sizes(net, convnet.example_inputs(net)).macs
    ours = prune_channels(net, digits(8), keep_macs=share, ranking="uniform", multiple=1).model
    assert torch.allclose(outputs(ours, net), outputs(theirs, net), rtol=1e-4, atol=1e-5)


def test_classes_that_come_out_of_a_convolution_are_not_pruned() -> None:
    net = convnet_sources.from_factory(f"{tiny_vision.MODULE}:last_is_convolution")
    pruned = prune_channels(net, inputs_of(net), keep_macs=0.5, multiple=1)
    assert [row.name for row in pruned.kept] == ["network.first"]
    assert outputs(pruned.model, net).shape == (4, tiny_vision.CLASSES)


def test_the_callers_loss_decides_what_matters() -> None:
    net = tiny_vision.trained()
    images, labels = tiny_vision.digits()[:2]

    def loss_of_part(low: int) -> Any:
        def loss_of(indexes: Any) -> Tensor:
            rows = list(indexes)
            wanted = (labels[rows] >= low) & (labels[rows] < low + 5)
            return functional.cross_entropy(net(images[rows]), labels[rows], reduction="none")[wanted].sum()

        return loss_of

    kept = [
        prune_channels(net, digits(128), keep_macs=0.5, importance="fisher", loss_of=loss_of_part(low)).kept
        for low in (0, 5)
    ]
    assert kept[0] != kept[1]


def test_layers_refitted_keep_the_accuracy_that_magnitude_pruning_loses() -> None:
    net = tiny_vision.trained()
    pruned = prune_channels(net, digits(), keep_macs=0.26, ranking="uniform", multiple=1)
    assert all(len(row.channels) / row.of == pytest.approx(0.5, abs=0.02) for row in pruned.kept)
    assert len(pruned.kept) == 8
    assert tiny_vision.accuracy(net) > 0.98
    lost = tiny_vision.accuracy(pruned.model)
    normed = tiny_vision.accuracy(recalibrated(pruned.model, digits()))
    refitted = tiny_vision.accuracy(corrected(pruned, net, digits()))
    assert lost < 0.7
    assert lost < normed < refitted
    assert refitted > 0.97


@pytest.mark.parametrize("name", NETS)
def test_refitting_brings_every_family_nearer_to_its_original(name: str, tmp_path: Path) -> None:
    net = made(name, tmp_path)
    inputs = inputs_of(net, 64)
    pruned = prune_channels(net, inputs, keep_macs=0.6, multiple=2)
    before = {key: value.clone() for key, value in pruned.model.state_dict().items()}
    fitted = corrected(pruned, net, inputs, rows=4096)
    assert all(torch.equal(before[key], value) for key, value in pruned.model.state_dict().items())
    with torch.no_grad():
        images = inputs.batch(range(64))
        errors = [float((each(*images) - net(*images)).square().mean()) for each in (pruned.model, fitted)]
    assert errors[1] < 0.5 * errors[0]
    assert [tuple(each.shape) for each in fitted.parameters()] == [
        tuple(each.shape) for each in pruned.model.parameters()
    ]


def test_a_channel_that_others_can_stand_in_for_is_replaced_exactly() -> None:
    net = tiny_vision.trained()
    block: Any = net.network.blocks[0]  # type: ignore[index, union-attr]
    norm = block.first_norm
    # The second half is the first at a tenth of its weights, which the norm undoes, and then read at a tenth.
    block.first.weight.data[16:] = 0.1 * block.first.weight.data[:16]
    norm.running_mean[16:] = 0.1 * norm.running_mean[:16]
    norm.running_var[16:] = 0.01 * (norm.running_var[:16] + norm.eps) - norm.eps
    norm.weight.data[16:], norm.bias.data[16:] = 0.5 * norm.weight.data[:16], 0.5 * norm.bias.data[:16]
    block.second.weight.data[:, 16:] *= 0.1
    pruned = prune_channels(net, digits(), keep_macs=0.9, ranking="global", multiple=16, floor=0.5)
    assert [(row.name, row.channels) for row in pruned.kept] == [("network.blocks.0.first", tuple(range(16)))]
    fitted = corrected(pruned, net, digits(), ridge=1e-9)
    errors = [float((outputs(each, net) - outputs(net, net)).abs().max()) for each in (pruned.model, fitted)]
    assert errors[0] > 0.1
    assert errors[1] < 0.01


def test_refitting_what_was_not_pruned_changes_nothing() -> None:
    net = tiny_vision.trained()
    whole = prune_channels(net, digits(64), keep_macs=1)
    assert whole.kept == ()
    assert whole.sizes_after == whole.sizes_before
    fitted = corrected(whole, net, digits(64))
    assert torch.allclose(outputs(fitted, net), outputs(net, net), rtol=1e-3, atol=1e-3)


def test_recalibrated_norms_hold_the_statistics_of_the_inputs_and_nothing_else_changes() -> None:
    net = convnet_sources.from_factory(f"{tiny_vision.MODULE}:mixed").train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    fresh = recalibrated(net, digits(60), batch_size=60)
    with torch.no_grad():
        seen = net.network.stem(tiny_vision.digits()[0][:60])  # type: ignore[operator, union-attr]
    norm: Any = fresh.network.stem_norm
    assert torch.allclose(norm.running_mean, seen.mean(dim=(0, 2, 3)), atol=1e-5)
    assert torch.allclose(norm.running_var, seen.var(dim=(0, 2, 3)), rtol=1e-4)
    assert norm.momentum == 0.1
    assert not norm.training
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    changed = [name for name, value in fresh.state_dict().items() if not torch.equal(before[name], value)]
    assert [name for name in changed if "running" not in name and "tracked" not in name] == []


def test_correction_is_the_same_for_the_same_seed() -> None:
    net = tiny_vision.trained()
    pruned = prune_channels(net, digits(64), keep_macs=0.4)
    first, second, other = (corrected(pruned, net, digits(64), rows=500, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(outputs(first, net), outputs(second, net))
    assert not torch.equal(outputs(first, net), outputs(other, net))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"keep_macs": 0.0}, "keep_macs is 0; it is the share of MACs that stays"),
        ({"keep_macs": 1.5}, "above 0 and at most 1"),
        ({"keep_macs": 0.01}, r"out of reach: 0\.\d+ of the MACs stay where every layer keeps 8 channels"),
        ({"keep_macs": 0.5, "multiple": 0}, "multiple is 0"),
    ],
)
def test_a_share_out_of_reach_says_what_is_within(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        prune_channels(tiny_vision.trained(), digits(8), **options)


def test_a_loss_that_is_no_number_is_reported() -> None:
    net = tiny_vision.trained()
    with pytest.raises(ModelError, match=r"fisher importance .* no number"):
        prune_channels(
            net,
            digits(8),
            keep_macs=0.5,
            importance="fisher",
            loss_of=lambda indexes: net(*digits(8).batch(indexes)).sum() * torch.nan,
        )


def test_no_calibration_data_is_reported() -> None:
    with pytest.raises(BadDataError, match="no calibration data"):
        prune_channels(tiny_vision.trained(), digits(0), keep_macs=0.5)


def test_code_that_counts_on_its_channels_is_reported() -> None:
    net = convnet_sources.from_factory(f"{tiny_vision.MODULE}:counts_on_channels")
    with pytest.raises(ModelError, match="does not run with fewer channels"):
        prune_channels(net, inputs_of(net), keep_macs=0.5, multiple=1)
