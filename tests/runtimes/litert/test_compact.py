"""A real int8 `.tflite`, written anew with everything once."""

from pathlib import Path

import pytest
import torch

from edgewright.errors import ExportError
from edgewright.runtimes.litert import int8 as flatbuffer
from edgewright.runtimes.litert.compact import compact, short_name
from tests import artifacts, tiny


@pytest.fixture
def loose(tmp_path: Path) -> Path:
    """The int8 file as the quantiser writes it."""
    place = tmp_path / "int8.tflite"
    flatbuffer.with_int8(artifacts.float_tflite(), place)
    return place


@pytest.mark.slow
def test_a_compact_file_is_smaller_and_says_exactly_the_same_at_every_length(loose: Path, tmp_path: Path) -> None:
    smaller = tmp_path / "smaller.tflite"
    smaller.write_bytes(loose.read_bytes())
    compact(smaller)
    assert smaller.stat().st_size < 0.7 * loose.stat().st_size
    before, after = (artifacts.session("litert", file) for file in (loose, smaller))
    for row in artifacts.rows_of_every_length():
        assert torch.equal(before(row.ids), after(row.ids))


@pytest.mark.slow
def test_weights_scales_and_names_are_in_a_compact_file_once_however_many_lengths_it_has(tmp_path: Path) -> None:
    from ai_edge_litert.tools import flatbuffer_utils

    file = artifacts.int8_tflite()
    model = flatbuffer_utils.read_model(str(file))
    assert len(model.subgraphs) == len(artifacts.LENGTHS)
    content = file.read_bytes()
    tables = [
        tensor
        for graph in model.subgraphs
        for tensor in graph.tensors
        if tensor.quantization is not None
        and tensor.quantization.scale is not None
        and len(tensor.quantization.scale) == tiny.encoder().shape.vocabulary
    ]
    assert len(tables) == len(artifacts.LENGTHS)
    for table in tables:
        assert content.count(table.quantization.scale.tobytes()) == 1
        assert content.count(model.buffers[table.buffer].data.tobytes()) == 1
        assert content.count(table.name) == 1


@pytest.mark.slow
def test_the_data_of_a_compact_file_lie_where_vector_instructions_may_read_them() -> None:
    from ai_edge_litert.tools import flatbuffer_utils

    file = artifacts.int8_tflite()
    content = file.read_bytes()
    large = [
        buffer.data.tobytes()
        for buffer in flatbuffer_utils.read_model(str(file)).buffers
        if buffer.data is not None and len(buffer.data) > 1000
    ]
    assert large
    assert {content.index(data) % 16 for data in large} == {0}


@pytest.mark.slow
def test_a_file_that_is_compact_already_stays_as_it_is(tmp_path: Path) -> None:
    place = tmp_path / "int8.tflite"
    place.write_bytes(artifacts.int8_tflite().read_bytes())
    compact(place)
    assert place.read_bytes() == artifacts.int8_tflite().read_bytes()


@pytest.mark.parametrize("content", [b"", b"no flatbuffer" * 100])
def test_a_file_that_is_no_model_is_an_export_error_and_is_left_alone(tmp_path: Path, content: bytes) -> None:
    place = tmp_path / "model.tflite"
    place.write_bytes(content)
    with pytest.raises(ExportError, match="LiteRT"):
        compact(place)
    assert place.read_bytes() == content
    assert list(tmp_path.iterdir()) == [place]


@pytest.mark.parametrize(
    ("long", "short"),
    [
        (
            b"a.b.Named/a.TextModule_module/d.Encoder_encoder/torch.nn.modules.linear.Linear_up;3",
            b"module/encoder/up",
        ),
        (b"a.b._Named/a.Layer_0/n.Linear_up;;a.b._Named/a.Layer_1/n.Linear_down", b"0/up;;1/down"),
        (b"arith.constant14", b"arith.constant"),
        (b"a.b._Named/a.Layer_0/n.Linear_up;;a.b._Named/a.Layer_12", b"0/up;;12"),
        (b"length_16_ids", b"length_16_ids"),
        (b"", b""),
    ],
)
def test_a_short_name_is_a_modules_place_without_its_classes(long: bytes, short: bytes) -> None:
    assert short_name(long) == short
