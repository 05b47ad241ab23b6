"""The tiny model as every artifact the exporters make of it, each made once for all tests."""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import torch

from edgewright.modality.encoded import Encoded
from edgewright.modality.text_spec import TextInputSpec
from edgewright.models.text import TextModule, outputs
from edgewright.runtimes.executorch import export as executorch
from edgewright.runtimes.executorch.export_int8 import executorch_int8
from edgewright.runtimes.litert import export as litert
from edgewright.runtimes.litert import int8 as flatbuffer
from edgewright.runtimes.litert.compact import compact
from edgewright.runtimes.onnx import export as onnx
from edgewright.runtimes.onnx import int8 as onnx_int8
from edgewright.runtimes.subject import export_input, signature_of
from edgewright.runtimes.table import RUNTIMES
from edgewright.specs.signature import Signature
from tests import tiny

LENGTHS = (8, 16, tiny.MAX_LENGTH)
FORM = TextInputSpec(max_length=tiny.MAX_LENGTH, lengths=LENGTHS)


def rows_of_every_length() -> list[Encoded]:
    """From the shortest text there is to the longest."""
    texts = ["", "rain", *tiny.sentences(12, seed=5), "the snow and " * 20]
    return tiny.tokenizer().encode(texts)


def expected() -> torch.Tensor:
    return outputs(tiny.teacher().model, rows_of_every_length())


def signature(runtime: str) -> Signature:
    """What an artifact of the tiny model takes and gives under a runtime."""
    module = TextModule(tiny.teacher().model, padded=RUNTIMES[runtime].fixed_shapes)
    return signature_of(module, FORM, RUNTIMES[runtime])


def session(runtime: str, file: Path) -> Callable[[Sequence[int]], torch.Tensor]:
    """An artifact of texts in this process, asked for one text's output at a time."""
    descriptor = RUNTIMES[runtime]
    assert descriptor.session is not None
    method = signature(runtime).method("forward")
    run = descriptor.session(file, signature(runtime))

    def output(ids: Sequence[int]) -> torch.Tensor:
        return torch.from_numpy(np.asarray(run(method.call(FORM.arrays([ids], descriptor.index_dtype)))["output"][0]))

    return output


@cache
def float_pte() -> Path:
    path = tiny.scratch() / "float.pte"
    executorch.export(export_input(TextModule(tiny.teacher().model, padded=False), FORM, RUNTIMES["executorch"]), path)
    return path


@cache
def int8_pte() -> tuple[Path, executorch.Delegation]:
    path = tiny.scratch() / "int8.pte"
    found = executorch_int8(
        export_input(TextModule(tiny.teacher().model, padded=False), FORM, RUNTIMES["executorch"]), path
    )
    return path, found


@cache
def float_tflite() -> Path:
    path = tiny.scratch() / "float.tflite"
    litert.export(export_input(TextModule(tiny.teacher().model, padded=True), FORM, RUNTIMES["litert"]), path)
    return path


@cache
def int8_tflite() -> Path:
    path = tiny.scratch() / "int8.tflite"
    flatbuffer.with_int8(float_tflite(), path)
    compact(path)
    return path


@cache
def float_onnx() -> Path:
    path = tiny.scratch() / "float.onnx"
    onnx.export(export_input(TextModule(tiny.teacher().model, padded=False), FORM, RUNTIMES["onnx"]), path)
    return path


@cache
def int8_onnx() -> Path:
    path = tiny.scratch() / "int8.onnx"
    onnx_int8.with_int8(float_onnx(), path)
    return path
