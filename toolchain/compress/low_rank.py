"""Replace a matrix by a product of two thinner ones, where what it really passes on has few dimensions.

In:  a float model of any transformer family, calibration inputs, and a rank: by energy, given, or by a budget.
Out: `Factorised`: the same model with some matrices of low rank, and what was decided for each and why.
Whether two thin products are faster than one is the caller's knowledge of the device; winning accuracy back is
`distill`'s concern.
"""

from __future__ import annotations

import copy
import heapq
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from edgewright.errors import InputError, ModelError, UnknownNameError
from edgewright.models.encoder import Encoder
from edgewright.models.inputs import Inputs, in_batches
from edgewright.models.model import TransformerModel
from edgewright.models.text import INFERENCE_BATCH_TOKENS
from edgewright.models.transformer import LINEARS, Constant, LowRankLinear, Transformer, last_bias, matrix

TOKENS = "tokens"
PARTS = (TOKENS, *LINEARS)
MARGIN = 0.1  # two products instead of one must save at least this share of the parameters
RIDGE = 1e-3  # the share of the energy that inputs unlike the calibration's are taken to have

Pays = Callable[[int, int, int], bool]


@dataclass(frozen=True, kw_only=True)
class FactorisedMatrix:
    """What became of one matrix, biases not counted; the token table reads one of `inputs` tokens.

    `rank` is None for a matrix that is whole. `energy` is the share of its output's weighted variance on the
    calibration inputs that is kept. `unchanged` says why it is as it was, None where it was factorised.
    """

    name: str
    inputs: int
    outputs: int
    rank: int | None
    energy: float
    parameters_before: int
    parameters_after: int
    unchanged: str | None


@dataclass(frozen=True, kw_only=True)
class Factorised:
    """The model, and its matrices in the order in which they are applied."""

    model: TransformerModel
    report: tuple[FactorisedMatrix, ...]


@dataclass(frozen=True)
class _Choice:
    rank: int | None
    unchanged: str | None = None


def factorise(
    model: TransformerModel,
    inputs: Inputs,
    *,
    parts: Collection[str],
    energy: float | None = None,
    ranks: Mapping[str, int] | None = None,
    keep_parameters: float | None = None,
    multiple: int = 8,
    pays: Pays | None = None,
    token_exponent: float = 1.0,
) -> Factorised:
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
    _check(model.encoder, inputs, parts, energy, ranks, keep_parameters)
    places = _places(model.encoder, parts)
    spectra = _spectra(model, inputs, places, token_exponent)
    sizes = [_Matrix(spectrum, multiple, pays) for spectrum in spectra]
    if energy is not None:
        choices = [matrix.with_energy(energy) for matrix in sizes]
    elif ranks is not None:
        choices = [matrix.with_rank(ranks.get(matrix.name, ranks.get(matrix.part))) for matrix in sizes]
    else:
        assert keep_parameters is not None
        choices = _within_budget(sizes, keep_parameters)
    chosen = {matrix.name: choice.rank for matrix, choice in zip(sizes, choices, strict=True) if not choice.unchanged}
    return Factorised(
        model=_rebuilt(model, spectra, cast(dict[str, int], chosen)),
        report=tuple(matrix.reported(choice) for matrix, choice in zip(sizes, choices, strict=True)),
    )


def _check(
    encoder: Transformer,
    inputs: Inputs,
    parts: Collection[str],
    energy: float | None,
    ranks: Mapping[str, int] | None,
    keep_parameters: float | None,
) -> None:
    for part in parts:
        if part not in PARTS:
            raise UnknownNameError("part to factorise", part, PARTS)
    if TOKENS in parts and not isinstance(encoder, Encoder):
        raise InputError(
            f"a {type(encoder).__name__} has no token table to factorise; choose from {', '.join(LINEARS)}"
        )
    given = [value for value in (energy, ranks, keep_parameters) if value is not None]
    if len(given) != 1:
        raise InputError(f"{len(given)} of energy, ranks and keep_parameters are given; give just one of them")
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


# What a matrix passes on


@dataclass(frozen=True, kw_only=True)
class _Spectrum:
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


def _places(encoder: Transformer, parts: Collection[str]) -> dict[str, nn.Module]:
    """The matrices by their names, as they are applied; a part that is but a constant is none."""
    found: dict[str, nn.Module] = {}
    if TOKENS in parts:
        found[TOKENS] = cast(Encoder, encoder).tokens
    for index, layer in enumerate(encoder.layers):
        for part in LINEARS:
            module = getattr(layer, part, None)
            if part in parts and module is not None and not isinstance(module, Constant):
                found[f"layers.{index}.{part}"] = module
    return found


