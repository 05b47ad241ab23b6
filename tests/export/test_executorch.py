"""A `.pte` of the tiny model, made by the real exporter and run by the real runtime."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests import artifacts, tiny
from toolchain.errors import ExportError
from toolchain.export import executorch
from toolchain.export.parity import compare

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def session() -> executorch.Session:
    return executorch.Session(artifacts.float_pte())


def test_a_float_artifact_gives_what_torch_gives_at_every_length(session: executorch.Session) -> None:
    rows = artifacts.rows_of_every_length()
    assert len({len(row.ids) for row in rows}) > 5
    found = torch.stack([session(row.ids) for row in rows])
    assert torch.allclose(found, artifacts.expected(), atol=1e-4)


def test_an_output_is_not_overwritten_by_the_next_inference(session: executorch.Session) -> None:
    first, second, *_ = artifacts.rows_of_every_length()
    kept = session(first.ids)
    before = kept.clone()
    assert not torch.allclose(session(second.ids), before, atol=1e-3)
    assert torch.equal(kept, before)


def test_a_text_longer_than_exported_for_is_refused(session: executorch.Session) -> None:
    with pytest.raises(RuntimeError):
        session([1] * (tiny.MAX_LENGTH + 1))


class DependsOnData(nn.Module):
    def forward(self, ids: Tensor) -> Tensor:
        return ids.float() if ids.sum() > 3 else ids.float() * 2


def test_a_model_that_cannot_be_exported_is_told_in_one_line_with_the_runtime(tmp_path: Path) -> None:
    place = tmp_path / "model.pte"
    with pytest.raises(ExportError, match=r"could not be exported for ExecuTorch: \w") as caught:
        executorch.export(DependsOnData(), place, max_length=16)
    assert "\n" not in str(caught.value)
    assert caught.value.runtime == "ExecuTorch"
    assert not place.exists()


def test_a_folder_that_is_not_there_is_told_as_an_export_error(tmp_path: Path) -> None:
    class Doubled(nn.Module):
        def forward(self, ids: Tensor) -> Tensor:
            return ids.float() * 2

    with pytest.raises(ExportError, match="No such file"):
        executorch.export(Doubled(), tmp_path / "nowhere" / "model.pte", max_length=16)


def test_parity_of_the_float_artifact_is_all_but_exact(session: executorch.Session) -> None:
    found = torch.stack([session(row.ids) for row in artifacts.rows_of_every_length()])
    parity = compare(found, artifacts.expected())
    assert parity.passed
    assert parity.cosine_min > 0.99999
