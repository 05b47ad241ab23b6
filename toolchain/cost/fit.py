"""Fit prices to what was measured of known structures.

In:  `Sample`s: a structure, a length, and the median that one inference took.
Out: `FittedPrices`. Rates are never negative, by least squares of the relative error (Lawson and Hanson 1974). Texts
     are fitted first, and images find those prices as they are: there are few of them for as many kinds of operators.
How far off the table is is asked of models that it was not fitted to: a tenth is left out at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgewright.cost.fitted_prices import FittedPrices
from edgewright.cost.pricing import predict
from edgewright.cost.terms import TERMS, Kernels, memory_terms, terms
from edgewright.errors import InputError
from edgewright.specs.structure import Kind, Structure

# What is tried: (rows, outputs) of products with weights and between activations, and caches in bytes; 0 is none.
ROWS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16)
TILES = tuple((rows, outputs) for rows in ROWS for outputs in (1, 4, 8, 16, 32, 64))
INPUTS = (1, 8, 16, 32)
BLOCKS = (0, 8, 12, 16, 24, 32)
FLOAT_TILES = tuple((rows, outputs) for rows in (1, 4, 5, 6, 8, 16) for outputs in (1, 8, 16, 32))
FILTERS = tuple((inputs, outputs) for inputs in (1, 2, 4, 8, 16) for outputs in (1, 4, 8, 16, 32))
CACHES = (0, *(1 << power for power in range(18, 24)))
WIDE_ROWS = (0, 64, 128, 256, 512)
TRIED: Sequence[Sequence[Mapping[str, int]]] = (
    [{"rows": rows, "outputs": outputs} for rows, outputs in TILES],
    [{"wide_row": each} for each in WIDE_ROWS],
    [{"rows": rows, "block": each} for rows in ROWS for each in BLOCKS],
    [{"inputs": each} for each in INPUTS],
    [{"cache_bytes": each} for each in CACHES],
    [{"float_rows": rows, "float_outputs": outputs} for rows, outputs in FLOAT_TILES],
    [{"rows": rows, "outputs": outputs} for rows, outputs in TILES],
    [{"block": each} for each in BLOCKS],
)
WORTH = 0.95  # of the squared error before; a tile that leaves more explains nothing
FOLDS = 10
COVERED = 90  # percent of what was left out lies within the interval
LEAST_SPREAD = 0.02
OUTLYING = 6.0  # times the median error: such a sample was disturbed
LEAST_SAMPLES = 12
OF_IMAGES: frozenset[Kind] = frozenset({"convolution", "depthwise", "bytes"})
WHOLE: frozenset[Kind] = frozenset({"linear", "softmax"})
LEAST_WHOLE = 8
REWEIGHTED, NO_ERROR = 30, 0.005  # times; an error too small to tell


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One measured point; `model` tells which of them are of one file, whose peak is that of its longest.

    `shapes` is how many fixed ones the process ran.
    """

    model: str
    structure: Structure
    length: int
    latency_ms: float
    peak_bytes: int
    file_bytes: int
    shapes: int = 1


def fitted(samples: Sequence[Sample], *, source: str, parallel_share: float = 0.0) -> FittedPrices:
    """The table that errs least. Raises `InputError` with too few samples."""
    if len(samples) < LEAST_SAMPLES:
        raise InputError(f"{len(samples)} measurements are too few to fit prices to; calibrate again, to its end")
    kernels = _kernels(samples)
    sound = _undisturbed(samples, kernels)
    table = replace(_table(sound, kernels, source), parallel_share=parallel_share)
    errors, memory_errors = _left_out(sound, kernels, source)
    return replace(
        table,
        spread=max(float(np.percentile(errors, COVERED)), LEAST_SPREAD),
        memory_spread=max(float(np.percentile(memory_errors, COVERED)), LEAST_SPREAD),
    )


