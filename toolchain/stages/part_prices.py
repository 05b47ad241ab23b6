"""What a model's parts cost: by the profile's facts, as calibrated on its device, or timed on a target.

In:  a `Plan`, a model's sizes and a length of text.
Out: a `CostTable` that the search for a student buys by.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from dataclasses import asdict, replace
from pathlib import Path

from edgewright.base import cache
from edgewright.cost.device_prices import RuntimeTable, load_calibration, prices_for
from edgewright.cost.part_costs import CostTable, PricedLayer, load
from edgewright.cost.part_estimates import from_prices, from_profile
from edgewright.cost.part_timing import measured_costs
from edgewright.measure.deployment import Deployed, Deployer
from edgewright.measure.measurement import clock_of
from edgewright.measure.measuring import measure
from edgewright.measure.protocol import Protocol
from edgewright.modality.text_spec import TextInputSpec
from edgewright.models.encoder import Encoder, EncoderShape
from edgewright.models.model import Head, HeadShape, TransformerModel
from edgewright.models.text import TextModule
from edgewright.models.transformer_shape import LayerShape
from edgewright.runtimes.descriptor import Runtime
from edgewright.runtimes.quantization import Int8
from edgewright.runtimes.subject import export_input
from edgewright.runtimes.table import RUNTIMES
from edgewright.specs.batching import calls_of, named
from edgewright.specs.profiles import Clock
from edgewright.specs.signature import FORWARD, Signature
from edgewright.stages.plan import Plan
from edgewright.targets import open_target
from edgewright.targets.base import Target

COSTS = "costs.json"
VOCABULARY = 512  # of the models that are timed: a look-up takes the same in any table
PROTOCOL = Protocol(restarts=1, warmup_runs=8, warmup_s=0.1, samples=32, min_seconds=0.1, max_seconds=2.0)


def price_parts(plan: Plan, shape: EncoderShape, length: int) -> CostTable:
    """The prices of layers like this encoder's, for one text of `length` tokens, as the recipe says where."""
    place, largest = plan.recipe.stages.prune.prices, PricedLayer.largest(shape, length)
    if place == "profile":
        if table := calibrated_prices(plan):
            return from_prices(table.table, largest)
        return from_profile(plan.profile, largest)
    return load(_timed(plan, shape, place, largest))


def calibrated_prices(plan: Plan) -> RuntimeTable | None:
    """What was measured of the profile's device, where it was. Raises `InputError` where that is of another version."""
    calibration, runtime = load_calibration(plan.profile.name), timing_runtime().name
    table = calibration.table(runtime, "int8") if calibration else None
    if table is not None:
        prices_for(plan.profile, runtime=runtime, precision="int8")
    return table


def timing_runtime() -> Runtime:
    """The runtime that parts are timed under, whose prices the search for a student goes by."""
    return next(each for each in RUNTIMES.values() if each.times_parts)


def _timed(plan: Plan, shape: EncoderShape, address: str, largest: PricedLayer) -> Path:
    """Time int8 models of one layer on a target; it is kept, and asked again only for other sizes."""
    heads = [max(largest.heads // 2, 1), max(largest.heads, 2)]
    neurons = [max(largest.neurons // 3, 1), max(largest.neurons, 2)]  # a line through both is all the search needs

    def fill(folder: Path) -> None:
        clock = clock_of(address)
        target = open_target(address, instruction_clock=clock == "instructions")
        try:
            with tempfile.TemporaryDirectory() as scratch:
                timer = _Timer(shape, target, clock, Path(scratch), largest.length)
                source = f"timed on {address}"
                table = measured_costs(timer.time_ms, largest, source=source, heads=heads, neurons=neurons)
        finally:
            target.close()
        table.save(folder / COSTS)

    sizes = {"width": largest.width, "head_width": largest.head_width, "heads": heads, "neurons": neurons}
    inputs = {"address": address, **sizes, "length": largest.length, "shape": json.dumps(asdict(shape), sort_keys=True)}
    with plan.progress.stage("prices"):
        return cache.stage("prices", inputs, fill, version=1).folder / COSTS


class _Timer:
    """Models of one layer with random weights, each exported and pushed when it is first asked for."""

    def __init__(self, shape: EncoderShape, target: Target, clock: Clock, scratch: Path, length: int) -> None:
        self.shape, self.clock, self.scratch, self.deployer = shape, clock, scratch, Deployer(target)
        self.places: dict[PricedLayer | None, tuple[Deployed, Signature]] = {}
        self.text = [1] * length

    def time_ms(self, layer: PricedLayer | None) -> float:
        """One more median of this model, or of the model without a layer."""
        if layer not in self.places:
            self.places[layer] = self._deployed(layer)
        place, signature = self.places[layer]
        method = signature.method(FORWARD)
        calls = calls_of(method, named(method, [self.text]))
        protocol = Protocol.instructions() if self.clock == "instructions" else PROTOCOL
        target = self.deployer.target
        timed = measure(target, place.artifact, place.runtime, calls, protocol=protocol, clock=self.clock)
        return statistics.median(timed.latency_ms)

    def _deployed(self, layer: PricedLayer | None) -> tuple[Deployed, Signature]:
        layers: tuple[LayerShape, ...] = ()
        if layer is not None:
            kind = self.shape.layers[0]
            layers = (kind.resized(heads=layer.heads, head_width=layer.head_width, neurons=layer.neurons),)
        shape = replace(self.shape, layers=layers, vocabulary=VOCABULARY, token_rank=None)
        model = TransformerModel(Encoder(shape), Head(HeadShape(pooling="mean"), shape.width)).eval()
        runtime = timing_runtime()
        file = self.scratch / f"{len(self.places)}{runtime.suffix}"
        source = export_input(TextModule(model, padded=False), TextInputSpec(max_length=shape.positions), runtime)
        runtime.write_int8(source, file, file, Int8())
        return self.deployer.deploy(file, runtime=runtime.name), source.signature
