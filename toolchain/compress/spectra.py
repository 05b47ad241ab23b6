"""What a model's matrices really pass on: the directions of their outputs, and how much each of them matters.

In:  a model whose family is `Factorisable`, and calibration inputs.
Out: a `Spectrum` for each matrix. Which rank follows from it is `ranks`' concern.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from edgewright.errors import ModelError
from edgewright.models.capabilities import Factorisable, HasTokenTable
from edgewright.models.inputs import Inputs
from edgewright.models.linear_maps import LowRankLinear, last_bias, matrix
from edgewright.models.text import INFERENCE_BATCH_TOKENS, batches

TOKENS = "tokens"  # the name of a token table among matrices
RIDGE = 1e-3  # the share of the energy that inputs unlike the calibration's are taken to have


@dataclass(frozen=True, kw_only=True)
class Spectrum:
    """One matrix and the directions of its output, those with the most energy first; float64.

    `mean` is the mean output without the bias, `scale` is what each output weighs. `basis` (outputs, directions) is
    orthonormal and spans the scaled outputs.
    """

    name: str
    weight: Tensor
    mean: Tensor
    scale: Tensor
    basis: Tensor
    energies: Tensor
    rank: int | None


class _Moments:
    """Mean and covariance, summed up in batches."""

    def __init__(self) -> None:
        self.count = 0

    def add(self, rows: Tensor) -> None:
        """Rows (…, width) that count."""
        rows = rows.detach().float()
        if not self.count:
            # Sums about a value near the mean lose no digits where the mean is far larger than the spread.
            self.shift = rows.mean(dim=0)
            self.sums = torch.zeros(rows.shape[1], dtype=torch.float64)
            self.products = torch.zeros(rows.shape[1], rows.shape[1], dtype=torch.float64)
        shifted = rows - self.shift
        self.count += len(rows)
        self.sums += shifted.sum(dim=0).cpu().double()
        self.products += (shifted.T @ shifted).cpu().double()

    def mean(self) -> Tensor:
        return self.shift.cpu().double() + self.sums / self.count

    def covariance(self) -> Tensor:
        mean = self.sums / self.count
        return self.products / self.count - torch.outer(mean, mean)


@dataclass(frozen=True, kw_only=True)
class Observed:
    """A model, and what its family offers to factorise it by; `table` is None where there is no token table."""

    model: nn.Module
    matrices: Factorisable
    table: HasTokenTable | None

    @property
    def projection(self) -> nn.Linear | None:
        """What stands behind a token table of low rank."""
        return self.table.projection(self.model) if self.table else None


def spectra_of(
    observed: Observed, inputs: Inputs, places: Mapping[str, nn.Module], token_exponent: float
) -> list[Spectrum]:
    """One for each of the matrices at `places`. Raises `ModelError` for values that are not finite."""
    if not places:
        return []
    observer = _Observer(observed, places, len(inputs))
    pieces = observed.table.pieces(observed.model) if observed.table else 0
    occurrences = torch.ones(pieces, dtype=torch.float64)
    with torch.inference_mode(False), torch.enable_grad():
        tokens_each = observed.matrices.tokens_each(observed.model)
        for indexes in batches(inputs.sizes, max(1, INFERENCE_BATCH_TOKENS // tokens_each)):
            batch = inputs.batch(indexes)
            mask = observed.matrices.counted(observed.model, *batch)
            counted = None if mask is None else mask.flatten().bool()
            if TOKENS in places:
                ids = batch[0].flatten() if counted is None else batch[0].flatten()[counted]
                occurrences += torch.bincount(ids.cpu(), minlength=pieces)
            observer.add(batch)
    observer.check()
    moments, slopes = observer.moments, observer.slopes
    with torch.no_grad():
        return [
            _token_spectrum(module, observed.projection, occurrences**token_exponent, slopes[name])
            if name == TOKENS
            else _linear_spectrum(name, module, moments[name], slopes[name])
            for name, module in places.items()
        ]


class _Observer:
    """Of each linear map the moments of the smaller of its input and output, and the slopes at every output."""

    def __init__(self, observed: Observed, places: Mapping[str, nn.Module], examples: int) -> None:
        self.observed, self.places, self.examples = observed, places, examples
        self.moments = {name: _Moments() for name in places if name != TOKENS}
        self.slopes: dict[str, Tensor] = {}  # in the order in which the matrices are run
        self.signs = torch.Generator().manual_seed(0)

    def add(self, batch: tuple[Tensor, ...]) -> None:
        """Add one batch. Raises `ModelError` for the first matrix whose output is not finite."""
        model, mask = self.observed.model, self.observed.matrices.counted(self.observed.model, *batch)
        counted = slice(None) if mask is None else mask.flatten().bool()
        outputs: dict[str, Tensor] = {}
        last = _last(self.observed, self.places)
        hooks = [module.register_forward_hook(self._hook(name, counted, outputs)) for name, module in last.items()]
        try:
            output = model(*batch)
        finally:
            for hook in hooks:
                hook.remove()
        # The slopes of a sum with random signs are, squared, those of all outputs together on average.
        signal = torch.randint(0, 2, output.shape, generator=self.signs).to(output) * 2 - 1
        if mask is not None and output.shape[:-1] == mask.shape:
            signal = signal * mask[..., None]
        tensors = list(outputs.values())
        gradients = torch.autograd.grad(output, tensors, signal, allow_unused=True, materialize_grads=True)
        for name, gradient in zip(outputs, gradients, strict=True):
            squares = gradient.flatten(0, -2)[counted].float().square().sum(dim=0)
            self.slopes[name] = self.slopes.get(name, torch.zeros(())) + squares.cpu().double()

    def _hook(
        self, name: str, counted: slice | Tensor, outputs: dict[str, Tensor]
    ) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def observe(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            if not output.detach().flatten(0, -2)[counted].isfinite().all():
                raise self._not_finite(name)
            if not output.requires_grad:  # a frozen model
                output.requires_grad_()
            outputs[name] = output
            if name in self.moments:
                rows = inputs[0] if _of_inputs(module) else output
                self.moments[name].add(rows.detach().flatten(0, -2)[counted])

        return observe

    def check(self) -> None:
        """Raise `ModelError` for slopes that are not finite: of the last such matrix, as slopes pass backwards."""
        faulty = [name for name, slopes in self.slopes.items() if not slopes.isfinite().all()]
        if faulty:
            raise self._not_finite(faulty[-1])

    def _not_finite(self, name: str) -> ModelError:
        return ModelError(
            f"{name} computes values that are not finite on the {self.examples} calibration inputs; check that the "
            "model's training did not diverge"
        )


def _last(observed: Observed, places: Mapping[str, nn.Module]) -> dict[str, nn.Module]:
    """The modules whose outputs the matrices' outputs are: that of a token table of low rank is its projection's."""
    projection = observed.projection if TOKENS in places else None
    return {name: projection if name == TOKENS and projection else module for name, module in places.items()}


def _of_inputs(module: nn.Module) -> bool:
    """Whether a linear map's input is smaller than its output."""
    if isinstance(module, LowRankLinear):
        return module.first.in_features < module.second.out_features
    return cast(nn.Linear, module).in_features < cast(nn.Linear, module).out_features


