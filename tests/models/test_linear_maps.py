"""Linear maps without inputs are their bias, and those of a rank are products."""

import torch

from edgewright.models.linear_maps import Constant, LowRankLinear, copy_linear, linear


def test_a_linear_map_without_inputs_is_its_bias() -> None:
    whole, nothing = linear(3, 5), linear(0, 5)
    with torch.no_grad():
        copy_linear(whole, nothing)
    assert torch.equal(nothing(torch.ones(2, 7, 9)), whole.bias.expand(2, 7, -1))
    assert isinstance(linear(3, 5, 2), LowRankLinear)
    assert isinstance(linear(0, 5, 2), Constant)
