"""What holds for an artifact of the tiny model under every runtime, made by the real exporter and really run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests import artifacts
from toolchain.errors import ExportError
from toolchain.export import executorch, litert, onnx

pytestmark = pytest.mark.slow

Session = Callable[[Sequence[int]], Tensor]


@dataclass(frozen=True, kw_only=True)
class Way:
    """One runtime: a session of its float artifact, and how it is exported for."""

    name: str
    session: Callable[[], Session]
    export: Callable[[nn.Module, Path], Any]


WAYS = (
    Way(
        name="ExecuTorch",
        session=lambda: executorch.Session(artifacts.float_pte()),
        export=lambda module, place: executorch.export(module, place, max_length=16),
    ),
    Way(
        name="LiteRT",
        session=lambda: litert.Session(artifacts.float_tflite(), artifacts.LENGTHS),
        export=lambda module, place: litert.export(module, place, lengths=(8,)),
    ),
    Way(
        name="ONNX",
        session=lambda: onnx.Session(artifacts.float_onnx()),
        export=lambda module, place: onnx.export(module, place, max_length=8),
    ),
)


@pytest.fixture(scope="module", params=WAYS, ids=lambda way: way.name)
def way(request: pytest.FixtureRequest) -> Way:
    return request.param


@pytest.fixture(scope="module")
def session(way: Way) -> Session:
    return way.session()


def test_a_float_artifact_gives_what_torch_gives_at_every_length(session: Session) -> None:
    rows = artifacts.rows_of_every_length()
    assert len({len(row.ids) for row in rows}) > 5
    found = torch.stack([session(row.ids) for row in rows])
    assert torch.allclose(found, artifacts.expected(), atol=1e-4)


def test_an_output_is_not_overwritten_by_the_next_inference(session: Session) -> None:
    first, second, *_ = artifacts.rows_of_every_length()
    kept = session(first.ids)
    before = kept.clone()
    assert not torch.allclose(session(second.ids), before, atol=1e-3)
    assert torch.equal(kept, before)


class DependsOnData(nn.Module):
    def forward(self, ids: Tensor) -> Tensor:
        return ids.float() if ids.sum() > 3 else ids.float() * 2


def test_a_model_that_cannot_be_exported_is_told_in_one_line_with_the_runtime(tmp_path: Path, way: Way) -> None:
    place = tmp_path / "model"
    with pytest.raises(ExportError, match=rf"could not be exported for {way.name}: \w") as caught:
        way.export(DependsOnData(), place)
    assert "\n" not in str(caught.value)
    assert caught.value.runtime == way.name
    assert not place.exists()
