"""What a model's structure costs on a device: latency with an interval, what limits it, and memory.

In:  a `Structure`, a length of text, and prices: a `Table` fitted to measurements, or a `Roofline` of facts alone.
Out: `Prediction`. It is plain arithmetic over a few dozen operators, so that a search may ask for it at every step.
How a table comes about is `fit`'s concern.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, Protocol, get_args

from edgewright.specs.microarchitectures import CORES
from edgewright.specs.profiles import Profile
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
FAR = 1.25  # beyond a calibrated size by this much is an extrapolation
WORTH_TELLING = 0.05  # of the latency


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


class Prices(Protocol):
    """What prices anything: a table or a roofline."""

    @property
    def source(self) -> str:
        """Where the prices are from, as a sentence's end."""

    def cost(self, structure: Structure, length: int) -> Cost:
        """A whole model on one thread."""

    def shared(self, threads: int) -> float:
        """By how much `threads` divide arithmetic and traffic."""

    def memory_bytes(self, structure: Structure, length: int, file_bytes: float, shapes: int) -> float:
        """The runner's peak once it ran so many fixed shapes, the largest for texts of that length."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Milliseconds by limit and by kind; `spread` is how far off it may be, as a share, and `notes` why."""

    by_limit: Mapping[Limit, float]
    by_kind: Mapping[str, float]
    spread: float
    memory_spread: float
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """A model on a device, before it has run there. `by_limit` and `by_kind` add up to the latency."""

    latency_ms: float
    low_ms: float
    high_ms: float
    limited_by: Limit
    by_limit: Mapping[Limit, float]
    by_kind: Mapping[str, float]
    peak_memory_bytes: int
    memory_spread: float
    source: str
    notes: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """JSON-safe."""
        return asdict(self)


def predict(
    prices: Prices,
    structure: Structure,
    *,
    length: int,
    threads: int = 1,
    file_bytes: float | None = None,
    planned_length: int | None = None,
    shapes: int = 1,
) -> Prediction:
    """One inference of a text of `length` tokens, or of an image, where the length counts for nothing.

    `file_bytes` is the artifact's size; None is that of the weights in int8. Memory is that of texts of
    `planned_length`, where a runtime sets it aside for the longest, and of so many fixed `shapes` as a process runs,
    for each of which LiteRT packs the weights anew. The interval is one that nine of ten measurements
    should lie in.
    """
    cost = prices.cost(structure, length)
    divided = prices.shared(threads)
    by_limit = {limit: ms if limit == "overhead" else ms / divided for limit, ms in cost.by_limit.items()}
    total, whole = sum(by_limit.values()), sum(cost.by_limit.values())
    size = structure.weight_bytes(int8=True) if file_bytes is None else file_bytes
    return Prediction(
        latency_ms=total,
        low_ms=total / (1 + cost.spread),
        high_ms=total * (1 + cost.spread),
        limited_by=max(LIMITS, key=by_limit.__getitem__),
        by_limit=by_limit,
        by_kind={kind: ms * total / whole for kind, ms in cost.by_kind.items()} if whole else dict(cost.by_kind),
        peak_memory_bytes=round(prices.memory_bytes(structure, planned_length or length, size, shapes)),
        memory_spread=cost.memory_spread,
        source=prices.source,
        notes=cost.notes,
    )


