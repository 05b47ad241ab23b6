"""An int8 .tflite says what the float model says, and replaces what lay there; what is no model is refused."""

from pathlib import Path

import pytest
import torch

from edgewright.errors import ExportError
from edgewright.runtimes.litert import int8 as flatbuffer
from edgewright.runtimes.litert.compact import compact
from tests import artifacts
from tests.calls import compared

pytestmark = pytest.mark.slow


def test_an_int8_tflite_says_what_the_float_model_says_at_every_length() -> None:
    session = artifacts.session("litert", artifacts.int8_tflite())
    found = torch.stack([session(row.ids) for row in artifacts.rows_of_every_length()])
    parity = compared(found, artifacts.expected())
    assert 0.99 < parity.cosine_min < 1
    assert parity.passed


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
