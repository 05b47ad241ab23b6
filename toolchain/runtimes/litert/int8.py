"""int8 and float16 for LiteRT, applied to a finished float `.tflite` file.

In:  a float model file.
Out: a model file with int8 weights per channel for linear layers, convolutions and embeddings; activations are
     quantised dynamically, or statically on scales that examples need. Excluded parts, which are found by their
     weights, stay float. Or one with float16 weights, whose metadata allow it to be computed in float16.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edgewright.base.quiet import quiet
from edgewright.errors import ExportError
from edgewright.quantize.ranges import DEFAULT, Calibration, ObservedValues
from edgewright.runtimes.export_input import ExportInput, fits, fitted
from edgewright.runtimes.litert.compact import compact
from edgewright.runtimes.quantization import Int8, weights_at
from edgewright.specs.signature import Array, Signature

MATRIX = 2  # dimensions
SAME_DIRECTION = 1e-4
PRODUCTS = ("FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D")
# What the interpreter looks for in a file: that float16 will do, for sums too.
MAY_BE_HALF, ALLOWS_HALF = "reduced_precision_support", b"fp16accfp16"
Examples = Mapping[str, Sequence[Mapping[str, Array]]]
"""For each signature some inputs by their names."""


def write_int8(
    source: ExportInput, float_file: Path, file: Path, asked: Int8, *, one_scale: bool = False
) -> Mapping[str, Any]:
    """Write an int8 file of the float one."""
    with_int8(
        float_file,
        file,
        examples=by_entry(source.signature, asked.examples),
        calibration=asked.calibration,
        products_only=source.products_only,
        one_scale=one_scale,
        excluded=weights_at(source, asked.excluded),
        int4=weights_at(source, asked.narrow),
        group=asked.group,
    )
    compact(file)
    return {}


def write_int8_one_scale(source: ExportInput, float_file: Path, file: Path, asked: Int8) -> Mapping[str, Any]:
    """The same with tables of one scale each, for tflite-runtime."""
    return write_int8(source, float_file, file, asked, one_scale=True)


def write_half(_source: ExportInput, float_file: Path, file: Path, _asked: Int8) -> Mapping[str, Any]:
    """Write a float16 file of the float one."""
    with_half(float_file, file)
    compact(file)
    return {}


def by_entry(signature: Signature, examples: Sequence[Mapping[str, Array]]) -> dict[str, list[dict[str, Array]]]:
    """The examples as each entry takes them: all need scales, also one that no example is as long as."""
    found: dict[str, list[dict[str, Array]]] = {}
    for example in examples:
        for method in signature.methods:
            for name, sizes in method.entries():
                if fits(method, example, sizes):
                    found.setdefault(name, []).append(fitted(method, example, sizes))
    return found


def with_int8(
    source: Path,
    destination: Path,
    *,
    examples: Examples | None = None,
    calibration: Calibration = DEFAULT,
    products_only: bool = False,
    one_scale: bool = False,
    excluded: Sequence[NDArray[np.float32]] = (),
    int4: Sequence[NDArray[np.float32]] = (),
    group: int | None = None,
) -> None:
    """Quantise `source` into `destination`, but for the operators whose weights are among `excluded`.

    Of linear layers whose weights are among `int4` those become int4, where activations are quantised dynamically; they
    have a scale for each `group` of inputs (32 or 64), or where that is None or does not fit for each output.

    With `examples` activations get static scales by the `calibration`, else dynamic ones. With `products_only` those
    are what layers with weights read and give: all between them, norms and softmax, stays float.
    With `one_scale` a table has one scale in all and not one a row: tflite-runtime 2.14 reads no more of them.
    Raises `ExportError` when the quantiser refuses the model.
    """
    from ai_edge_quantizer import algorithm_manager, qtyping, quantizer

    destination.unlink(missing_ok=True)
    try:
        with quiet():
            worker = quantizer.Quantizer(str(source))
            worker.load_quantization_recipe(
                _recipe(static=bool(examples), products_only=products_only, one_scale=one_scale)
            )
            for operator in (
                qtyping.TFLOperationName.INPUT,
                qtyping.TFLOperationName.OUTPUT,
            ):  # as the signature has them
                worker.update_quantization_recipe(
                    regex=".*",
                    operation_name=operator,
                    algorithm_key=algorithm_manager.AlgorithmName.NO_QUANTIZE,
                )
            for scope in _scopes(source, excluded):
                worker.update_quantization_recipe(
                    regex=scope,
                    operation_name=qtyping.TFLOperationName.ALL_SUPPORTED,
                    algorithm_key=algorithm_manager.AlgorithmName.NO_QUANTIZE,
                )
            for size in (None, group) if group else (None,):
                fitting = [each for each in int4 if (group is not None and each.shape[-1] % group == 0) == bool(size)]
                for scope in _scopes(source, fitting):
                    worker.update_quantization_recipe(
                        regex=scope,
                        operation_name=qtyping.TFLOperationName.FULLY_CONNECTED,
                        algorithm_key=algorithm_manager.AlgorithmName.MIN_MAX_UNIFORM_QUANT,
                        op_config=_int4_config(size),
                    )
            seen = _ranges(source, examples, worker.get_quantization_recipe(), calibration) if examples else None
            worker.quantize(seen).export_model(str(destination))
    except Exception as error:  # the quantiser and the reader of files raise errors of many unrelated kinds
        raise ExportError("LiteRT", error) from error


def with_half(source: Path, destination: Path) -> None:
    """Write `source` with float16 weights into `destination`.

    Where the core computes in float16 the interpreter's XNNPACK does so, too, because the file's metadata allow that;
    elsewhere it makes float32 of the weights. Raises `ExportError` when the quantiser refuses the model.
    """
    from ai_edge_quantizer import algorithm_manager, qtyping, quantizer

    destination.unlink(missing_ok=True)
    half = qtyping.OpQuantizationConfig(
        weight_tensor_config=qtyping.TensorQuantizationConfig(num_bits=16, dtype=qtyping.TensorDataType.FLOAT),
        compute_precision=qtyping.ComputePrecision.FLOAT,
        explicit_dequantize=True,
    )
    try:
        with quiet():
            worker = quantizer.Quantizer(str(source))
            for name in (*PRODUCTS, "EMBEDDING_LOOKUP"):
                worker.update_quantization_recipe(
                    regex=".*",
                    operation_name=qtyping.TFLOperationName(name),
                    algorithm_key=algorithm_manager.AlgorithmName.FLOAT_CASTING,
                    op_config=half,
                )
            worker.quantize().export_model(str(destination))
            _allow_half(destination)
    except Exception as error:  # the quantiser and the reader of files raise errors of many unrelated kinds
        destination.unlink(missing_ok=True)
        raise ExportError("LiteRT", error) from error


def _allow_half(file: Path) -> None:
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.tools import flatbuffer_utils

    model: Any = flatbuffer_utils.read_model(str(file))
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = np.frombuffer(ALLOWS_HALF, dtype=np.uint8)
    entry.name, entry.buffer = MAY_BE_HALF, len(model.buffers)
    model.buffers = [*model.buffers, buffer]
    model.metadata = [*(model.metadata or []), entry]
    flatbuffer_utils.write_model(model, str(file))


def _recipe(*, static: bool, products_only: bool, one_scale: bool) -> list[dict[str, Any]]:
    """The quantiser's recipe."""
    from ai_edge_quantizer import recipe

    if not static:
        found: list[dict[str, Any]] = recipe.dynamic_wi8_afp32()
        return found
    (whole,) = recipe.static_wi8_ai8()
    if not products_only:
        return [whole]
    (tables,) = recipe.dynamic_wi8_afp32()
    if one_scale:
        settings = tables["op_config"]
        weights = {**settings["weight_tensor_config"], "granularity": "TENSORWISE"}
        tables = {**tables, "op_config": {**settings, "weight_tensor_config": weights}}
    return [*({**whole, "operation": name} for name in PRODUCTS), {**tables, "operation": "EMBEDDING_LOOKUP"}]