@dataclass(frozen=True, kw_only=True)
class Table:
    """Prices fitted to measurements of one runtime and precision on one machine.

    `rates` are ms for each of a kind's terms; `base_ms` is what any model takes. `seen` are the smallest and largest
    sizes of each kind that were measured. Memory is `memory` times (1, the artifact's bytes, a copy of all matrices
    that is packed for the kernels, the activations' bytes).
    """

    source: str
    kernels: Kernels
    base_ms: float
    rates: Mapping[Kind, tuple[float, ...]]
    seen: Mapping[Kind, tuple[tuple[int, int], ...]]
    spread: float
    parallel_share: float
    memory: tuple[float, ...]
    memory_spread: float

    def cost(self, structure: Structure, length: int) -> Cost:
        """Each operator's terms times their rates."""
        by_limit: dict[Limit, float] = {"arithmetic": 0.0, "bandwidth": 0.0, "overhead": self.base_ms}
        by_kind = {"model": self.base_ms}
        strange: dict[str, float] = {}
        excess = 0.0
        streamed = self.kernels.streamed(structure.matrix_weights)
        for operator in structure.operators:
            kind, sizes = operator.kind, operator.at(length)
            rates = self.rates.get(kind)
            if rates is None:
                strange[f"{kind}, which was not calibrated"] = 1.0
                excess += 1.0
                continue
            ms = 0.0
            found = terms(kind, sizes, self.kernels, streamed)
            for limit, rate, term in zip(TERMS[kind], rates, found, strict=True):
                each = operator.count * rate * term
                by_limit[limit] += each
                ms += each
            by_kind[kind] = by_kind.get(kind, 0.0) + ms
            beyond = _beyond(sizes, self.seen[kind])
            if beyond > FAR:
                excess += ms * math.log2(beyond)
                where = f"{kind} of {' × '.join(map(str, sizes))}"
                strange[where] = strange.get(where, 0.0) + ms
        total = sum(by_limit.values())
        told = [name for name, ms in strange.items() if ms >= WORTH_TELLING * total]
        notes = (f"beyond what was calibrated: {', '.join(told)}",) if told else ()
        return Cost(
            by_limit=by_limit,
            by_kind=by_kind,
            spread=self.spread + (excess / total if total else 0.0),
            memory_spread=self.memory_spread,
            notes=notes,
        )

    def shared(self, threads: int) -> float:
        """By Amdahl's law."""
        return 1 / (1 - self.parallel_share + self.parallel_share / threads)

    def memory_bytes(self, structure: Structure, length: int, file_bytes: float, shapes: int) -> float:
        """As fitted."""
        return sum(map(float.__mul__, self.memory, memory_terms(structure, length, file_bytes, shapes)))


@dataclass(frozen=True, kw_only=True)
class Corrected:
    """Prices times what measurements said of them: see `corrections`."""

    prices: Table | Roofline
    factor: float
    measurements: int

    @property
    def source(self) -> str:
        """Names the correction, too."""
        plural = "s" if self.measurements > 1 else ""
        by = f"times {self.factor:.2f} by {self.measurements} measurement{plural} since"
        return f"{self.prices.source}; {by}"

    def cost(self, structure: Structure, length: int) -> Cost:
        """All of it is so much dearer, or cheaper."""
        found = self.prices.cost(structure, length)
        return replace(
            found,
            by_limit={limit: ms * self.factor for limit, ms in found.by_limit.items()},
            by_kind={kind: ms * self.factor for kind, ms in found.by_kind.items()},
        )

    def shared(self, threads: int) -> float:
        """As it was."""
        return self.prices.shared(threads)

    def memory_bytes(self, structure: Structure, length: int, file_bytes: float, shapes: int) -> float:
        """As it was: memory is not corrected."""
        return self.prices.memory_bytes(structure, length, file_bytes, shapes)


def memory_terms(structure: Structure, length: int, file_bytes: float, shapes: int) -> tuple[float, ...]:
    """What a runner's peak is made of: itself, the artifact, packed matrices, activations; bytes but for the first.

    The last two are there once for each of the fixed `shapes` that it runs.
    """
    packed, activations = structure.matrix_weights, structure.activation_bytes(length)
    return 1.0, float(file_bytes), float(shapes * packed), float(shapes * activations)


def _beyond(sizes: Sequence[int], seen: Sequence[tuple[int, int]]) -> float:
    """By what factor a size is outside of those that were measured; 1 within."""
    return max(max(size / high, low / max(size, 1), 1.0) for size, (low, high) in zip(sizes, seen, strict=True))


# A kernel reaches this share of a core's peak: an in-order core waits for what it loads, another loads meanwhile.
EFFICIENCY, IN_ORDER_EFFICIENCY = 0.5, 0.25
OPERATOR_MS_AT_1_GHZ = 0.008  # dispatching one, and quantising or reshaping what it reads
FACTS_SPREAD = 1.0  # a factor of two either way
RUNNER_BYTES = 12e6  # of the native runner; Python and NumPy take fifty more
PYTHON_BYTES = 62e6
READS_PER_COPY = 2  # a copy of n bytes reads n and writes n
CACHED = 4  # times faster than memory, roughly, is a cache that all weights fit into
FLOAT_OPERATIONS_EACH = {
    "activation": 16.0,
    "normalisation": 6.0,
    "softmax": 16.0,
    "elementwise": 1.0,
    "reduction": 1.0,
}


