"""A finished `.tflite` without what it holds twice.

In:  a `.tflite` file with a signature for each length.
Out: the same model in fewer bytes: equal scales, zero points, shapes, weights and names are kept once, and a name is a
     module's place in the model, without the classes on the way there and without a number for each length.
Every signature is a graph of its own with its own tensors, so a model of three lengths holds all of this three times:
of a small student's file it is a third.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from flatbuffers import Builder

from edgewright.base.once import written_whole
from edgewright.base.quiet import quiet
from edgewright.errors import ExportError
from edgewright.specs.signature import Array

IDENTIFIER = b"TFL3"
DATA_ALIGNMENT = 16  # the schema's, of a buffer's data
COUNTER = re.compile(rb"(;|(?<=arith\.constant))\d+$")  # of the tensors that have a place in common
CLASS_NAME = re.compile(rb"(?:\w+\.)+_?[A-Z][A-Za-z0-9]*(?:_|(?=[/;]|$))")


def compact(file: Path) -> None:
    """Write the file anew. Raises `ExportError` when it is no `.tflite`; then it stays as it was."""
    try:
        with quiet():
            from ai_edge_litert.tools import flatbuffer_utils

            model = flatbuffer_utils.read_model(str(file))
        packed = _packed(model)
    except Exception as error:  # reading a damaged flatbuffer raises errors of many unrelated kinds
        raise ExportError("LiteRT", error) from error
    with written_whole(file) as smaller:
        smaller.write_bytes(packed)


def short_name(name: bytes) -> bytes:
    """A tensor's name without classes: `pkg.Encoder_encoder/pkg.Layer_0/torch.nn.Linear_up;2` → `encoder/0/up`.

    Names need not differ: what reads a tensor knows it by its index, and a signature's inputs by names of their own.
    """
    places = (CLASS_NAME.sub(b"", each).removeprefix(b"/") for each in COUNTER.sub(b"", name).split(b";;"))
    return b";;".join(places)


def _packed(model: _Model) -> bytes:
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            tensor.name = short_name(tensor.name)
    builder = _SharingBuilder(1024)
    builder.Finish(model.Pack(builder), file_identifier=IDENTIFIER)
    return bytes(builder.Output())


class _Tensor(Protocol):
    name: bytes


class _Graph(Protocol):
    tensors: Sequence[_Tensor]


class _Model(Protocol):
    """A file as the schema's generated classes have it."""

    subgraphs: Sequence[_Graph]

    def Pack(self, builder: Builder) -> int: ...


class _SharingBuilder(Builder):  # type: ignore[misc]  # flatbuffers is not typed
    """A builder that writes equal strings and arrays once: whoever holds one holds its offset."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self._strings: dict[str | bytes, int] = {}
        self._arrays: dict[tuple[str, bytes], int] = {}

    def CreateString(self, s: str | bytes, encoding: str = "utf-8", errors: str = "strict") -> int:
        """As the base's."""
        if s not in self._strings:
            self._strings[s] = super().CreateString(s, encoding, errors)
        return self._strings[s]

    def CreateNumpyVector(self, x: Array) -> int:
        """As the base's, and bytes, which are the data of buffers, as aligned as the schema wants them."""
        key = (x.dtype.str, x.tobytes())
        if key not in self._arrays:
            self._arrays[key] = self._aligned(key[1]) if x.dtype == np.uint8 else super().CreateNumpyVector(x)
        return self._arrays[key]

    def _aligned(self, data: bytes) -> int:
        self.Prep(DATA_ALIGNMENT, len(data))
        return int(self.CreateByteVector(data))
