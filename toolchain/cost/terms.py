"""What each kind of operator makes a kernel do: the terms that its price is made of.

In:  an operator's kind and sizes, and how the kernels are tiled.
Out: calls, thousands of rows and millions of multiply-accumulates or numbers, in the order of `TERMS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from edgewright.specs.structure import Kind, Structure

Limit = Literal["arithmetic", "bandwidth", "overhead"]
Precision = Literal["int8", "half", "float"]
WEIGHT_BYTES: Mapping[Precision, int] = {"int8": 1, "half": 2, "float": 4}
LIMITS: tuple[Limit, ...] = get_args(Limit)
MILLION, THOUSAND = 1e6, 1e3
# What each term of an operator's price pays for. The terms are in the order in which `terms` gives them.
_PRODUCT: tuple[Limit, ...] = (
    *("overhead", "arithmetic", "bandwidth", "bandwidth", "bandwidth", "overhead"),
    *("overhead", "overhead", "arithmetic", "arithmetic", "bandwidth"),
)
TERMS: Mapping[Kind, tuple[Limit, ...]] = {
    "linear": (*_PRODUCT, "bandwidth"),
    "convolution": ("overhead", "arithmetic", "bandwidth", "bandwidth", "bandwidth", "overhead"),
    "matmul": (*_PRODUCT, "overhead"),
    "depthwise": ("overhead", "arithmetic", "bandwidth"),
    "normalisation": ("overhead", "bandwidth", "overhead", "bandwidth", "overhead"),
    "softmax": ("overhead", "bandwidth", "overhead", "bandwidth", "overhead"),
    "embedding": ("overhead", "bandwidth", "overhead"),
    "activation": ("overhead", "arithmetic"),
    "elementwise": ("overhead", "bandwidth"),
    "reduction": ("overhead", "bandwidth", "overhead"),
    "permute": ("overhead", "bandwidth", "overhead"),
    "transpose": ("overhead", "bandwidth", "overhead", "bandwidth"),
    "slice": ("overhead", "bandwidth", "overhead"),
    "bytes": ("overhead", "bandwidth"),
}
SINGLE = 4  # the place, behind a product's first five terms, of what one row computes
VECTOR, WIDE = 4, 16  # numbers that are computed at once, and that a loop takes at a time


@dataclass(frozen=True, kw_only=True)
class Kernels:
    """How many rows, inputs and outputs a kernel takes together: what is left over costs a whole tile.

    Those of products with weights, of convolutions (`filter_…`, the inputs of each tap), and of products between
    activations (`float_…`). Of products with weights as many
    rows as there are whole ones go through a larger `block` first; 0 is none. Rows of `wide_row` numbers and more
    are normalised by a faster loop. `cache_bytes` is how much of a model's weights stays near the core from one
    inference to the next; 0 where that makes no difference.
    """

    rows: int = 1
    outputs: int = 1
    inputs: int = 1
    block: int = 0
    float_rows: int = 1
    float_outputs: int = 1
    filter_inputs: int = 1
    filter_outputs: int = 1
    wide_row: int = 0
    cache_bytes: int = 0

    def streamed(self, weights: int) -> float:
        """The share of so many weights that comes from further away each time: none as they fit, then soon all."""
        if not self.cache_bytes:
            return 0.0
        return min(max(2 * (weights / self.cache_bytes - 1), 0.0), 1.0)


def terms(kind: Kind, sizes: tuple[int, ...], kernels: Kernels, streamed: float = 0.0) -> tuple[float, ...]:
    """What `TERMS` names, in calls, thousands of rows and millions of multiply-accumulates or numbers.

    Of weights this share is `streamed`.
    """
    if kind == "linear":
        rows, inputs, outputs = sizes
        found = _product(1, rows, inputs, outputs, (kernels.rows, kernels.inputs, kernels.outputs), kernels.block)
        return (*found, streamed * found[2])
    if kind == "convolution":  # each tap's channels are padded by themselves
        pixels, taps, channels, outputs = sizes
        padded = taps * -(-channels // kernels.filter_inputs) * kernels.filter_inputs
        tiles = -(-outputs // kernels.filter_outputs)
        weights = padded * tiles * kernels.filter_outputs / MILLION
        moved = (pixels * taps * channels / MILLION, pixels * outputs / MILLION)
        return 1.0, pixels * weights, weights, *moved, pixels * tiles / THOUSAND
    if kind == "matmul":
        batch, rows, inputs, outputs = sizes
        return (
            *_product(batch, rows, inputs, outputs, (kernels.float_rows, 1, kernels.float_outputs)),
            batch / THOUSAND,
        )
    if kind == "depthwise":
        pixels, channels, taps = sizes
        return 1.0, pixels * channels * taps / MILLION, pixels * channels / MILLION
    if kind == "normalisation":
        rows, width = sizes
        found = rows * width / MILLION, rows / THOUSAND
        return (1.0, *found, 0.0, 0.0) if width < kernels.wide_row else (1.0, 0.0, 0.0, *found)
    if kind == "softmax":  # whole vectors, single ones, and what is left over
        rows, width = sizes
        whole, rest = divmod(width, WIDE)
        return (
            *(1.0, rows * whole * WIDE / MILLION, rows / THOUSAND),
            *(rows * (rest // VECTOR) * VECTOR / MILLION, rows * (rest % VECTOR > 0) / THOUSAND),
        )
    if kind == "transpose":
        batch, rows, columns = sizes
        blocks = -(-rows // VECTOR) * -(-columns // VECTOR) * VECTOR * VECTOR
        return 1.0, batch * rows * columns / MILLION, batch / THOUSAND, batch * blocks / MILLION
    if kind in ("permute", "embedding"):
        rows, width = sizes
        return 1.0, rows * width / MILLION, rows / THOUSAND
    if kind == "slice":
        pieces, elements = sizes
        return 1.0, elements / MILLION, pieces / THOUSAND
    if kind == "reduction":
        outputs, inputs = sizes
        return 1.0, outputs * inputs / MILLION, outputs / THOUSAND
    return 1.0, sizes[0] / MILLION


def _product(
    batch: int, rows: int, inputs: int, outputs: int, tile: tuple[int, int, int], block: int = 0
) -> tuple[float, ...]:
    """Of one row, for which there are kernels of their own, the last terms; of more the ones before."""
    tile_rows, tile_inputs, tile_outputs = tile
    tiles = -(-outputs // tile_outputs)
    weights = batch * -(-inputs // tile_inputs) * tile_inputs * tiles * tile_outputs / MILLION
    around = (batch * rows * inputs / MILLION, batch * rows * outputs / MILLION, batch * rows / THOUSAND)
    if rows == 1:
        return (1.0, 0.0, weights, *around, 0.0, 0.0, 0.0, weights, batch * tiles / THOUSAND)
    blocks, rest = divmod(rows, block) if block else (0, rows)
    row_tiles = -(-rest // tile_rows)
    calls = batch * (blocks + row_tiles) / THOUSAND
    macs, macs_of_blocks = row_tiles * tile_rows * weights, blocks * block * weights
    return (1.0, macs, weights, *around, calls, calls * tiles, macs_of_blocks, 0.0, 0.0)


def memory_terms(structure: Structure, length: int, file_bytes: float, shapes: int) -> tuple[float, ...]:
    """What a runner's peak is made of: itself, the artifact, packed matrices, activations; bytes but for the first.

    The last two are there once for each of the fixed `shapes` that it runs.
    """
    packed, activations = structure.matrix_weights, structure.activation_bytes(length)
    return 1.0, float(file_bytes), float(shapes * packed), float(shapes * activations)