def _linear_spectrum(name: str, module: nn.Module, moments: _Moments, slopes: Tensor) -> Spectrum:
    weight, bias = matrix(module).cpu().double(), last_bias(module).cpu().double()
    covariance = moments.covariance()
    scale, strength = _scale(slopes)
    scaled = scale[:, None] * weight
    total = scaled.square().sum().clamp(min=torch.finfo(torch.float32).tiny)
    if _of_inputs(module):
        mean = weight @ moments.mean()
        ridge = RIDGE * torch.einsum("oi,ij,oj->", scaled, covariance, scaled) / total
        # W C Cᵀ Wᵀ is the covariance of the output; C is the smaller matrix to take apart.
        identity = torch.eye(len(covariance), dtype=torch.float64)
        root = torch.linalg.cholesky(covariance + ridge.clamp(min=1e-12) * identity)
        basis, singular, _ = torch.linalg.svd(scaled @ root, full_matrices=False)
        energies = singular.square()
    else:
        mean = moments.mean() - bias
        covariance = scale[:, None] * covariance * scale
        ridge = RIDGE * covariance.trace() / total
        energies, basis = _directions(covariance + ridge.clamp(min=1e-12) * scaled @ scaled.T)
    return Spectrum(
        name=name,
        weight=weight,
        mean=mean,
        scale=scale,
        basis=basis,
        energies=energies * strength,
        rank=module.first.out_features if isinstance(module, LowRankLinear) else None,
    )


def _token_spectrum(tokens: nn.Module, projection: nn.Linear | None, weights: Tensor, slopes: Tensor) -> Spectrum:
    """The table as the matrix that a one-hot token is multiplied by; its bias lies in the positions."""
    table = cast(nn.Embedding, tokens).weight.cpu().double()
    if projection is not None:
        table = table @ projection.weight.cpu().double().T
    shares = weights / weights.sum()
    mean = shares @ table
    scale, strength = _scale(slopes)
    scaled = (table - mean) * scale
    energies, basis = _directions(scaled.T @ (scaled * shares[:, None]))
    return Spectrum(
        name=TOKENS,
        weight=table.T,
        mean=mean,
        scale=scale,
        basis=basis,
        energies=energies * strength,
        rank=projection.in_features if projection is not None else None,
    )


def _scale(slopes: Tensor) -> tuple[Tensor, Tensor]:
    """What each output of a matrix weighs, the squares about 1 on average, and what all of them weigh together."""
    average = slopes.mean()
    if not average:  # nothing the model says depends on it
        return torch.ones_like(slopes), average
    return (slopes / average + RIDGE).sqrt(), average


def _directions(covariance: Tensor) -> tuple[Tensor, Tensor]:
    """Variances, the largest first, and the orthonormal directions (width, width) they lie in."""
    values, vectors = torch.linalg.eigh(covariance)
    return values.flip(0).clamp(min=0), vectors.flip(1)
