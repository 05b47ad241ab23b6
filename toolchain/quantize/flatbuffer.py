"""int8 for LiteRT, applied to a finished float `.tflite` file.

In:  a float model file.
Out: a model file with int8 weights per channel for linear layers and embeddings, and activations quantised as they
     come (dynamic). Normalisation, softmax and pooling stay float.
"""

from pathlib import Path

from toolchain.errors import ExportError
from toolchain.quiet import quiet


def with_dynamic_int8_weights(source: Path, destination: Path) -> None:
    """Quantise `source` into `destination`. Raises `ExportError` when the quantiser refuses the model."""
    from ai_edge_quantizer import quantizer, recipe

    destination.unlink(missing_ok=True)
    try:
        with quiet():
            worker = quantizer.Quantizer(str(source))
            worker.load_quantization_recipe(recipe.dynamic_wi8_afp32())
            worker.quantize().export_model(str(destination))
    except Exception as error:  # the quantiser and the reader of files raise errors of many unrelated kinds
        raise ExportError("LiteRT", error) from error
