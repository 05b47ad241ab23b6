"""Small models of known structure, to be timed wherever prices are to be known.

In:  nothing but the sizes below, and random weights, which no kernel's speed depends on.
Out: `PROBES`, and each as a file of a runtime, exported once and kept.
Some are one kind of operator many times over, some are whole small encoders, whose operators are fused and divided
between delegate and runtime as those of a real student are.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import cycle
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from edgewright.base import cache
from edgewright.cost.exported import structure_for
from edgewright.cost.terms import Precision
from edgewright.modality.image_spec import ImageInputSpec
from edgewright.modality.input_spec import Examples, InputSpec
from edgewright.modality.text_spec import TextInputSpec
from edgewright.models.chains import ChainOf, filters, residual
from edgewright.models.encoder import Encoder, EncoderShape
from edgewright.models.model import Head, HeadShape, TransformerModel
from edgewright.models.text import TextModule
from edgewright.models.transformer_shape import LayerShape
from edgewright.runtimes.quantization import Int8
from edgewright.runtimes.subject import export_input
from edgewright.runtimes.table import RUNTIMES
from edgewright.specs.batching import calls_of, named
from edgewright.specs.signature import FORWARD, Call, Signature
from edgewright.specs.structure import Structure

# What is left over of blocks of 16 rows, and of 12, tells tiles of 4, 5, 6 and 8 rows apart.
LENGTHS = (3, 8, 10, 13, 22, 33, 48, 64)
LONGEST = 64
# What a runtime of fixed shapes is given, one probe after another. Each takes seconds to convert; lengths that all are
# multiples of one number would not tell how many rows kernels compute together.
FIXED_LENGTHS = ((12, 48), (7, 41), (17, 64), (5, 34), (23, 58))
VERSION = 2  # raise it where the files of these models, or what is told of them, become other ones
SIGNATURE = "signature.json"
CALIBRATION_IMAGES = 4  # that static scales are taken from


class _OfTexts:
    """What is timed on texts of several lengths."""

    lengths: ClassVar[tuple[int, ...]] = ()  # those of the probe, or of the runtime

    def spec(self, fixed: tuple[int, ...]) -> InputSpec:
        """What its files take; `fixed` are the lengths of a runtime of fixed shapes."""
        return TextInputSpec(max_length=LONGEST, lengths=fixed)

    def inputs(self, lengths: Sequence[int]) -> Examples:
        """What it is timed on."""
        return [[1] * length for length in lengths]

    def calibration(self) -> Examples:
        """What static scales are taken from; texts' models are on dynamic ones."""
        return ()


class _OfImages:
    """What is timed on one square image."""

    lengths: ClassVar[tuple[int, ...]] = (0,)
    side: int
    colours: int

    def spec(self, fixed: tuple[int, ...]) -> InputSpec:
        """What its files take, under any runtime."""
        return ImageInputSpec(height=self.side, width=self.side, channels=self.colours)

    def inputs(self, lengths: Sequence[int]) -> Examples:
        """What it is timed on."""
        return np.zeros((1, self.side, self.side, self.colours), dtype=np.uint8)

    def calibration(self) -> Examples:
        """What static scales are taken from."""
        shape = (CALIBRATION_IMAGES, self.side, self.side, self.colours)
        return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@dataclass(frozen=True, kw_only=True)
class Shape(_OfTexts):
    """An encoder: `layers` are (heads, head width, neurons)."""

    width: int
    layers: tuple[tuple[int, int, int], ...]
    vocabulary: int = 512
    token_rank: int | None = None
    pooling: str = "mean"
    projected: int = 0

    def module(self, *, padded: bool) -> nn.Module:
        """What is exported."""
        shape = EncoderShape(
            vocabulary=self.vocabulary,
            positions=LONGEST,
            width=self.width,
            layers=tuple(
                LayerShape(heads=heads, head_width=each, neurons=neurons) for heads, each, neurons in self.layers
            ),
            token_rank=self.token_rank,
        )
        head = Head(HeadShape(pooling=self.pooling, projected=self.projected), self.width)
        return TextModule(TransformerModel(Encoder(shape), head), padded=padded).eval()


