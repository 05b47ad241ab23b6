"""int8 for LiteRT, applied to a finished float `.tflite` file.

In:  a float model file.
Out: a model file with int8 weights per channel for linear layers, convolutions and embeddings; activations are
     quantised as they come (dynamic), or on scales that examples were seen to need (static). Parts that are told by
     their weights stay float.
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

from toolchain.errors import ExportError
from toolchain.quantize.calibration import DEFAULT, Calibration, Seen
from toolchain.quiet import quiet

PRODUCTS = ("FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D")
Examples = Mapping[str, Sequence[Mapping[str, NDArray[Any]]]]
"""For each signature some inputs by their names."""


def with_int8(
    source: Path,
    destination: Path,
    *,
    examples: Examples | None = None,
    calibration: Calibration = DEFAULT,
    products_only: bool = False,
    one_scale: bool = False,
    kept_float: Collection[bytes] = (),
) -> None:
    """Quantise `source` into `destination`, but for the operators whose weights are among `kept_float`, as bytes.

    With `examples` activations get fixed scales by the `calibration`; without, as they come. With `products_only` those
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
            for operator in (qtyping.TFLOperationName.INPUT, qtyping.TFLOperationName.OUTPUT):  # as they are told
                worker.update_quantization_recipe(
                    regex=".*",
                    operation_name=operator,
                    algorithm_key=algorithm_manager.AlgorithmName.NO_QUANTIZE,
                )
            for scope in _scopes(source, kept_float) if kept_float else ():
                worker.update_quantization_recipe(
                    regex=rf"(^|;){re.escape(scope)}(;|$)",
                    operation_name=qtyping.TFLOperationName.ALL_SUPPORTED,
                    algorithm_key=algorithm_manager.AlgorithmName.NO_QUANTIZE,
                )
            seen = _ranges(source, examples, worker.get_quantization_recipe(), calibration) if examples else None
            worker.quantize(seen).export_model(str(destination))
    except Exception as error:  # the quantiser and the reader of files raise errors of many unrelated kinds
        raise ExportError("LiteRT", error) from error


def _recipe(*, static: bool, products_only: bool, one_scale: bool) -> list[dict[str, Any]]:
    """What the quantiser is told."""
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


def _seen(source: Path, examples: Examples, names: Collection[str]) -> dict[str, Seen]:
    """All values of the activations of these names, signature after signature."""
    from ai_edge_quantizer.utils import tfl_interpreter_utils as interpreters

    content = source.read_bytes()
    interpreter = interpreters.create_tfl_interpreter(content, num_threads=1)
    seen: dict[str, Seen] = defaultdict(Seen)
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


def _scopes(file: Path, weights: Collection[bytes]) -> Iterator[str]:
    """The quantiser's names of the operators that read these weights: those of what they make, in every signature."""
    from ai_edge_litert.tools import flatbuffer_utils

    model: Any = flatbuffer_utils.read_model(str(file))
    chosen = {place for place, buffer in enumerate(model.buffers) if _content(buffer) in weights}
    for graph in model.subgraphs:
        for operator in graph.operators:
            if any(place >= 0 and graph.tensors[place].buffer in chosen for place in operator.inputs):
                yield from (graph.tensors[place].name.decode() for place in operator.outputs)


def _content(buffer: Any) -> bytes:
    return b"" if buffer.data is None else bytes(buffer.data)
