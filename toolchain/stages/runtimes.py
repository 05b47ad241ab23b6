"""What a build needs to know of each runtime: how an artifact is written for it, and how it is run here to be checked.

In:  a runtime's name, as recipes and profiles say it.
Out: a `Runtime` of `RUNTIMES`. A new one is a module in `export`, one in `quantize`, and an entry here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from torch import Tensor

from toolchain.export import executorch, litert, onnx
from toolchain.export.compact import compact
from toolchain.models.model import TransformerModel, reading
from toolchain.models.text import OneText
from toolchain.quantize import flatbuffer
from toolchain.quantize import onnx as onnx_int8
from toolchain.quantize.sensitivity import parts_of
from toolchain.stages.prices import executorch_int8

Run = Callable[[Sequence[int]], Tensor]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The longest text in tokens, and the lengths of the signatures where shapes are fixed."""

    max_length: int
    lengths: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """One runtime's verbs.

    `write_int8` gets the model, its float twin's file and the places of the parts that stay float, and says what it
    found; `packages` shape an artifact and are not among those every build has.
    """

    suffix: str
    fixed_lengths: bool
    write_float: Callable[[TransformerModel, Path, Limits], None]
    write_int8: Callable[[TransformerModel, Path, Path, Limits, Sequence[str]], Mapping[str, Any]]
    session: Callable[[Path, Limits], Run]
    packages: tuple[str, ...] = ()

    def versions(self) -> dict[str, str]:
        """Of its own packages, as far as they are installed."""
        found = {}
        for name in self.packages:
            try:
                found[name] = metadata.version(name)
            except metadata.PackageNotFoundError:
                continue
        return found


def _executorch_float(model: TransformerModel, file: Path, limits: Limits) -> None:
    executorch.export(OneText(model, padded=False), file, max_length=limits.max_length)


def _executorch_int8(
    model: TransformerModel, _twin: Path, file: Path, limits: Limits, kept_float: Sequence[str]
) -> Mapping[str, Any]:
    places = [f"model.{name}" for name in kept_float]
    found = executorch_int8(OneText(model, padded=False), file, max_length=limits.max_length, kept_float=places)
    return {"delegated": found.delegated, "fallbacks": found.fallbacks}


def _litert_float(model: TransformerModel, file: Path, limits: Limits) -> None:
    litert.export(OneText(model, padded=True), file, lengths=limits.lengths)


def _litert_int8(
    model: TransformerModel, twin: Path, file: Path, _limits: Limits, kept_float: Sequence[str]
) -> Mapping[str, Any]:
    flatbuffer.with_dynamic_int8_weights(twin, file, kept_float=_weights(model, kept_float))
    compact(file)
    return {}


def _onnx_float(model: TransformerModel, file: Path, limits: Limits) -> None:
    onnx.export(OneText(model, padded=False), file, max_length=limits.max_length)


def _onnx_int8(
    model: TransformerModel, twin: Path, file: Path, _limits: Limits, kept_float: Sequence[str]
) -> Mapping[str, Any]:
    onnx_int8.with_dynamic_int8_weights(twin, file, kept_float=_weights(model, kept_float))
    return {}


def _weights(model: TransformerModel, places: Sequence[str]) -> set[bytes]:
    """By which a part is found in a finished file, where places have other names."""
    parts = parts_of(reading(model)) if places else {}
    return {parts[place].weight.detach().numpy().tobytes() for place in places}


RUNTIMES: Mapping[str, Runtime] = {
    "executorch": Runtime(
        suffix=".pte",
        fixed_lengths=False,
        write_float=_executorch_float,
        write_int8=_executorch_int8,
        session=lambda file, _: executorch.Session(file),
    ),
    "litert": Runtime(
        suffix=".tflite",
        fixed_lengths=True,
        write_float=_litert_float,
        write_int8=_litert_int8,
        session=lambda file, limits: litert.Session(file, limits.lengths),
    ),
    "onnx": Runtime(
        suffix=".onnx",
        fixed_lengths=False,
        write_float=_onnx_float,
        write_int8=_onnx_int8,
        session=lambda file, _: onnx.Session(file),
        packages=onnx.PACKAGES,
    ),
}