@dataclass(frozen=True, kw_only=True)
class Roofline:
    """Prices by a profile's facts alone: the longer of arithmetic and traffic, and a constant for each operator."""

    profile: Profile
    precision: Precision
    python: bool = False
    source: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "source", f"the facts of {self.profile.name} alone; calibrate to know better")

    def cost(self, structure: Structure, length: int) -> Cost:
        """Products at a share of the core's peak with whole tiles; all else by the float rate and by traffic."""
        processor, preferences = self.profile.processor, self.profile.preferences
        core = CORES[processor.core.value]
        share = IN_ORDER_EFFICIENCY if core.in_order else EFFICIENCY
        float_peak = core.float_operations_per_cycle * processor.clock_mhz.value * 1e3  # operations a ms
        if self.precision == "half" and core.fp16:
            float_peak *= 2
        peak = processor.int8_peak_gops.value * 1e6 if self.precision == "int8" else float_peak
        rows = preferences.int8_tile_rows.value if preferences.int8_tile_rows else 1
        outputs = preferences.int8_channel_multiple.value
        kernels = Kernels(rows=rows, outputs=outputs, filter_outputs=outputs)
        overhead = OPERATOR_MS_AT_1_GHZ * 1000 / processor.clock_mhz.value
        rate = self._bytes_per_ms(structure)
        by_limit: dict[Limit, float] = dict.fromkeys(LIMITS, 0.0)
        by_kind: dict[str, float] = {}
        for operator in structure.operators:
            sizes, count = operator.at(length), operator.count
            arithmetic, traffic = self._work(operator.kind, sizes, kernels)
            limits = {"arithmetic": 2 * arithmetic[0] / (peak * share) + arithmetic[1] / (float_peak * share)}
            limits["bandwidth"] = traffic / rate
            limit: Limit = "arithmetic" if limits["arithmetic"] >= limits["bandwidth"] else "bandwidth"
            by_limit[limit] += count * limits[limit]
            by_limit["overhead"] += count * overhead
            by_kind[operator.kind] = by_kind.get(operator.kind, 0.0) + count * (limits[limit] + overhead)
        return Cost(by_limit=by_limit, by_kind=by_kind, spread=FACTS_SPREAD, memory_spread=0.3)

    def work(self, kind: Kind, sizes: tuple[int, ...]) -> tuple[float, float]:
        """(operations that are asked for, bytes that are read and written); a multiply-accumulate is two."""
        plain = Kernels()
        (macs, operations), traffic = self._work(kind, sizes, plain)
        if kind == "matmul" and self.precision == "int8":
            macs /= self._float_ratio()
        return 2 * macs + operations, traffic

    def _work(self, kind: Kind, sizes: tuple[int, ...], kernels: Kernels) -> tuple[tuple[float, float], float]:
        """((multiply-accumulates of products, float operations of all else), bytes that are read and written)."""
        wide = WEIGHT_BYTES[self.precision]
        if kind in ("linear", "convolution", "matmul"):
            _, macs, weights, read, written, *rest = terms(kind, sizes, kernels)
            macs += 0.0 if kind == "convolution" else rest[SINGLE]  # of one row
            if kind == "matmul" and self.precision == "int8":  # between activations, which stay float
                ratio = self._float_ratio()
                return (macs * MILLION * ratio, 0.0), 4 * MILLION * (weights + read + written)
            return (macs * MILLION, 0.0), MILLION * (wide * weights + 4 * (read + written))
        if kind == "depthwise":
            _, macs, numbers = terms(kind, sizes, kernels)
            return (macs * MILLION, 0.0), 2 * wide * numbers * MILLION
        numbers = math.prod(sizes)
        return (0.0, FLOAT_OPERATIONS_EACH.get(kind, 0.0) * numbers), 8.0 * numbers

    def _float_ratio(self) -> float:
        core = CORES[self.profile.processor.core.value]
        return core.int8_operations_per_cycle / core.float_operations_per_cycle

    def _bytes_per_ms(self, structure: Structure) -> float:
        memory, caches = self.profile.memory, self.profile.caches
        reads = memory.copy_bandwidth_gb_s.value * READS_PER_COPY * 1e6
        last = caches.l3_kib or caches.l2_kib
        held = WEIGHT_BYTES[self.precision] * structure.matrix_weights
        return reads * (CACHED if last and held < last.value * 1024 else 1)

    def shared(self, threads: int) -> float:
        """As many as the fastest cluster has cores, at nine tenths each."""
        cores = min(threads, self.profile.processor.cores.value)
        return 1 + 0.9 * (cores - 1)

    def memory_bytes(self, structure: Structure, length: int, file_bytes: float, shapes: int) -> float:
        """The runner, the artifact, and for each shape matrices as the kernels want them, and activations."""
        packed = WEIGHT_BYTES[self.precision] * structure.matrix_weights
        runner = PYTHON_BYTES if self.python else RUNNER_BYTES
        return runner + file_bytes + shapes * (packed + structure.activation_bytes(length))