def _kernels(samples: Sequence[Sample]) -> Kernels:
    """The tiles and the cache that explain texts best, and then filters."""
    texts = [each for each in samples if not _is_of_images(each)]
    found = _best(texts or samples, Kernels(), TRIED)
    filters = [{"filter_inputs": inputs, "filter_outputs": outputs} for inputs, outputs in FILTERS]
    return _best(samples, found, (filters,))


def _best(samples: Sequence[Sample], found: Kernels, tried_in_turn: Sequence[Sequence[Mapping[str, int]]]) -> Kernels:
    """What explains the samples best, one property after another; what explains no more is left out.

    One pass is not enough: how many inputs are padded may show only once the rows are right.
    """
    least = _error(samples, found)
    before: Kernels | None = None
    while found != before:
        before = found
        for tried in tried_in_turn:
            candidates = [replace(found, **each) for each in tried]
            errors = [_error(samples, each) for each in candidates]
            if min(errors) < WORTH * least:
                least, found = min(errors), candidates[errors.index(min(errors))]
    return found


def _columns(samples: Sequence[Sample]) -> dict[Kind, int]:
    """Where the terms of each kind begin; before them is the model's own constant."""
    places: dict[Kind, int] = {}
    place = 1
    for kind in TERMS:
        if any(each.kind == kind for sample in samples for each in sample.structure.operators):
            places[kind] = place
            place += len(TERMS[kind])
    return places


def _matrix(samples: Sequence[Sample], places: Mapping[Kind, int], kernels: Kernels) -> NDArray[np.float64]:
    width = 1 + sum(len(TERMS[kind]) for kind in places)
    matrix = np.zeros((len(samples), width))
    matrix[:, 0] = 1.0
    for row, sample in zip(matrix, samples, strict=True):
        streamed = kernels.streamed(sample.structure.matrix_weights)
        for operator in sample.structure.operators:
            place = places[operator.kind]
            found = terms(operator.kind, operator.at(sample.length), kernels, streamed)
            row[place : place + len(found)] += operator.count * np.array(found)
    return matrix