def _spectra(
    model: TransformerModel, inputs: Inputs, places: Mapping[str, nn.Module], token_exponent: float
) -> list[_Spectrum]:
    if not places:
        return []
    encoder = model.encoder
    moments = {name: _Moments() for name in places if name != TOKENS}
    slopes: dict[str, Tensor] = {}
    vocabulary = encoder.shape.vocabulary if isinstance(encoder, Encoder) else 0
    occurrences = torch.ones(vocabulary, dtype=torch.float64)
    signs = torch.Generator().manual_seed(0)
    with torch.inference_mode(False), torch.enable_grad():
        for indexes in in_batches(encoder, inputs, INFERENCE_BATCH_TOKENS):
            batch = inputs.batch(indexes)
            mask = encoder.mask(*batch)
            counted = None if mask is None else mask.flatten().bool()
            if TOKENS in places:
                ids = batch[0].flatten() if counted is None else batch[0].flatten()[counted]
                occurrences += torch.bincount(ids.cpu(), minlength=vocabulary)
            _observe(model, batch, places, moments, slopes, signs)
    for name in places:
        sums = [slopes[name], *([moments[name].sums] if name in moments else [])]
        if not all(each.isfinite().all() for each in sums):
            raise ModelError(
                f"{name} computes values that are not finite on the {len(inputs)} calibration inputs; check that the "
                "model's training did not diverge"
            )
    with torch.no_grad():
        return [
            _token_spectrum(cast(Encoder, encoder), occurrences**token_exponent, slopes[name])
            if name == TOKENS
            else _linear_spectrum(name, module, moments[name], slopes[name])
            for name, module in places.items()
        ]


def _observe(
    model: TransformerModel,
    batch: tuple[Tensor, ...],
    places: Mapping[str, nn.Module],
    moments: Mapping[str, _Moments],
    slopes: dict[str, Tensor],
    signs: torch.Generator,
) -> None:
    """Add one batch: of each linear map the smaller of its input and output, and the slopes at every output."""
    mask = model.encoder.mask(*batch)
    counted = slice(None) if mask is None else mask.flatten().bool()
    outputs: dict[str, Tensor] = {}

    def observer(name: str) -> Callable[[nn.Module, Any, Tensor], None]:
        def observe(module: nn.Module, args: Any, output: Tensor) -> None:
            if not output.requires_grad:  # a frozen model
                output.requires_grad_()
            outputs[name] = output
            if name in moments:
                rows = args[0] if _of_inputs(module) else output
                moments[name].add(rows.detach().flatten(0, -2)[counted])

        return observe

    hooks = [module.register_forward_hook(observer(name)) for name, module in _last(model, places).items()]
    try:
        output = model(*batch)
    finally:
        for hook in hooks:
            hook.remove()
    # The slopes of a sum with random signs are, squared, those of all outputs together on average.
    signal = torch.randint(0, 2, output.shape, generator=signs).to(output) * 2 - 1
    if mask is not None and output.shape[:-1] == mask.shape:
        signal = signal * mask[..., None]
    found = torch.autograd.grad(output, list(outputs.values()), signal, allow_unused=True, materialize_grads=True)
    for name, gradient in zip(outputs, found, strict=True):
        squares = gradient.flatten(0, -2)[counted].float().square().sum(dim=0)
        slopes[name] = slopes.get(name, torch.zeros(())) + squares.cpu().double()


def _last(model: TransformerModel, places: Mapping[str, nn.Module]) -> dict[str, nn.Module]:
    """The modules whose outputs the matrices' outputs are: that of a token table of low rank is its projection's."""
    projection = getattr(model.encoder, "token_projection", None)
    return {name: projection if name == TOKENS and projection else module for name, module in places.items()}


def _of_inputs(module: nn.Module) -> bool:
    """Whether a linear map's input is smaller than its output."""
    if isinstance(module, LowRankLinear):
        return module.first.in_features < module.second.out_features
    return cast(nn.Linear, module).in_features < cast(nn.Linear, module).out_features


def _linear_spectrum(name: str, module: nn.Module, moments: _Moments, slopes: Tensor) -> _Spectrum:
    weight, bias = matrix(module).cpu().double(), last_bias(module).cpu().double()
    covariance = moments.covariance()
    scale, strength = _scale(slopes)
    scaled = scale[:, None] * weight
    whole = scaled.square().sum().clamp(min=torch.finfo(torch.float32).tiny)
    if _of_inputs(module):
        mean = weight @ moments.mean()
        ridge = RIDGE * torch.einsum("oi,ij,oj->", scaled, covariance, scaled) / whole
        # W C Cᵀ Wᵀ is the covariance of the output; C is the smaller matrix to take apart.
        identity = torch.eye(len(covariance), dtype=torch.float64)
        root = torch.linalg.cholesky(covariance + ridge.clamp(min=1e-12) * identity)
        basis, singular, _ = torch.linalg.svd(scaled @ root, full_matrices=False)
        energies = singular.square()
    else:
        mean = moments.mean() - bias
        covariance = scale[:, None] * covariance * scale
        ridge = RIDGE * covariance.trace() / whole
        energies, basis = _directions(covariance + ridge.clamp(min=1e-12) * scaled @ scaled.T)
    return _Spectrum(
        name=name,
        weight=weight,
        mean=mean,
        scale=scale,
        basis=basis,
        energies=energies * strength,
        rank=module.first.out_features if isinstance(module, LowRankLinear) else None,
    )


