"""One part is fitted to its targets by least squares, and stays as it was where no fit is better on held-out rows."""

import torch
from torch import Tensor, nn

from edgewright.compress.least_squares import Moments, correction_of, refit, refit_norm
from edgewright.compress.streams import Batch
from edgewright.models.linear_maps import Constant, LowRankLinear


def batch(examples: int = 40, length: int = 5, width: int = 6) -> Batch:
    rows = torch.randn(examples, length, width, generator=torch.Generator().manual_seed(0))
    held = torch.zeros(examples, length, dtype=torch.bool)
    held[-4:] = True
    return Batch(fit=~held, held=held, bias=None, student=rows, teacher=rows, target=rows)


@torch.no_grad()
def fitted(module: nn.Module, wanted: nn.Module) -> Tensor:
    torch.manual_seed(0)
    sample = batch()
    refit(module, [sample], lambda b: b.student, lambda b: wanted(b.teacher))
    off: Tensor = (module(sample.student) - wanted(sample.teacher)).abs().max()
    return off


def test_a_matrix_is_fitted_to_what_another_says() -> None:
    torch.manual_seed(1)
    assert fitted(nn.Linear(6, 3), nn.Linear(6, 3)) < 1e-2


def test_of_a_product_the_second_half_is_fitted_and_of_a_constant_the_bias() -> None:
    torch.manual_seed(1)
    product, constant = LowRankLinear(6, 3, 2), Constant(3)
    first = product.first.weight.clone()
    fitted(product, nn.Linear(6, 3))
    assert torch.equal(product.first.weight, first)
    said = nn.Linear(6, 3)
    fitted(constant, said)
    assert torch.allclose(constant.bias, said(batch().student[batch().fit]).mean(dim=0), atol=1e-4)


def test_without_rows_to_judge_a_fit_nothing_is_corrected() -> None:
    fit, judge = Moments(4, 2, torch.device("cpu")), Moments(4, 2, torch.device("cpu"))
    fit.add(torch.randn(30, 4), torch.randn(30, 2))
    assert correction_of(fit, judge) is None


@torch.no_grad()
def test_a_norm_is_scaled_and_shifted_to_its_targets() -> None:
    sample, norm, wanted = batch(), nn.LayerNorm(6), nn.LayerNorm(6)
    wanted.weight.copy_(torch.arange(1.0, 7.0))
    wanted.bias.copy_(torch.arange(6.0))
    refit_norm(norm, [sample], lambda b: b.student, lambda b: wanted(b.teacher))
    assert torch.allclose(norm.weight, wanted.weight, atol=1e-3)
    assert torch.allclose(norm.bias, wanted.bias, atol=1e-3)
