"""Artifacts with two methods and two outputs each, and a bundle that asks all of them."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from edgewright.bundles.bundle import Bundle, write
from edgewright.bundles.schema import Manifest
from edgewright.bundles.vectors import Vector, Vectors, write_calls
from edgewright.runtimes.export_input import ExportInput, run_on, with_outputs
from edgewright.runtimes.table import RUNTIMES
from edgewright.specs.signature import Signature
from edgewright.specs.signature import Tensor as TensorSpec
from tests.bundles import made

OUTPUTS = ("hidden", "energy")
SHAPES = {"forward": (1, 6), "sequence": (1, 2, 6)}


class TwoOutputs(nn.Module):
    """A linear map's output (…, 4), and the sum of its squares (…, 1)."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.project = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        hidden = self.project(x)
        return hidden, hidden.square().sum(dim=-1, keepdim=True)


def methods_of(runtime: str) -> tuple[str, ...]:
    """Both, or the one that a file of one graph has."""
    return tuple(SHAPES) if RUNTIMES[runtime].takes_batches else ("forward",)


def source(runtime: str) -> ExportInput:
    module = TwoOutputs().eval()
    methods = [
        with_outputs(module, name, [TensorSpec(name="x", dtype="float32", shape=SHAPES[name])], OUTPUTS)
        for name in methods_of(runtime)
    ]
    return ExportInput(module=module, signature=Signature(methods=tuple(methods)))


def vectors(runtime: str, *, wrong: str = "") -> Vectors:
    """Calls of each method in turn; with `wrong`, "method.output", that output is expected to be another."""
    exported, chance = source(runtime), np.random.default_rng(0)
    calls = []
    for name in (*methods_of(runtime), *reversed(methods_of(runtime))):
        inputs = {"x": chance.normal(size=SHAPES[name]).astype(np.float32)}
        outputs = dict(run_on(exported.module, exported.signature.method(name), inputs))
        for output in OUTPUTS:
            if f"{name}.{output}" == wrong:
                outputs[output] = outputs[output][..., ::-1] + np.float32(1.0)
        calls.append(Vector(method=name, inputs=inputs, outputs=outputs))
    return Vectors(calls=tuple(calls))


def bundle(folder: Path, runtime: str, *, wrong: str = "") -> Bundle:
    """A bundle with one artifact, made now, in which every method is asked."""
    exported, facts = source(runtime), dict[str, Any]()
    name = RUNTIMES[runtime].file_name

    def fill(inside: Path) -> None:
        RUNTIMES[runtime].write_float(exported, inside / name)
        (inside / "tokenizer.json").write_bytes(made.FILES["tokenizer.json"])
        write_calls(inside, vectors(runtime, wrong=wrong))
        facts.update(runtime=runtime, file=name, bytes=(inside / name).stat().st_size, signature=exported.signature)

    def described(hashes: dict[str, str]) -> Manifest:
        known = made.manifest({**dict.fromkeys(made.FILES, "0" * 64), **hashes})
        artifact = known.artifacts[0].model_copy(update={**facts, "sha256": hashes[name]})
        return known.model_copy(update={"artifacts": (artifact,), "best": runtime, "files": hashes})

    return write(folder / "bundle", described, fill)
