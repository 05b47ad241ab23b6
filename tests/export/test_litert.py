"""A `.tflite` of the tiny model, made by the real converter and run by the real interpreter."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests import artifacts, tiny
from toolchain.errors import ExportError
from toolchain.export import litert

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def session() -> litert.Session:
    return litert.Session(artifacts.float_tflite(), artifacts.LENGTHS)


def test_a_float_artifact_gives_what_torch_gives_at_every_length(session: litert.Session) -> None:
    found = torch.stack([session(row.ids) for row in artifacts.rows_of_every_length()])
    assert torch.allclose(found, artifacts.expected(), atol=1e-4)


def test_there_is_one_signature_for_each_length_with_the_names_a_runner_expects() -> None:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(artifacts.float_tflite()))
    assert interpreter.get_signature_list() == {
        f"length_{length}": {"inputs": ["ids"], "outputs": ["output"]} for length in artifacts.LENGTHS
    }
    for length in artifacts.LENGTHS:
        (given,) = interpreter.get_signature_runner(f"length_{length}").get_input_details().values()
        assert list(given["shape"]) == [1, length]
        assert given["dtype"].__name__ == "int32"


def test_signatures_share_their_weights() -> None:
    table = tiny.encoder().tokens.weight.detach().numpy().tobytes()
    assert artifacts.float_tflite().read_bytes().count(table) == 1


def test_an_output_is_not_overwritten_by_the_next_inference(session: litert.Session) -> None:
    first, second, *_ = artifacts.rows_of_every_length()
    kept = session(first.ids)
    before = kept.clone()
    assert not torch.allclose(session(second.ids), before, atol=1e-3)
    assert torch.equal(kept, before)


class DependsOnData(nn.Module):
    def forward(self, ids: Tensor) -> Tensor:
        return ids.float() if ids.sum() > 3 else ids.float() * 2


def test_a_model_that_cannot_be_exported_is_told_in_one_line_with_the_runtime(tmp_path: Path) -> None:
    place = tmp_path / "model.tflite"
    with pytest.raises(ExportError, match=r"could not be exported for LiteRT: \w") as caught:
        litert.export(DependsOnData(), place, lengths=(8,))
    assert "\n" not in str(caught.value)
    assert caught.value.runtime == "LiteRT"
    assert not place.exists()
