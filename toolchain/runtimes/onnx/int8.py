"""int8 for ONNX Runtime, applied to a finished float `.onnx` file.

In:  a float model file.
Out: a model file with int8 weights. Dynamic: of linear layers per output channel and of embeddings per table, with
     dynamically quantised activations. Static: of convolutions and linear layers per output channel, with pairs of
     QuantizeLinear and DequantizeLinear (Q/DQ) on scales that examples need, which ONNX Runtime fuses and TensorRT
     reads. Excluded parts, which are found by their weights, stay float; ONNX Runtime makes int8 of them all the same
     unless its optimizer WeightBiasQuantization is switched off.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edgewright.base.quiet import quiet
from edgewright.errors import ExportError
from edgewright.quantize.ranges import DEFAULT, Calibration, ObservedValues
from edgewright.runtimes.export_input import ExportInput
from edgewright.runtimes.quantization import Int8, weights_at

AS_PRODUCT = "_MatMul"  # the quantiser's name of the product that it makes of a Gemm, before it looks what to exclude
PRODUCTS = ("MatMul", "Gemm", "Conv", "Gather")
Examples = Sequence[Mapping[str, NDArray[Any]]]
"""Some inputs, each by its name."""


def write_int8(source: ExportInput, float_file: Path, file: Path, asked: Int8) -> Mapping[str, Any]:
    """Write an int8 file of the float one."""
    with_int8(
        float_file,
        file,
        examples=asked.examples,
        calibration=asked.calibration,
        products_only=source.products_only,
        excluded={layout.tobytes() for layout in weights_at(source, asked.excluded)},
    )
    return {}


def with_int8(
    source: Path,
    destination: Path,
    *,
    examples: Examples | None = None,
    calibration: Calibration = DEFAULT,
    products_only: bool = False,
    excluded: Collection[bytes] = (),
) -> None:
    """Quantise `source` into `destination`, but for the nodes whose weights are among `excluded`, as bytes.

    With `examples` activations get static scales by the `calibration`, else dynamic ones. With `products_only` those
    are what layers with weights read and give: all between them, norms and softmax, stays float.
    Raises `ExportError` when the quantiser refuses the model.
    """
    from onnxruntime.quantization import (
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_dynamic,
        quantize_static,
    )

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime is not typed
        def __init__(self) -> None:
            given = examples or ()
            self.left = iter(given if calibration == "minmax" else given[:1])  # else every range is given

        def get_next(self) -> Mapping[str, NDArray[Any]] | None:
            return next(self.left, None)

    destination.unlink(missing_ok=True)
    try:
        with quiet():
            spared = [*_stacked(source), *(_nodes(source, excluded) if excluded else ())]
            places, settings = (str(source), str(destination)), {"per_channel": True, "nodes_to_exclude": spared}
            if examples:
                quantize_static(
                    *places,
                    Reader(),
                    quant_format=QuantFormat.QDQ,
                    weight_type=QuantType.QInt8,
                    activation_type=QuantType.QInt8,
                    nodes_to_quantize=_products(source) if products_only else None,
                    extra_options={"TensorQuantOverrides": _overrides(source, examples, calibration)},
                    **settings,
                )
            else:
                quantize_dynamic(*places, weight_type=QuantType.QInt8, **settings)
    except Exception as error:  # the quantiser and the reader of files raise errors of many unrelated kinds
        destination.unlink(missing_ok=True)
        raise ExportError("ONNX", error) from error


def _overrides(source: Path, examples: Examples, calibration: Calibration) -> dict[str, list[dict[str, Any]]]:
    """The range of each activation, as the quantiser takes it where it is not to be from the least to the largest."""
    from onnxruntime.quantization import CalibrationMethod
    from onnxruntime.quantization.calibrate import create_calibrator

    if calibration == "minmax":
        return {}
    with tempfile.TemporaryDirectory() as folder:
        # One by histograms, because its model gives every activation as it is.
        whole = create_calibrator(
            source, augmented_model_path=str(Path(folder, "whole.onnx")), calibrate_method=CalibrationMethod.Percentile
        )
        session, seen = whole.infer_session, defaultdict[str, ObservedValues](ObservedValues)
        names = [output.name for output in session.get_outputs() if "float" in output.type]
        for given in examples:
            for name, values in zip(names, session.run(names, dict(given)), strict=True):
                seen[name].add(torch.from_numpy(values))
    ranges = {name: values.range(calibration) for name, values in seen.items()}
    return {name: [{"rmin": np.float32(low), "rmax": np.float32(high)}] for name, (low, high) in ranges.items()}


def _products(file: Path) -> list[str]:
    """The names of the nodes that have weights."""
    import onnx

    graph = onnx.load(str(file)).graph
    weights = {each.name for each in graph.initializer if len(each.dims) > 1}
    stacked = set(_stacked(file))
    products = [node for node in graph.node if node.op_type in PRODUCTS and weights.intersection(node.input)]
    return [node.name for node in products if node.name not in stacked]


def _stacked(file: Path) -> list[str]:
    """The names of products with several matrices at once, as DeBERTa has: no int8 kernel has them."""
    import onnx

    graph = onnx.load(str(file)).graph
    weights = {each.name for each in graph.initializer if len(each.dims) > 2}
    weights |= {node.output[0] for node in graph.node if node.op_type == "Transpose" and weights & set(node.input)}
    return [node.name for node in graph.node if node.op_type == "MatMul" and weights & set(node.input)]


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