@dataclass(frozen=True, kw_only=True)
class Chain(_OfTexts):
    """One kind of operator after another on vectors of `width`: `what` is one of `chains.LINKS`."""

    what: str
    width: int
    other: int
    repeats: int

    def module(self, *, padded: bool) -> nn.Module:
        """What is exported; nothing in it knows of padding."""
        return ChainOf(self.what, self.width, self.other, self.repeats).eval()


@dataclass(frozen=True, kw_only=True)
class Filters(_OfImages):
    """Convolutions of 3 × 3, of each channel by itself, and of 1 × 1, on square images."""

    side: int
    channels: int
    repeats: int
    colours: ClassVar[int] = 3  # type: ignore[misc]  # every one's, where a `Residual` has its own

    def module(self, *, padded: bool) -> nn.Module:
        """What is exported."""
        return filters(self.channels, self.repeats).eval()


@dataclass(frozen=True, kw_only=True)
class Residual(_OfImages):
    """A small ResNet on square images, which have 3 colours or 1."""

    side: int
    colours: int
    channels: int
    repeats: int

    def module(self, *, padded: bool) -> nn.Module:
        """What is exported."""
        return residual(self.colours, self.channels, self.repeats).eval()


@dataclass(frozen=True, kw_only=True)
class ExportedProbe:
    """A model's file, and what it takes and gives."""

    file: Path
    signature: Signature


@dataclass(frozen=True, kw_only=True)
class Probe:
    """A model to be timed; where `texts` are given, on texts of these lengths and no others.

    A runtime of fixed shapes is else given the `fixed` ones.
    """

    name: str
    model: Shape | Chain | Filters | Residual
    texts: tuple[int, ...] = ()
    fixed: tuple[int, ...] = FIXED_LENGTHS[0]

    def spec(self, runtime: str) -> InputSpec:
        """What its files take."""
        return self.model.spec((self.texts or self.fixed) if RUNTIMES[runtime].fixed_shapes else ())

    def lengths(self, runtime: str) -> tuple[int, ...]:
        """Of the texts it is timed on; one 0 stands for the one image."""
        return self.model.lengths or self.texts or self.spec(runtime).lengths or LENGTHS

    def shapes(self, runtime: str) -> int:
        """How many fixed ones a process runs that is timed on it; 1 where a runtime takes any length."""
        return max(len(self.spec(runtime).lengths), 1)

    def inputs(self, runtime: str) -> Examples:
        """What it is timed on."""
        return self.model.inputs(self.lengths(runtime))

    def calls(self, signature: Signature, runtime: str) -> tuple[Call, ...]:
        """The same as calls of its file, which has this signature."""
        method = signature.method(FORWARD)
        return calls_of(method, named(method, self.inputs(runtime)))

    def structure(self, runtime: str) -> Structure:
        """What it computes under a runtime."""
        return _structure(self, runtime)

    def exported(self, runtime: str, precision: Precision) -> ExportedProbe:
        """Its file with the signature, made now unless it was made before by the same code."""
        name = f"probe{RUNTIMES[runtime].suffix}"
        lengths = list(self.spec(runtime).lengths)
        inputs = {"model": asdict(self.model), "lengths": lengths, "runtime": runtime, "precision": precision}
        made = cache.stage(
            "probe", inputs, lambda folder: self._write(runtime, precision, folder / name), version=VERSION
        )
        signature = Signature.model_validate_json((made.folder / SIGNATURE).read_bytes())
        return ExportedProbe(file=made.folder / name, signature=signature)

    def _write(self, runtime: str, precision: Precision, file: Path) -> None:
        torch.manual_seed(0)
        spec = self.spec(runtime)
        module = self.model.module(padded=RUNTIMES[runtime].fixed_shapes)
        descriptor, source = RUNTIMES[runtime], export_input(module, spec, RUNTIMES[runtime])
        file.with_name(SIGNATURE).write_text(source.signature.model_dump_json(), encoding="utf-8")
        if precision != "int8":
            descriptor.write_float(source, file)
            return
        examples = tuple(spec.arrays([each], descriptor.index_dtype) for each in self.model.calibration())
        float_file = file.with_name(f"float{descriptor.suffix}")
        if descriptor.int8_of_float_file:
            descriptor.write_float(source, float_file)
        descriptor.write_int8(source, float_file, file, Int8(examples=examples))
        float_file.unlink(missing_ok=True)


