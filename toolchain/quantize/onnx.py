"""int8 for ONNX Runtime, applied to a finished float `.onnx` file.

In:  a float model file.
Out: a model file with int8 weights, of linear layers per output channel and of embeddings per table, and activations
     quantised as they come (dynamic). Normalisation, softmax and pooling stay float, and so do parts that are told by
     their weights.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from toolchain.errors import ExportError
from toolchain.quiet import quiet

AS_PRODUCT = "_MatMul"  # the quantiser's name of the product that it makes of a Gemm, before it looks what to exclude


def with_dynamic_int8_weights(source: Path, destination: Path, *, kept_float: Collection[bytes] = ()) -> None:
    """Quantise `source` into `destination`, but for the nodes whose weights are among `kept_float`, as bytes.

    Raises `ExportError` when the quantiser refuses the model.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    destination.unlink(missing_ok=True)
    try:
        with quiet():
            spared = _nodes(source, kept_float) if kept_float else []
            quantize_dynamic(
                str(source), str(destination), per_channel=True, weight_type=QuantType.QInt8, nodes_to_exclude=spared
            )
    except Exception as error:  # the quantiser and the reader of files raise errors of many unrelated kinds
        destination.unlink(missing_ok=True)
        raise ExportError("ONNX", error) from error


def _nodes(file: Path, weights: Collection[bytes]) -> list[str]:
    """The names of the nodes that read these weights, as they are or transposed."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(str(file)).graph
    chosen = set()
    for each in graph.initializer:
        values = numpy_helper.to_array(each)
        if values.tobytes() in weights or values.T.tobytes() in weights:
            chosen.add(each.name)
    named = [node.name for node in graph.node if chosen.intersection(node.input)]
    return [*named, *(f"{name}{AS_PRODUCT}" for name in named)]
