"""int8 artifacts of the tiny model: smaller, close to the float model, and run by the right kernels."""

from pathlib import Path

import pytest
import torch
from torch import nn

from edgewright.errors import ExportError
from edgewright.measure.parity import compare
from edgewright.runtimes.executorch import int8 as xnnpack
from edgewright.runtimes.litert import int8 as flatbuffer
from edgewright.runtimes.litert.compact import compact
from edgewright.runtimes.onnx import int8 as onnx_int8
from tests import artifacts, tiny

pytestmark = pytest.mark.slow


def test_an_int8_pte_says_what_the_float_model_says_at_every_length() -> None:
    session = artifacts.session("executorch", artifacts.int8_pte()[0])
    found = torch.stack([session(row.ids) for row in artifacts.rows_of_every_length()])
    parity = compare(found, artifacts.expected())
    assert 0.99 < parity.cosine_min < 1
    assert parity.passed


def test_an_int8_tflite_says_what_the_float_model_says_at_every_length() -> None:
    session = artifacts.session("litert", artifacts.int8_tflite())
    found = torch.stack([session(row.ids) for row in artifacts.rows_of_every_length()])
    parity = compare(found, artifacts.expected())
    assert 0.99 < parity.cosine_min < 1
    assert parity.passed


def test_an_int8_onnx_says_what_the_float_model_says_at_every_length() -> None:
    session = artifacts.session("onnx", artifacts.int8_onnx())
    found = torch.stack([session(row.ids) for row in artifacts.rows_of_every_length()])
    parity = compare(found, artifacts.expected())
    assert 0.99 < parity.cosine_min < 1
    assert parity.passed


def test_every_linear_layer_of_an_int8_onnx_multiplies_int8() -> None:
    import onnx as onnx_format

    kinds = [node.op_type for node in onnx_format.load(artifacts.int8_onnx()).graph.node]
    assert kinds.count("MatMulInteger") == 4 * len(tiny.encoder().shape.layers)
    assert "Gemm" not in kinds


@pytest.mark.parametrize("runtime", ["executorch", "litert", "onnx"])
def test_int8_saves_more_than_a_byte_and_a_half_of_four_for_each_parameter(runtime: str) -> None:
    files = {
        "executorch": (artifacts.float_pte(), artifacts.int8_pte()[0]),
        "litert": (artifacts.float_tflite(), artifacts.int8_tflite()),
        "onnx": (artifacts.float_onnx(), artifacts.int8_onnx()),
    }[runtime]
    before, after = (file.stat().st_size for file in files)
    assert before - after > 1.5 * tiny.teacher().model.parameters_count


def test_every_linear_layer_goes_to_the_delegate_and_embeddings_to_their_own_kernel() -> None:
    found = artifacts.int8_pte()[1]
    assert found.delegated > 0
    assert any("embedding_byte" in name for name in found.fallbacks)
    assert not [name for name in found.fallbacks if "linear" in name or "addmm" in name or "quantize_per" in name]


@pytest.mark.parametrize("runtime", ["executorch", "litert"])
def test_both_tables_are_looked_up_in_int8(runtime: str) -> None:
    file = {"executorch": artifacts.int8_pte()[0], "litert": artifacts.int8_tflite()}[runtime]
    content = file.read_bytes()
    encoder = tiny.teacher().model.encoder
    for table in (encoder.tokens, encoder.positions):
        assert table.weight[1].detach().numpy().tobytes() not in content
        assert xnnpack.QuantizedEmbedding(table).rows[1].numpy().tobytes() in content


def test_an_int8_table_is_within_half_a_step_of_the_float_one() -> None:
    torch.manual_seed(0)
    table = nn.Embedding(50, 16)
    table.weight.data[7] = 0
    small = xnnpack.QuantizedEmbedding(table)
    ids = torch.arange(50)[None]
    error = (small(ids) - table(ids)).abs().amax(dim=-1)[0]
    steps = table.weight.abs().amax(dim=1) / 127
    assert (error <= 0.51 * steps + 1e-7).all()
    assert small.rows.dtype == torch.int8
    assert not small(torch.tensor([7])).any()


def test_making_embeddings_int8_leaves_the_original_alone() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tokens = nn.Embedding(4, 8)

    model = Model()
    small = xnnpack.with_quantized_embeddings(model)
    assert isinstance(model.tokens, nn.Embedding)
    assert isinstance(small.tokens, xnnpack.QuantizedEmbedding)


def test_a_quantised_file_replaces_an_older_one(tmp_path: Path) -> None:
    place = tmp_path / "model.tflite"
    place.write_bytes(b"older")
    flatbuffer.with_int8(artifacts.float_tflite(), place)
    compact(place)
    assert place.read_bytes() == artifacts.int8_tflite().read_bytes()


@pytest.mark.parametrize("content", [b"", b"no flatbuffer" * 100])
def test_a_file_that_is_no_model_is_an_export_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "float.tflite").write_bytes(content)
    with pytest.raises(ExportError, match="LiteRT"):
        flatbuffer.with_int8(tmp_path / "float.tflite", tmp_path / "int8.tflite")
    assert not (tmp_path / "int8.tflite").exists()


@pytest.mark.parametrize("content", [b"", b"no protocol buffer" * 100])
def test_a_file_that_is_no_onnx_model_is_an_export_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "float.onnx").write_bytes(content)
    with pytest.raises(ExportError, match="ONNX"):
        onnx_int8.with_int8(tmp_path / "float.onnx", tmp_path / "int8.onnx")
    assert not (tmp_path / "int8.onnx").exists()
