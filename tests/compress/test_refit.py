"""What least squares is fitted to: the same numbers that unfolding a whole image would give, without doing so."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from edgewright.compress.refit import _Sample
from edgewright.models.inputs import ImageInputs


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(6, 4, 3, padding=1),
        nn.Conv2d(6, 4, 3, stride=2, padding=1),
        nn.Conv2d(6, 12, (3, 5), stride=(2, 1), padding=(0, 2), groups=3),
        nn.Conv2d(6, 6, 3, dilation=2, padding=2, groups=6),
        nn.Conv2d(6, 4, 1),
        nn.Conv2d(6, 4, 3, padding=1, padding_mode="circular"),
    ],
    ids=["plain", "strided", "grouped, oblong", "dilated, depthwise", "pointwise", "circular"],
)
def test_sampled_patches_times_the_weights_are_the_convolution_there(layer: nn.Conv2d) -> None:
    torch.manual_seed(0)
    given = torch.randn(5, 6, 11, 14)
    batches = [list(range(5))]
    sample = _Sample(inputs=ImageInputs(torch.zeros(5, 11, 14, 6)), batches=batches, rows=5 * 7, seed=0)
    found = sample._cut(layer, given, "layer", 0)
    output = layer(given) - layer.bias.detach()[:, None, None] if layer.bias is not None else layer(given)
    places = sample._positions("layer", 0, output[0, 0].numel())
    assert len(places) == 7
    weights = layer.weight.reshape(layer.groups, layer.weight.shape[0] // layer.groups, -1)
    wanted = output.flatten(2)[:, :, places].transpose(1, 2).reshape(35, layer.groups, -1).transpose(0, 1)
    assert torch.allclose(found @ weights.transpose(1, 2), wanted, atol=1e-5)


def test_all_positions_are_those_of_unfolding() -> None:
    layer, given = nn.Conv2d(3, 2, 3, padding=1), torch.randn(2, 3, 6, 5)
    sample = _Sample(inputs=ImageInputs(torch.zeros(2, 6, 5, 3)), batches=[[0, 1]], rows=10_000, seed=0)
    unfolded = functional.unfold(given, kernel_size=3, padding=1).transpose(1, 2).reshape(1, 60, 27)
    assert torch.equal(sample._cut(layer, given, "layer", 0), unfolded)
