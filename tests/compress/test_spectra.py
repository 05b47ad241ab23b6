"""A spectrum's directions hold the variance of what a matrix passes on, and what nothing reads weighs nothing."""

import re
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from edgewright.compress.spectra import RIDGE, TOKENS, Observed, Spectrum, spectra_of
from edgewright.errors import ModelError
from edgewright.models.capabilities import FACTORISABLE, TOKEN_TABLE
from edgewright.models.families import offered, required
from edgewright.models.inputs import TextInputs
from edgewright.models.model import TransformerModel
from tests import tiny
from tests.compress.test_importance import text_model, texts


def spectra(model: TransformerModel, *parts: str, count: int = 24, exponent: float = 1.0) -> dict[str, Spectrum]:
    family = required(model, FACTORISABLE, setting="stages.low_rank.enabled")
    places: Mapping[str, nn.Module] = family.matrices(model, parts)
    observed = Observed(model=model, matrices=family, table=offered(model, TOKEN_TABLE))
    return {each.name: each for each in spectra_of(observed, texts(count), places, exponent)}


def heard(model: TransformerModel, name: str) -> tuple[Tensor, Tensor]:
    """(inputs, outputs) of one linear map, a row a token of the calibration texts."""
    rows: list[tuple[Tensor, Tensor]] = []

    def hear(module: nn.Module, args: Any, output: Tensor) -> None:
        rows.append((args[0].flatten(0, -2).double(), output.flatten(0, -2).double()))

    hook = model.encoder.get_submodule(name).register_forward_hook(hear)
    with torch.no_grad():
        for row in range(24):
            model(*texts().batch([row]))
    hook.remove()
    return torch.cat([each[0] for each in rows]), torch.cat([each[1] for each in rows])


@pytest.mark.parametrize("part", ["up", "down"])
def test_directions_are_orthonormal_and_hold_the_weighted_variance_of_the_output(part: str) -> None:
    model = text_model()
    found = spectra(model, part)
    assert sorted(found) == [f"layers.{index}.{part}" for index in range(3)]
    one = found[f"layers.1.{part}"]
    count = one.basis.shape[1]
    torch.testing.assert_close(one.basis.T @ one.basis, torch.eye(count, dtype=torch.float64))
    assert bool((one.energies.diff() <= 1e-12).all())
    _, output = heard(model, f"layers.1.{part}")
    bias = model.encoder.get_submodule(f"layers.1.{part}").bias.detach().double()  # type: ignore[union-attr, operator]
    torch.testing.assert_close(one.mean, output.mean(dim=0) - bias, rtol=1e-3, atol=1e-4)
    variances = (one.scale * (output - output.mean(dim=0)) @ one.basis).square().mean(dim=0)
    shares, wanted = one.energies / one.energies.sum(), variances / variances.sum()
    torch.testing.assert_close(shares, wanted, rtol=0.05, atol=5 * RIDGE / count)


def test_a_matrix_of_few_directions_has_no_energy_beyond_them() -> None:
    model = text_model()
    up: Any = model.encoder.get_submodule("layers.0.up")
    with torch.no_grad():
        first, _, last = torch.linalg.svd(up.weight, full_matrices=False)
        up.weight.copy_(first[:, :3] @ last[:3])
    energies = spectra(model, "up")["layers.0.up"].energies
    assert float(energies[3:].sum()) < 1e-6 * float(energies.sum())
    assert float(energies[2]) > 1e-3 * float(energies.sum())


def test_what_the_model_says_nothing_of_has_no_energy() -> None:
    model = text_model()
    down: Any = model.encoder.get_submodule("layers.1.down")
    with torch.no_grad():
        down.weight.zero_()
    found = spectra(model, "up")
    assert float(found["layers.1.up"].energies.sum()) == 0.0
    assert torch.equal(found["layers.1.up"].scale, torch.ones_like(found["layers.1.up"].scale))
    assert float(found["layers.0.up"].energies.sum()) > 0


def test_tokens_count_by_how_often_they_were_met() -> None:
    model = text_model()
    table = tiny.encoder().tokens.weight.detach().double()
    met = torch.ones(len(table), dtype=torch.float64)
    for row in texts().rows:
        for piece in row.ids:
            met[piece] += 1
    often, alike = (spectra(model, TOKENS, exponent=exponent)[TOKENS] for exponent in (1.0, 0.0))
    torch.testing.assert_close(often.mean, (met / met.sum()) @ table)
    torch.testing.assert_close(alike.mean, table.mean(dim=0))
    assert often.weight.shape == (32, len(table))


def test_nothing_asked_for_runs_nothing() -> None:
    observed = Observed(model=nn.Identity(), matrices=None, table=None)  # type: ignore[arg-type]
    assert spectra_of(observed, TextInputs([]), {}, 1.0) == []


def test_values_that_are_not_finite_are_reported_by_the_matrix() -> None:
    model = text_model()
    up: Any = model.encoder.get_submodule("layers.0.up")
    with torch.no_grad():
        up.weight[0, 0] = torch.nan
    with pytest.raises(ModelError, match=r"layers\.0\.up computes values that are not finite on the 24 calibration"):
        spectra(model, "up")


@pytest.mark.parametrize("faulty", ["layers.0.attention_output", "layers.1.query_key_value", "layers.1.down"])
def test_of_many_matrices_behind_one_that_is_not_finite_that_one_is_named(faulty: str) -> None:
    model = text_model()
    with torch.no_grad():
        model.encoder.get_submodule(faulty).weight[0, 0] = torch.nan  # type: ignore[index]
    with pytest.raises(ModelError, match=rf"^{re.escape(faulty)} computes values that are not finite"):
        spectra(model, "query_key_value", "attention_output", "up", "down")
