"""int8 for ONNX Runtime, applied to a finished float `.onnx` file.

In:  a float model file.
Out: a model file with int8 weights, of linear layers per output channel and of embeddings per table, and activations
     quantised as they come (dynamic). Normalisation, softmax and pooling stay float.
"""

from pathlib import Path

from toolchain.errors import ExportError
from toolchain.quiet import quiet


def with_dynamic_int8_weights(source: Path, destination: Path) -> None:
    """Quantise `source` into `destination`. Raises `ExportError` when the quantiser refuses the model."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    destination.unlink(missing_ok=True)
    try:
        with quiet():
            quantize_dynamic(str(source), str(destination), per_channel=True, weight_type=QuantType.QInt8)
    except Exception as error:  # the quantiser and the reader of files raise errors of many unrelated kinds
        destination.unlink(missing_ok=True)
        raise ExportError("ONNX", error) from error