@functools.cache
def _structure(probe: Probe, runtime: str) -> Structure:
    return structure_for(probe.model.module(padded=RUNTIMES[runtime].fixed_shapes), probe.spec(runtime))


def _encoder(name: str, width: int, *layers: tuple[int, int, int], **rest: Any) -> Probe:
    return Probe(name=name, model=Shape(width=width, layers=layers, **rest))


def _chain(what: str, width: int, other: int, repeats: int) -> Probe:
    return Probe(name=f"{what} {width} {other}", model=Chain(what=what, width=width, other=other, repeats=repeats))


def _filters(side: int, channels: int, repeats: int) -> Probe:
    return Probe(name=f"filters {side} {channels}", model=Filters(side=side, channels=channels, repeats=repeats))


def _residual(side: int, colours: int, channels: int, repeats: int) -> Probe:
    model = Residual(side=side, colours=colours, channels=channels, repeats=repeats)
    return Probe(name=f"residual {side} {channels}", model=model)


def _with_lengths(probes: Sequence[Probe]) -> tuple[Probe, ...]:
    return tuple(replace(probe, fixed=fixed) for probe, fixed in zip(probes, cycle(FIXED_LENGTHS), strict=False))


# The float ones are enough to price what int8 leaves float, and float artifacts.
_FLOAT: Sequence[Probe] = (
    _encoder("encoder 64", 64, (2, 32, 128)),
    _encoder("encoder 192", 192, (3, 32, 384), (3, 32, 384), vocabulary=1000),
    _encoder("encoder 256", 256, (4, 32, 1024), vocabulary=4000),
    _encoder("encoder 384", 384, (12, 32, 512), (4, 32, 256), vocabulary=3000),
    _encoder("encoder 96", 96, (3, 16, 192), (3, 16, 192), (3, 16, 192)),
    _encoder("encoder 384 first", 384, (2, 32, 96), (1, 32, 1024), vocabulary=6000, token_rank=96, pooling="first"),
    _chain("linear", 64, 256, 4),
    _chain("linear", 384, 384, 3),
    _chain("linear", 256, 1024, 2),
    _chain("attention", 128, 4, 3),
    _chain("norm", 384, 0, 6),
    _chain("gelu", 512, 0, 4),
)
_INT8: Sequence[Probe] = (
    *_FLOAT,
    _encoder("encoder 128", 128, (2, 32, 256), (4, 32, 64), vocabulary=4000),
    _encoder("encoder 384 wide", 384, (6, 32, 1536), vocabulary=8000, token_rank=64),
    _encoder("encoder 312", 312, (12, 26, 600), vocabulary=1000, pooling="first"),
    _encoder("encoder 160", 160, (5, 32, 320), vocabulary=2000, pooling="first", projected=384),
    _chain("linear", 128, 48, 6),
    _chain("linear", 384, 1536, 2),
    _chain("attention", 384, 12, 2),
    _filters(8, 16, 3),
    _filters(16, 32, 2),
    _filters(8, 64, 2),
    _filters(28, 24, 1),
    _filters(14, 48, 2),
    _filters(12, 96, 1),
    _filters(4, 8, 6),  # little but the overhead of each
    _filters(6, 24, 4),
    _filters(24, 8, 3),
    _residual(12, 1, 8, 3),
    _residual(20, 1, 12, 2),
    _residual(32, 3, 24, 3),
    _residual(48, 3, 16, 4),
    _residual(28, 1, 32, 3),
)
INT8 = _with_lengths(_INT8)
BOTH = INT8[: len(_FLOAT)]
PROBES: Mapping[Precision, Sequence[Probe]] = {"int8": INT8, "float": BOTH}
