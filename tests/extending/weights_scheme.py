"""A quantisation scheme as a package of one's own has it: weights of 8 bits, all else in float, in one file.

Its entry point is `int8-weights = "weights_scheme:SCHEME"` in the group `edgewright.schemes`. A recipe names it by
`stages.quantize.scheme = "int8-weights"`. Files are about as small as with int8, and outputs are nearer to the float
student's; the computation is that of float. The scheme brings its own writers, for LiteRT and for ONNX Runtime.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgewright.quantize.schemes import Scheme

if TYPE_CHECKING:
    from edgewright.runtimes.export_input import ExportInput
    from edgewright.runtimes.quantization import Int8

NAME = "int8-weights"
LARGEST = 127
LEAST_SCALE = 1e-12


def write_litert(source: ExportInput, float_file: Path, file: Path, asked: Int8) -> Mapping[str, Any]:
    """Let LiteRT's own quantiser narrow the weights of the float file."""
    from ai_edge_quantizer import quantizer, recipe

    from edgewright.base.quiet import quiet
    from edgewright.runtimes.litert.compact import compact

    with quiet():
        worker = quantizer.Quantizer(str(float_file))
        worker.load_quantization_recipe(recipe.weight_only_wi8_afp32())
        worker.quantize().export_model(str(file))
    compact(file)
    return {"scales": "per channel"}


def write_onnx(source: ExportInput, float_file: Path, file: Path, asked: Int8) -> Mapping[str, Any]:
    """Replace every matrix and table of the float file by int8 rows with a scale each, and dequantise them."""
    import onnx

    model = onnx.load(str(float_file))
    graph = model.graph
    is_float = onnx.TensorProto.FLOAT
    weights = [each for each in graph.initializer if len(each.dims) > 1 and each.data_type == is_float]
    nodes = [_narrow(graph, each) for each in weights]
    for node in reversed(nodes):
        graph.node.insert(0, node)
    onnx.save(model, str(file))
    return {"scales": "per row", "narrowed": len(nodes)}


def _narrow(graph: Any, weight: Any) -> Any:
    """Put int8 rows in a weight's place; the node that makes its float rows of them."""
    import numpy as np
    from onnx import helper, numpy_helper

    rows = numpy_helper.to_array(weight)
    largest = np.abs(rows.reshape(len(rows), -1)).max(axis=1)
    scales = np.maximum(largest / LARGEST, LEAST_SCALE).astype(np.float32)
    narrow = np.round(rows / scales.reshape(-1, *[1] * (rows.ndim - 1))).astype(np.int8)
    name = weight.name
    graph.initializer.remove(weight)
    graph.initializer.append(numpy_helper.from_array(narrow, f"{name}_int8"))
    graph.initializer.append(numpy_helper.from_array(scales, f"{name}_scales"))
    inputs = [f"{name}_int8", f"{name}_scales"]
    return helper.make_node("DequantizeLinear", inputs, [name], name=f"{name}_float", axis=0)


SCHEME = Scheme(
    name=NAME,
    weight_bits=8,
    activation_bits=32,
    precision="float",
    lacks="has no file of int8 weights and float activations",
    writers={"litert": write_litert, "onnx": write_onnx},
)