def _token_spectrum(encoder: Encoder, weights: Tensor, slopes: Tensor) -> _Spectrum:
    """The table as the matrix that a one-hot token is multiplied by; its bias lies in the positions."""
    table = encoder.tokens.weight.cpu().double()
    if encoder.shape.token_rank:
        table = table @ encoder.token_projection.weight.cpu().double().T
    shares = weights / weights.sum()
    mean = shares @ table
    scale, strength = _scale(slopes)
    scaled = (table - mean) * scale
    energies, basis = _directions(scaled.T @ (scaled * shares[:, None]))
    return _Spectrum(
        name=TOKENS,
        weight=table.T,
        mean=mean,
        scale=scale,
        basis=basis,
        energies=energies * strength,
        rank=encoder.shape.token_rank,
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


# Which rank


class _Matrix:
    """One matrix's ranks to choose from: what each keeps, and whether it pays."""

    def __init__(self, spectrum: _Spectrum, multiple: int, pays: Pays | None) -> None:
        self.name, self.part = spectrum.name, spectrum.name.split(".")[-1]
        self.outputs, self.inputs = spectrum.weight.shape
        self.rank, self.multiple, self.pays = spectrum.rank, multiple, pays
        self.total = total = float(spectrum.energies.sum())
        sums = spectrum.energies.cumsum(0) / total if total else torch.ones_like(spectrum.energies)
        self.kept = [0.0, *sums.clamp(max=1.0).tolist()]

    def parameters(self, rank: int | None) -> int:
        return rank * (self.inputs + self.outputs) if rank else self.inputs * self.outputs

    def energy(self, rank: int | None) -> float:
        return self.kept[min(rank, len(self.kept) - 1)] if rank else 1.0

    def lost(self, rank: int | None) -> float:
        """What the model's output changes by, squared: comparable between matrices."""
        return self.total * (1 - self.energy(rank))

    def refused(self, rank: int) -> str | None:
        """Why this rank is no gain, None where it is one."""
        if self.rank and rank >= self.rank:
            return f"it already has rank {self.rank}"
        if self.parameters(rank) > (1 - MARGIN) * self.parameters(None):
            return f"rank {rank} would save less than {MARGIN:.0%} of its parameters"
        if self.pays and not self.pays(self.inputs, self.outputs, rank):
            return f"rank {rank} does not pay on the device"
        return None

    def with_rank(self, rank: int | None) -> _Choice:
        if rank is None:
            return _Choice(self.rank, "no rank was asked for it")
        rounded = -(-rank // self.multiple) * self.multiple
        reason = self.refused(rounded)
        return _Choice(self.rank, reason) if reason else _Choice(rounded)

    def with_energy(self, share: float) -> _Choice:
        # The last sums differ from 1 by rounding only.
        return self.with_rank(next(rank for rank, kept in enumerate(self.kept) if rank and kept >= share - 1e-12))

    def paying(self) -> list[_Choice]:
        """Every choice, the one with the most parameters (as it is) first."""
        ranks = range(self.multiple, len(self.kept) + self.multiple, self.multiple)
        return [
            _Choice(self.rank, "the budget spares it"),
            *(_Choice(r) for r in reversed(ranks) if not self.refused(r)),
        ]

    def reported(self, choice: _Choice) -> FactorisedMatrix:
        return FactorisedMatrix(
            name=self.name,
            inputs=self.inputs,
            outputs=self.outputs,
            rank=choice.rank,
            energy=1.0 if choice.unchanged else self.energy(choice.rank),
            parameters_before=self.parameters(self.rank),
            parameters_after=self.parameters(choice.rank),
            unchanged=choice.unchanged,
        )


@dataclass(frozen=True)
class _Point:
    """A choice for one matrix, its parameters and the energy it loses."""

    choice: _Choice
    parameters: int
    lost: float


def _within_budget(matrices: Sequence[_Matrix], keep: float) -> list[_Choice]:
    """Step down where a parameter saved costs the least energy, until all fit; then spend what is left over."""
    every = [_points(matrix) for matrix in matrices]
    hulls = [_hull(points) for points in every]
    current = [hull[0] for hull in hulls]
    left = math.floor(keep * sum(point.parameters for point in current))
    left -= sum(point.parameters for point in current)
    waiting = [(_price(*hull[:2]), index, 1) for index, hull in enumerate(hulls) if len(hull) > 1]
    heapq.heapify(waiting)
    while left < 0 and waiting:
        _, index, step = heapq.heappop(waiting)
        left += current[index].parameters - hulls[index][step].parameters
        current[index] = hulls[index][step]
        if step + 1 < len(hulls[index]):
            heapq.heappush(waiting, (_price(*hulls[index][step : step + 2]), index, step + 1))
    while True:
        # A last step may have been larger than needed: from whole to two matrices, above all.
        better = [
            (_price(point, current[index]), index, place)
            for index, points in enumerate(every)
            for place, point in enumerate(points)
            if 0 < point.parameters - current[index].parameters <= left and point.lost < current[index].lost
        ]
        if not better:
            break
        _, index, place = max(better)
        left -= every[index][place].parameters - current[index].parameters
        current[index] = every[index][place]
    return [
        point.choice if len(points) > 1 else _Choice(matrix.rank, "no rank of it pays")
        for matrix, points, point in zip(matrices, every, current, strict=True)
    ]


def _points(matrix: _Matrix) -> list[_Point]:
    return [
        _Point(choice, matrix.parameters(choice.rank), 0.0 if choice.unchanged else matrix.lost(choice.rank))
        for choice in matrix.paying()
    ]


def _hull(points: Sequence[_Point]) -> list[_Point]:
    """Those that no mixture of two others beats: from one to the next, a parameter saved costs ever more."""
    kept: list[_Point] = []
    for point in points:
        while len(kept) > 1 and _price(kept[-2], kept[-1]) >= _price(kept[-1], point):
            kept.pop()
        kept.append(point)
    return kept


def _price(larger: _Point, smaller: _Point) -> float:
    """The energy that one parameter fewer costs."""
    return (smaller.lost - larger.lost) / (larger.parameters - smaller.parameters)


# The new model


def _rebuilt(model: TransformerModel, spectra: Sequence[_Spectrum], chosen: Mapping[str, int]) -> TransformerModel:
    encoder = model.encoder
    layers = tuple(
        replace(
            layer,
            ranks={
                **layer.ranks,
                **{part: chosen[name] for part in LINEARS if (name := f"layers.{index}.{part}") in chosen},
            },
        )
        for index, layer in enumerate(encoder.shape.layers)
    )
    shape: Any = replace(encoder.shape, layers=layers)
    if TOKENS in chosen:
        shape = replace(shape, token_rank=chosen[TOKENS])
    state = dict(encoder.state_dict())
    for spectrum in spectra:
        if spectrum.name in chosen:
            _factorise_in(state, spectrum, chosen[spectrum.name])
    smaller = type(encoder)(shape)
    smaller.load_state_dict(state)
    like = next(encoder.parameters())
    return TransformerModel(smaller.to(like), copy.deepcopy(model.head)).train(model.training)


def _factorise_in(state: dict[str, Tensor], spectrum: _Spectrum, rank: int) -> None:
    """Put two matrices into the place of one."""
    name = spectrum.name
    # Turned so that no dimension in between is larger than the others: int8 has one scale for all of them.
    turned = spectrum.basis[:, :rank] @ _mixing(rank)
    first, second = (turned * spectrum.scale[:, None]).T, turned / spectrum.scale[:, None]
    if name == TOKENS:
        table = (spectrum.weight - spectrum.mean[:, None]).T @ first.T
        made = {
            "tokens.weight": table,
            "token_projection.weight": second,
        }
        # Every token has a position, so what all tokens share may as well lie there.
        name = "positions.weight" if "positions.weight" in state else "token_projection.bias"
        made[name] = state.get(name, torch.zeros(())).cpu() + spectrum.mean
    else:
        old = state.pop(f"{name}.bias", None)
        bias = (state.pop(f"{name}.second.bias") if old is None else old).cpu().double()
        for kind in ("weight", "first.weight", "second.weight"):
            state.pop(f"{name}.{kind}", None)
        made = {
            f"{name}.first.weight": first @ spectrum.weight,
            f"{name}.second.weight": second,
            f"{name}.second.bias": bias + spectrum.mean - second @ (first @ spectrum.mean),
        }
    state.update({key: value.float() for key, value in made.items()})


def _mixing(size: int) -> Tensor:
    """An orthonormal matrix with entries of like size (the discrete cosine transform), float64."""
    places = torch.arange(size, dtype=torch.float64)
    waves = torch.cos(math.pi / size * torch.outer(places, places + 0.5)) * math.sqrt(2 / size)
    waves[0] /= math.sqrt(2)
    return waves
