"""int8 for LiteRT, applied to a finished float `.tflite` file.

In:  a float model file.
Out: a model file with int8 weights per channel for linear layers and embeddings, and activations quantised as they
     come (dynamic). Normalisation, softmax and pooling stay float, and so do parts that are told by their weights.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from toolchain.errors import ExportError
from toolchain.quiet import quiet


def with_dynamic_int8_weights(source: Path, destination: Path, *, kept_float: Collection[bytes] = ()) -> None:
    """Quantise `source` into `destination`, but for the operators whose weights are among `kept_float`, as bytes.

    Raises `ExportError` when the quantiser refuses the model.
    """
    from ai_edge_quantizer import algorithm_manager, qtyping, quantizer, recipe

    destination.unlink(missing_ok=True)
    try:
        with quiet():
            worker = quantizer.Quantizer(str(source))
            worker.load_quantization_recipe(recipe.dynamic_wi8_afp32())
            for scope in _scopes(source, kept_float) if kept_float else ():
                worker.update_quantization_recipe(
                    regex=rf"(^|;){re.escape(scope)}(;|$)",
                    operation_name=qtyping.TFLOperationName.ALL_SUPPORTED,
                    algorithm_key=algorithm_manager.AlgorithmName.NO_QUANTIZE,
                )
            worker.quantize().export_model(str(destination))
    except Exception as error:  # the quantiser and the reader of files raise errors of many unrelated kinds
        raise ExportError("LiteRT", error) from error


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