def _int4_config(group: int | None) -> Any:
    """A linear layer's with int4 weights, scaled a channel or a group of inputs."""
    from ai_edge_quantizer import qtyping, recipe

    (narrow,) = {None: recipe.dynamic_wi4c_afp32, 32: recipe.dynamic_wi4b32_afp32, 64: recipe.dynamic_wi4b64_afp32}[
        group
    ]()
    return qtyping.OpQuantizationConfig.from_dict(narrow["op_config"])


def _ranges(source: Path, examples: Examples, chosen: Any, calibration: Calibration) -> Any:
    """The range of each activation; by itself the quantiser averages the least and largest, and cuts some off."""
    from ai_edge_quantizer import calibrator, recipe_manager
    from ai_edge_quantizer.utils import qsv_utils

    manager = recipe_manager.RecipeManager()
    manager.load_quantization_recipe(chosen)
    observer = calibrator.Calibrator(source.read_bytes(), num_threads=1, qsv_update_func=qsv_utils.min_max_update)
    all_itself = calibration == "minmax"  # or one example, which tells the activations that need a range
    observer.calibrate(examples if all_itself else {name: given[:1] for name, given in examples.items()}, manager)
    found = observer.get_model_qsvs()
    if not all_itself:
        for name, values in _seen(source, examples, found.keys()).items():
            limits = zip(("min", "max"), values.range(calibration), strict=True)
            found[name] |= {key: np.full_like(found[name][key], limit) for key, limit in limits}
    return found


