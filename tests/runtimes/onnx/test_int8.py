"""An int8 .onnx says what the float model says, by products of int8; what is no model is refused."""

from pathlib import Path

import pytest
import torch

from edgewright.errors import ExportError
from edgewright.runtimes.onnx import int8 as onnx_int8
from tests import artifacts, tiny
from tests.calls import compared

pytestmark = pytest.mark.slow


def test_an_int8_onnx_says_what_the_float_model_says_at_every_length() -> None:
    session = artifacts.session("onnx", artifacts.int8_onnx())
    found = torch.stack([session(row.ids) for row in artifacts.rows_of_every_length()])
    parity = compared(found, artifacts.expected())
    assert 0.99 < parity.cosine_min < 1
    assert parity.passed


def test_every_linear_layer_of_an_int8_onnx_multiplies_int8() -> None:
    import onnx as onnx_format

    kinds = [node.op_type for node in onnx_format.load(artifacts.int8_onnx()).graph.node]
    assert kinds.count("MatMulInteger") == 4 * len(tiny.encoder().shape.layers)
    assert "Gemm" not in kinds


@pytest.mark.parametrize("content", [b"", b"no protocol buffer" * 100])
def test_a_file_that_is_no_onnx_model_is_an_export_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "float.onnx").write_bytes(content)
    with pytest.raises(ExportError, match="ONNX"):
        onnx_int8.with_int8(tmp_path / "float.onnx", tmp_path / "int8.onnx")
    assert not (tmp_path / "int8.onnx").exists()
