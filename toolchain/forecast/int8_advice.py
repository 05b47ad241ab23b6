"""Whether int8 is worth it on a device, and why it is or is not.

In:  a predicted artifact and a profile.
Out: `Int8Advice`: what it takes in int8 and in float by prices of one kind, and sentences on what decides between them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edgewright.cost.device_prices import prices_for
from edgewright.cost.expected import PricedArtifact
from edgewright.cost.fitted_prices import FittedPrices
from edgewright.cost.nominal_prices import Roofline
from edgewright.cost.pricing import Prediction, Prices, predict
from edgewright.forecast.predicted import Predicted
from edgewright.runtimes.table import RUNTIMES
from edgewright.specs.microarchitectures import CORES
from edgewright.specs.profiles import Profile
from edgewright.specs.structure import Kind

MADE_INT8: frozenset[Kind] = frozenset({"linear", "convolution", "depthwise"})
WORTH_TELLING = 0.02  # of the latency; what buys less is no advice
GAIN = 1.05  # of a prediction; less is no difference


@dataclass(frozen=True, kw_only=True)
class Int8Advice:
    """int8 against float by prices of one kind; `float_share` of the int8 latency is in operators that stay float."""

    int8_ms: float
    float_ms: float
    faster: float
    float_share: float
    source: str
    sentences: tuple[str, ...]


def int8_advice(profile: Profile, predicted: Predicted, subject: PricedArtifact) -> Int8Advice:
    """By what was calibrated, where both precisions were; else by facts for both."""
    length = subject.run_length(predicted.length or 0)
    int8, floats = (
        predict(prices, subject.structure, length=length, threads=predicted.threads)
        for prices in _prices_of_both(profile, predicted.runtime)
    )
    stays_float = sum(ms for kind, ms in int8.by_kind.items() if kind not in MADE_INT8)
    share = stays_float / int8.latency_ms
    return Int8Advice(
        int8_ms=int8.latency_ms,
        float_ms=floats.latency_ms,
        faster=floats.latency_ms / int8.latency_ms,
        float_share=share,
        source=int8.source,
        sentences=(*_ratio(int8, floats), *_core(profile), *_what_stays(int8, floats, share)),
    )


def _prices_of_both(profile: Profile, runtime: str) -> tuple[Prices, Prices]:
    """Of int8 and of float, from one kind of source."""
    narrow = prices_for(profile, runtime=runtime, precision="int8", corrected=False)
    wide = prices_for(profile, runtime=runtime, precision="float")
    if isinstance(narrow, FittedPrices) and isinstance(wide, FittedPrices):
        return narrow, wide
    python = RUNTIMES[runtime].provider.in_python
    return (
        Roofline(profile=profile, precision="int8", python=python),
        Roofline(profile=profile, precision="float", python=python),
    )


def _ratio(int8: Prediction, floats: Prediction) -> Iterator[str]:
    times = f"{int8.latency_ms:.3g} ms against {floats.latency_ms:.3g}, by {int8.source}"
    ratio = floats.latency_ms / int8.latency_ms
    if ratio >= GAIN:
        yield f"int8 is about {ratio:.2g} times as fast as float here ({times})."
    else:
        yield f"int8 is not faster than float here ({times}): it saves space, not time."


def _core(profile: Profile) -> Iterator[str]:
    """What the device's core does with bytes."""
    name = profile.processor.core.value
    core = CORES[name]
    gain = core.int8_operations_per_cycle / core.float_operations_per_cycle
    rates = f"{core.int8_operations_per_cycle} int8 operations a cycle against {core.float_operations_per_cycle}"
    if core.dot_product:
        yield f"{name} multiplies bytes four at a time (a dot product): {rates} in float, so products gain most."
    else:
        yield f"{name} has no dot product of bytes: {rates} in float, so products gain {gain:.3g} times at most."


def _what_stays(int8: Prediction, floats: Prediction, share: float) -> Iterator[str]:
    """What of the latency int8 does not change."""
    if share > WORTH_TELLING:
        yield (
            f"{100 * share:.0f} % of the int8 latency is in what stays float (attention's own products, softmax, "
            f"normalisation and the like): int8 makes that no faster."
        )
    if floats.latency_ms / int8.latency_ms < GAIN and int8.limited_by == "overhead":
        yield "Operators are so small here that calling them costs most: fewer, larger ones would gain by int8."
