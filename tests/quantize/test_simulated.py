"""int8 simulated in PyTorch: what it rounds, on which scales, and that a model can be taught within it."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from edgewright.models import convnet_sources
from edgewright.quantize.ranges import Range
from edgewright.quantize.simulated import as_int8, parts_of, ranges_of, rounded_between, rounded_groups, rounded_rows

STEP = 1 / 255


def convolution(*, groups: int = 1) -> nn.Conv2d:
    torch.manual_seed(0)
    return nn.Conv2d(4, 6 if groups == 1 else 4, 3, padding=1, groups=groups)


def within(model: nn.Module, given: torch.Tensor, ranges: dict[str, Range] | None = None) -> torch.Tensor:
    with as_int8(model, list(parts_of(model)), ranges=ranges), torch.no_grad():
        output: torch.Tensor = model(given)
    return output


@pytest.mark.parametrize("groups", [1, 4])
def test_a_convolution_has_rounded_weights_and_reads_rounded_images(groups: int) -> None:
    model = nn.Sequential(convolution(groups=groups)).eval()
    images = torch.rand(2, 4, 5, 5)
    layer = model[0]
    assert isinstance(layer, nn.Conv2d)
    low, high = images.amin(dim=(1, 2, 3), keepdim=True), images.amax(dim=(1, 2, 3), keepdim=True)
    expected = functional.conv2d(
        rounded_between(images, low, high), rounded_rows(layer.weight.detach()), layer.bias, padding=1, groups=groups
    )
    assert torch.allclose(within(model, images), expected, atol=1e-6)
    error = (within(model, images) - model(images)).abs().max()
    assert 0 < error < 0.05


def test_each_output_channel_has_a_scale_of_its_own() -> None:
    weights = convolution().weight.detach().clone()
    weights[0] *= 1000
    assert (rounded_rows(weights)[1:] - weights[1:]).abs().max() < weights[1:].abs().max() / 254 * 1.01


def test_static_scales_are_those_of_the_range_and_what_lies_outside_is_cut_off() -> None:
    model = nn.Sequential(nn.Linear(3, 3, bias=False)).eval()
    with torch.no_grad():
        model[0].weight.copy_(torch.eye(3))
    found = within(model, torch.tensor([[-0.4, 0.5, 7.0]]), {"0": Range(0.0, 1.0)})
    assert found[0, 0] == 0
    assert found[0, 1] == pytest.approx(0.5, abs=STEP)
    assert found[0, 2] == pytest.approx(1.0, abs=STEP)


def test_ranges_are_of_all_that_a_part_reads_and_hold_zero() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1)).eval()

    def run(trial: nn.Module) -> None:
        trial(torch.tensor([[1.0, 3.0]]))
        trial(torch.tensor([[2.0, 9.0]]))

    found = ranges_of(model, run, calibration="minmax")
    assert found["0"] == Range(0.0, 9.0)
    assert set(found) == {"0", "2"}
    assert found["2"].low == 0.0 < found["2"].high
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_gradients_pass_the_rounding_but_not_what_a_range_cuts_off() -> None:
    model = nn.Sequential(nn.Linear(2, 1, bias=False))
    given = torch.tensor([[0.5, 5.0]], requires_grad=True)
    with as_int8(model, ["0"], ranges={"0": Range(0.0, 1.0)}):
        model.train()
        model(given).sum().backward()
    assert given.grad is not None
    assert given.grad[0, 0] != 0
    assert given.grad[0, 1] == 0
    weight = model[0].weight
    assert weight.grad is not None
    assert weight.grad[0].tolist() == pytest.approx([0.5, 1.0], abs=STEP)


def test_weights_that_are_taught_within_are_the_parts_own() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 4))
    before = model[0].weight.detach().clone()
    with as_int8(model, ["0"]):
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        model.train()
        model(torch.rand(8, 4)).square().sum().backward()
        optimizer.step()
        model.eval()
        taught = model(torch.ones(1, 4))
    assert isinstance(model[0], nn.Linear)
    assert not torch.equal(model[0].weight, before)
    assert torch.allclose(within(model, torch.ones(1, 4)), taught)


def test_a_model_taught_in_int8_loses_less_by_it_than_one_that_was_not() -> None:
    net = convnet_sources.from_factory("tests.tiny_vision:mixed")
    torch.manual_seed(0)
    images, examples = torch.rand(64, 1, 8, 8), torch.rand(16, 1, 8, 8)
    wanted = net(images).detach()
    with torch.no_grad():
        ranges = ranges_of(net, lambda trial: trial(examples))
    damaged = {name: Range(each.low / 4, each.high / 4) for name, each in ranges.items()}
    names = list(parts_of(net))
    errors = {}
    for kind in ("before", "after"):
        model = copy.deepcopy(net)
        with as_int8(model, names, ranges=damaged):
            if kind == "after":
                optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
                for _ in range(40):
                    optimizer.zero_grad()
                    functional.mse_loss(model.train()(images), wanted).backward()
                    optimizer.step()
            model.eval()
            with torch.no_grad():
                errors[kind] = float(functional.mse_loss(model(images), wanted))
    assert errors["after"] < 0.5 * errors["before"]


def test_weights_of_four_bits_have_a_scale_for_each_group_of_inputs_where_groups_fit() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(64, 3, bias=False)
    with torch.no_grad():
        layer.weight[:, 5] *= 100  # spoils its own group alone
    model = nn.Sequential(layer).eval()
    wanted = layer.weight.detach()
    whole, grouped = (rounded_groups(wanted, bits=4, group=group) for group in (None, 32))
    assert torch.equal(whole, rounded_rows(wanted, bits=4))
    assert torch.equal(grouped[:, 32:], rounded_rows(wanted[:, 32:], bits=4))
    assert float((grouped - wanted)[:, 32:].abs().max()) < 0.1 * float((whole - wanted)[:, 32:].abs().max())
    assert torch.equal(rounded_groups(wanted, bits=4, group=24), whole)
    inputs = torch.eye(64)
    with as_int8(model, ["0"], weight_bits={"0": 4}, group=32), torch.no_grad():
        assert torch.allclose(model(inputs).T, grouped, rtol=1e-5, atol=1e-6)
    with as_int8(model, ["0"], group=32), torch.no_grad():
        assert torch.allclose(model(inputs).T, rounded_rows(wanted), rtol=1e-5, atol=1e-6)
