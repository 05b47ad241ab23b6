"""int8 artifacts of the tiny model: smaller, close to the float model, and run by the right kernels."""

import pytest

from edgewright.runtimes.executorch import int8 as xnnpack
from tests import artifacts, tiny

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("runtime", ["executorch", "litert", "onnx"])
def test_int8_saves_more_than_a_byte_and_a_half_of_four_for_each_parameter(runtime: str) -> None:
    files = {
        "executorch": (artifacts.float_pte(), artifacts.int8_pte()[0]),
        "litert": (artifacts.float_tflite(), artifacts.int8_tflite()),
        "onnx": (artifacts.float_onnx(), artifacts.int8_onnx()),
    }[runtime]
    before, after = (file.stat().st_size for file in files)
    assert before - after > 1.5 * tiny.teacher().model.parameters_count


@pytest.mark.parametrize("runtime", ["executorch", "litert"])
def test_both_tables_are_looked_up_in_int8(runtime: str) -> None:
    file = {"executorch": artifacts.int8_pte()[0], "litert": artifacts.int8_tflite()}[runtime]
    content = file.read_bytes()
    encoder = tiny.teacher().model.encoder
    for table in (encoder.tokens, encoder.positions):
        assert table.weight[1].detach().numpy().tobytes() not in content
        assert xnnpack.QuantizedEmbedding(table).rows[1].numpy().tobytes() in content