def _seen(source: Path, examples: Examples, names: Collection[str]) -> dict[str, ObservedValues]:
    """All values of the activations of these names, signature after signature."""
    from ai_edge_quantizer.utils import tfl_interpreter_utils as interpreters

    content = source.read_bytes()
    interpreter = interpreters.create_tfl_interpreter(content, num_threads=1)
    seen: dict[str, ObservedValues] = defaultdict(ObservedValues)
    for signature, inputs in examples.items():
        graph = interpreters.get_signature_main_subgraph_index(interpreter, signature)
        chosen = set(names).difference(interpreters.get_constant_tensor_names(content, graph))
        tensors = [each for each in interpreter.get_tensor_details(graph) if each["name"] in chosen]
        for given in inputs:
            interpreters.invoke_interpreter_signature(interpreter, given, signature)
            for each in tensors:
                values = interpreters.get_tensor_data(interpreter, each, graph)
                seen[each["name"]].add(torch.from_numpy(values))
    return seen


def _scopes(file: Path, weights: Sequence[NDArray[np.float32]]) -> Iterator[str]:
    """What the quantiser knows the operators by that read these weights: the names of what they make, as patterns."""
    from ai_edge_litert.tools import flatbuffer_utils

    if not weights:
        return
    model: Any = flatbuffer_utils.read_model(str(file))
    found: dict[int, bool] = {}  # whether a buffer holds one of them
    for graph in model.subgraphs:
        for operator in graph.operators:
            inputs = [graph.tensors[place] for place in operator.inputs if place >= 0]
            for tensor in inputs:
                if tensor.buffer not in found:
                    content = _content(model.buffers[tensor.buffer])
                    found[tensor.buffer] = any(_is_same(content, tensor.shape, each) for each in weights)
            if any(found[tensor.buffer] for tensor in inputs):
                for place in operator.outputs:
                    yield rf"(^|;){re.escape(graph.tensors[place].name.decode())}(;|$)"


def _is_same(content: bytes, shape: Sequence[int], weights: NDArray[np.float32]) -> bool:
    """Whether a buffer holds these weights, be it with the scale of the norm before them, which the converter folds."""
    if len(content) != weights.nbytes or tuple(shape) != weights.shape:
        return False
    if content == weights.tobytes():
        return True
    stored = np.frombuffer(content, dtype=np.float32).reshape(weights.shape)
    return weights.ndim == MATRIX and np.allclose(_directions(stored), _directions(weights), atol=SAME_DIRECTION)


def _directions(matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each input's column without its length and sign."""
    largest = np.take_along_axis(matrix, np.abs(matrix).argmax(axis=0)[None], axis=0)
    lengths = np.linalg.norm(matrix, axis=0) * np.where(largest < 0, -1, 1)
    directions: NDArray[np.float32] = (matrix / np.where(lengths == 0, 1, lengths)).astype(np.float32)
    return directions


def _content(buffer: Any) -> bytes:
    return b"" if buffer.data is None else bytes(buffer.data)
