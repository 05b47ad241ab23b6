"""Replace a matrix by a product of two thinner ones, where what it really passes on has few dimensions.

In:  a float model whose family is `Factorisable`, calibration inputs, and a rank: by energy, given, or by a budget.
Out: `Factorised`: the same model with some matrices of low rank, and what was decided for each and why.
Whether two thin products are faster than one is the caller's knowledge of the device; winning accuracy back is
`distill`'s concern.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

import torch
from torch import Tensor, nn

from edgewright.compress.ranks import FactorisedMatrix, MatrixRanks, Pays, within_budget
from edgewright.compress.spectra import TOKENS, Observed, Spectrum, spectra_of
from edgewright.errors import InputError, UnknownNameError
from edgewright.models.capabilities import FACTORISABLE, TOKEN_TABLE, Factorisable
from edgewright.models.families import lacks, offered, required
from edgewright.models.inputs import Inputs
from edgewright.models.transformer_shape import LINEARS

PARTS = (TOKENS, *LINEARS)

Model = TypeVar("Model", bound=nn.Module)


@dataclass(frozen=True, kw_only=True)
class Factorised(Generic[Model]):
    """The model, and its matrices in the order in which they are applied."""

    model: Model
    report: tuple[FactorisedMatrix, ...]


def factorise(
    model: Model,
    inputs: Inputs,
    *,
    parts: Collection[str],
    energy: float | None = None,
    ranks: Mapping[str, int] | None = None,
    keep_parameters: float | None = None,
    multiple: int = 8,
    pays: Pays | None = None,
    token_exponent: float = 1.0,
) -> Factorised[Model]:
    """Factorise these `parts`: "tokens", or one of `LINEARS` in every layer that has it. `model` is left as it is.

    W becomes BA with the least ‖D(W − BA)(x − E x)‖² over the inputs x that the matrix has in `inputs`, padding left
    out (the closed form of Chen et al. 2021, DRONE, and Wang et al. 2024, SVD-LLM), and the bias makes the mean output
    what it was. D has how much the model's output depends on each output of the matrix (the Fisher weights of Hsu et
    al. 2022, FWSVD, by rows and without labels): a residual dimension with a large variance that the next norm scales
    down would otherwise take all the rank. The token table is weighted by how often each token occurs, plus once, to
    the power of `token_exponent`: below 1 rare tokens count more, of which a training afterwards sees too little to
    mend. Just one of these says how far:

    - `energy`: each matrix has the smallest rank that keeps this share of that weighted variance.
    - `ranks`: by part, or for one matrix by its name as in the report ("layers.0.up").
    - `keep_parameters`: the share of all parameters in `parts` that may stay, spent where it changes the model's output
      least. Where too few matrices pay for that, more stay.

    Ranks are rounded up to a `multiple`. A matrix stays as it is unless two save a tenth of its parameters and
    `pays(inputs, outputs, rank)`, where given, is true. One that already is of low rank is merged and only reduced.
    Raises `InputError` for parts, ranks and shares that make no sense, `ModelError` for values that are not finite.
    """
    family = required(model, FACTORISABLE, setting="stages.low_rank.enabled")
    _require_parts(model, family, parts)
    _check(inputs, parts, energy, ranks, keep_parameters)
    observed = Observed(model=model, matrices=family, table=offered(model, TOKEN_TABLE))
    spectra = spectra_of(observed, inputs, family.matrices(model, parts), token_exponent)
    sizes = [MatrixRanks(spectrum, multiple, pays) for spectrum in spectra]
    if energy is not None:
        choices = [matrix.with_energy(energy) for matrix in sizes]
    elif ranks is not None:
        choices = [matrix.with_rank(ranks.get(matrix.name, ranks.get(matrix.part))) for matrix in sizes]
    else:
        assert keep_parameters is not None
        choices = within_budget(sizes, keep_parameters)
    chosen = {matrix.name: choice.rank for matrix, choice in zip(sizes, choices, strict=True) if not choice.unchanged}
    return Factorised(
        model=_rebuilt(model, family, spectra, cast(dict[str, int], chosen)),
        report=tuple(matrix.reported(choice) for matrix, choice in zip(sizes, choices, strict=True)),
    )


def _require_parts(model: nn.Module, family: Factorisable, parts: Collection[str]) -> None:
    known = family.parts(model)
    for part in parts:
        if part == TOKENS and part not in known:
            raise lacks(model, "token table to factorise", setting="stages.low_rank.token_rank")
        if part not in known:
            raise UnknownNameError("part to factorise", part, tuple(known))


def _check(
    inputs: Inputs,
    parts: Collection[str],
    energy: float | None,
    ranks: Mapping[str, int] | None,
    keep_parameters: float | None,
) -> None:
    settings = [value for value in (energy, ranks, keep_parameters) if value is not None]
    if len(settings) != 1:
        raise InputError(f"{len(settings)} of energy, ranks and keep_parameters are given; give just one of them")
    for name, share in (("energy", energy), ("keep_parameters", keep_parameters)):
        if share is not None and not 0 < share <= 1:
            raise InputError(f"{name} is {share:g}; it is a share, above 0 and at most 1")
    for name, rank in (ranks or {}).items():
        if rank < 1:
            raise InputError(f"the rank of {name} is {rank}; it is at least 1")
        if name.split(".")[-1] not in parts:
            raise UnknownNameError("part among those to factorise", name, parts)
    if not len(inputs):
        raise InputError("there are no calibration inputs to factorise by; give some hundreds, without labels")


def _rebuilt(model: Model, family: Factorisable, spectra: Sequence[Spectrum], chosen: Mapping[str, int]) -> Model:
    state = dict(family.root(model).state_dict())
    for spectrum in spectra:
        if spectrum.name in chosen:
            _factorise_in(state, spectrum, chosen[spectrum.name])
    rebuilt: Model = family.factorised(model, chosen, state)
    return rebuilt


def _factorise_in(state: dict[str, Tensor], spectrum: Spectrum, rank: int) -> None:
    """Put two matrices into the place of one."""
    name = spectrum.name
    # Turned so that no dimension in between is larger than the others: int8 has one scale for all of them.
    turned = spectrum.basis[:, :rank] @ _mixing(rank)
    first, second = (turned * spectrum.scale[:, None]).T, turned / spectrum.scale[:, None]
    if name == TOKENS:
        table = (spectrum.weight - spectrum.mean[:, None]).T @ first.T
        factors = {
            "tokens.weight": table,
            "token_projection.weight": second,
        }
        # Every token has a position, so what all tokens share may as well lie there.
        name = "positions.weight" if "positions.weight" in state else "token_projection.bias"
        factors[name] = state.get(name, torch.zeros(())).cpu() + spectrum.mean
    else:
        biases = [state.pop(f"{name}.{kind}", None) for kind in ("bias", "second.bias")]
        old = next((each for each in biases if each is not None), torch.zeros(len(spectrum.weight)))
        bias = old.cpu().double()
        for kind in ("weight", "first.weight", "second.weight"):
            state.pop(f"{name}.{kind}", None)
        factors = {
            f"{name}.first.weight": first @ spectrum.weight,
            f"{name}.second.weight": second,
            f"{name}.second.bias": bias + spectrum.mean - second @ (first @ spectrum.mean),
        }
    state.update({key: value.float() for key, value in factors.items()})


def _mixing(size: int) -> Tensor:
    """An orthonormal matrix with entries of like size (the discrete cosine transform), float64."""
    places = torch.arange(size, dtype=torch.float64)
    waves = torch.cos(math.pi / size * torch.outer(places, places + 0.5)) * math.sqrt(2 / size)
    waves[0] /= math.sqrt(2)
    return waves
