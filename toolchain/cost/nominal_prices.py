"""Prices by a profile's facts alone: a roofline, where nothing was measured.

In:  a `Structure`, a length of text, and a profile.
Out: `Cost`, which may be off by a factor of two either way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from edgewright.cost.pricing import Cost
from edgewright.cost.terms import LIMITS, MILLION, SINGLE, WEIGHT_BYTES, Kernels, Limit, Precision, terms
from edgewright.specs.microarchitectures import CORES
from edgewright.specs.profiles import Profile
from edgewright.specs.structure import Kind, Structure

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
    """Prices by a profile's facts alone: the longer of arithmetic and traffic, and a constant for each operator.

    A weight of a product takes as many bytes as its precision has, or `weight_bytes`, such as half a byte and its share
    of a scale.
    """

    profile: Profile
    precision: Precision
    python: bool = False
    weight_bytes: float | None = None
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
        wide = self._wide
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

    @property
    def _wide(self) -> float:
        return WEIGHT_BYTES[self.precision] if self.weight_bytes is None else self.weight_bytes

    def _float_ratio(self) -> float:
        core = CORES[self.profile.processor.core.value]
        return core.int8_operations_per_cycle / core.float_operations_per_cycle

    def _bytes_per_ms(self, structure: Structure) -> float:
        memory, caches = self.profile.memory, self.profile.caches
        reads = memory.copy_bandwidth_gb_s.value * READS_PER_COPY * 1e6
        last = caches.l3_kib or caches.l2_kib
        held = self._wide * structure.matrix_weights
        return reads * (CACHED if last and held < last.value * 1024 else 1)

    def shared(self, threads: int) -> float:
        """As many as the fastest cluster has cores, at nine tenths each."""
        cores = min(threads, self.profile.processor.cores.value)
        return 1 + 0.9 * (cores - 1)

    def memory_bytes(self, structure: Structure, length: int, file_bytes: float, shapes: int) -> float:
        """The runner, the artifact, and for each shape matrices as the kernels want them, and activations."""
        packed = self._wide * structure.matrix_weights
        runner = PYTHON_BYTES if self.python else RUNNER_BYTES
        return runner + file_bytes + shapes * (packed + structure.activation_bytes(length))