def _solved(
    matrix: NDArray[np.float64],
    wanted: NDArray[np.float64],
    weights: NDArray[np.float64] | None = None,
    target: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """The rates, none below 0, whose relative error is least; each counts as much as its weight.

    With a `target` they are to explain that share of each.
    """
    from scipy.optimize import nnls

    weights = np.ones(len(wanted)) if weights is None else weights
    shares = np.ones(len(wanted)) if target is None else target
    relative = matrix / wanted[:, None]
    scale = np.maximum(np.abs(relative).max(axis=0), 1e-12)
    found, _ = nnls(relative / scale * weights[:, None], weights * shares, maxiter=50 * matrix.shape[1])
    rates: NDArray[np.float64] = found / scale
    return rates


def _is_of_images(sample: Sample) -> bool:
    return any(each.kind in OF_IMAGES for each in sample.structure.operators)


def _rates(samples: Sequence[Sample], kernels: Kernels) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(the rates, the relative error of each sample): those of images' own kinds explain what the others leave."""
    places = _columns(samples)
    matrix, wanted = _matrix(samples, places, kernels), _latencies(samples)
    images = np.array([_is_of_images(each) for each in samples])
    if images.all() or not images.any():
        rates = _solved(matrix, wanted)
    else:
        own = np.zeros(matrix.shape[1], dtype=bool)
        for kind in OF_IMAGES & set(places):
            own[places[kind] : places[kind] + len(TERMS[kind])] = True
        own |= ~matrix[~images].any(axis=0)  # what no text has
        rates = np.zeros(matrix.shape[1])
        rates[~own] = _solved(matrix[~images][:, ~own], wanted[~images])
        left = wanted[images] - matrix[images] @ rates
        rates[own] = _solved(matrix[images][:, own], wanted[images], target=left / wanted[images])
    return rates, matrix @ rates / wanted - 1


def _error(samples: Sequence[Sample], kernels: Kernels) -> float:
    return float(np.square(_rates(samples, kernels)[1]).sum())


def _latencies(samples: Sequence[Sample]) -> NDArray[np.float64]:
    return np.array([each.latency_ms for each in samples])


def _undisturbed(samples: Sequence[Sample], kernels: Kernels) -> list[Sample]:
    """Without those that all others contradict: something else ran on the machine meanwhile."""
    errors = np.abs(_rates(samples, kernels)[1])
    limit = max(OUTLYING * float(np.median(errors)), LEAST_SPREAD)
    return [each for each, error in zip(samples, errors, strict=True) if error <= limit]


def _table(samples: Sequence[Sample], kernels: Kernels, source: str) -> FittedPrices:
    places = _columns(samples)
    rates, _ = _rates(samples, kernels)
    seen: dict[Kind, list[tuple[int, ...]]] = {kind: [] for kind in places}
    for sample in samples:
        for operator in sample.structure.operators:
            seen[operator.kind].append(operator.at(sample.length))
    return FittedPrices(
        source=source,
        kernels=kernels,
        base_ms=float(rates[0]),
        rates={kind: tuple(map(float, rates[at : at + len(TERMS[kind])])) for kind, at in places.items()},
        seen={kind: tuple((min(each), max(each)) for each in zip(*sizes, strict=True)) for kind, sizes in seen.items()},
        spread=LEAST_SPREAD,
        parallel_share=0.0,
        memory=_memory(_remembered(samples)),
        memory_spread=LEAST_SPREAD,
    )


def _remembered(samples: Sequence[Sample]) -> list[Sample]:
    """Of each model the longest text, whose peak is the process's; whole models alone where there are enough.

    One kind of operator over and over touches other parts of a runtime than a model does.
    """
    longest = list({each.model: each for each in sorted(samples, key=lambda each: each.length)}.values())
    whole = [each for each in longest if {operator.kind for operator in each.structure.operators} >= WHOLE]
    return whole if len(whole) >= LEAST_WHOLE else longest


def _memory(samples: Sequence[Sample]) -> tuple[float, ...]:
    """By the least sum of relative errors: now and then a process has a piece of its libraries more or less."""
    wanted = np.array([float(each.peak_bytes) for each in samples])
    shares = np.array([memory_terms(each.structure, each.length, each.file_bytes, each.shapes) for each in samples])
    weights = np.ones(len(wanted))
    for _ in range(REWEIGHTED):
        found = _solved(shares, wanted, weights)
        weights = 1 / np.sqrt(np.maximum(np.abs(shares @ found / wanted - 1), NO_ERROR))
    return tuple(map(float, found))


def _left_out(samples: Sequence[Sample], kernels: Kernels, source: str) -> tuple[list[float], list[float]]:
    """The relative errors of latency and memory on models that a table was not fitted to."""
    models = list({each.model: None for each in samples})
    remembered = _remembered(samples)
    errors: list[float] = []
    memory_errors: list[float] = []
    for fold in range(FOLDS):
        aside = set(models[fold::FOLDS])
        rest = [each for each in samples if each.model not in aside]
        if not rest:
            continue
        table = _table(rest, kernels, source)
        for each in samples:
            kinds = {operator.kind for operator in each.structure.operators}
            if each.model in aside and kinds <= set(table.rates):
                said = predict(
                    table, each.structure, length=each.length, file_bytes=each.file_bytes, shapes=each.shapes
                )
                # What lies outside of the rest is an extrapolation, whose interval widens by itself.
                if table.cost(each.structure, each.length).spread <= table.spread:
                    errors.append(abs(said.latency_ms / each.latency_ms - 1))
                if each in remembered:
                    memory_errors.append(abs(said.peak_memory_bytes / each.peak_bytes - 1))
    return errors or [1.0], memory_errors or [1.0]
