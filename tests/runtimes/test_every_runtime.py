"""What holds for an artifact of the tiny model under every runtime, made by the real exporter and really run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from edgewright.errors import ExportError
from edgewright.models.model import Head, HeadShape, TransformerModel
from edgewright.models.text import TextModule, outputs
from edgewright.runtimes.executorch import export as executorch
from edgewright.runtimes.litert import export as litert
from edgewright.runtimes.onnx import export as onnx
from edgewright.runtimes.subject import export_input
from edgewright.runtimes.table import RUNTIMES
from tests import artifacts, tiny

pytestmark = pytest.mark.slow

Session = Callable[[Sequence[int]], Tensor]


@dataclass(frozen=True, kw_only=True)
class Way:
    """One runtime: its float artifact of the tiny model, how another module is exported for it, and how one is run."""

    name: str
    artifact: Callable[[], Path]
    export: Callable[[nn.Module, Path], Any]
    run: Callable[[Path], Session]


WAYS = (
    Way(
        name="ExecuTorch",
        artifact=artifacts.float_pte,
        export=lambda module, place: executorch.export(
            export_input(module, artifacts.FORM, RUNTIMES["executorch"]), place
        ),
        run=lambda file: artifacts.session("executorch", file),
    ),
    Way(
        name="LiteRT",
        artifact=artifacts.float_tflite,
        export=lambda module, place: litert.export(export_input(module, artifacts.FORM, RUNTIMES["litert"]), place),
        run=lambda file: artifacts.session("litert", file),
    ),
    Way(
        name="ONNX",
        artifact=artifacts.float_onnx,
        export=lambda module, place: onnx.export(export_input(module, artifacts.FORM, RUNTIMES["onnx"]), place),
        run=lambda file: artifacts.session("onnx", file),
    ),
)


@pytest.fixture(scope="module", params=WAYS, ids=lambda way: way.name)
def way(request: pytest.FixtureRequest) -> Way:
    return request.param


@pytest.fixture(scope="module")
def session(way: Way) -> Session:
    return way.run(way.artifact())


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


def test_a_model_whose_first_token_alone_is_read_says_in_its_file_what_the_whole_model_says(
    tmp_path: Path, way: Way
) -> None:
    model = TransformerModel(tiny.encoder(), Head(HeadShape(pooling="first", classes=3, inner=7), 32)).eval()
    way.export(TextModule(model, padded=way.name == "LiteRT"), tmp_path / "model")
    run = way.run(tmp_path / "model")
    rows = [row for row in artifacts.rows_of_every_length() if len(row.ids) <= 16]
    assert len({len(row.ids) for row in rows}) > 5
    assert torch.allclose(torch.stack([run(row.ids) for row in rows]), outputs(model, rows), atol=1e-4)


def test_an_artifact_of_tags_says_of_each_token_what_torch_says_and_nothing_of_padding(
    tmp_path: Path, way: Way
) -> None:
    form = replace(artifacts.FORM, tags=3)
    model = TransformerModel(tiny.encoder(), Head(HeadShape(pooling="each", classes=3), 32)).eval()
    way.export(TextModule(model, padded=way.name == "LiteRT"), tmp_path / "model")
    run = way.run(tmp_path / "model")
    rows = [row for row in artifacts.rows_of_every_length() if len(row.ids) <= 16]
    given = [row.ids for row in rows]
    assert len({len(ids) for ids in given}) > 5
    found, wanted = form.joined([run(ids) for ids in given], given), outputs(model, rows)
    assert wanted.shape == (sum(map(len, given)), 3)
    assert torch.allclose(found, wanted, atol=1e-4)
    assert [len(each) for each in form.apart(wanted, given)] == [3 * len(ids) for ids in given]


class DependsOnData(nn.Module):
    def forward(self, ids: Tensor) -> Tensor:
        return ids.float() if ids.sum() > 3 else ids.float() * 2


class Odd(nn.Module):
    def forward(self, values: Tensor) -> Tensor:
        return torch.special.bessel_j0(values)


class HasAnOddPart(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(nn.Linear(1, 4), Odd())

    def forward(self, ids: Tensor) -> Tensor:
        found: Tensor = self.blocks(ids.float()[..., None]).mean(dim=1)
        return found


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (
            DependsOnData(),
            r"the values it is given, in DependsOnData at test_every_runtime.py:\d+: return ids",
        ),
        (HasAnOddPart(), r"no operator \w*bessel_j0, in blocks.1 \(Odd\) at test_every_runtime.py:\d+: return torch"),
    ],
)
def test_a_model_that_cannot_be_exported_is_told_with_the_part_and_the_line_that_is_to_blame(
    tmp_path: Path, way: Way, model: nn.Module, told: str
) -> None:
    place = tmp_path / "model"
    with pytest.raises(ExportError, match=rf"could not be exported for {way.name}: .*{told}") as caught:
        way.export(model.eval(), place)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(("by shapes alone", "out of stages.export.runtimes"))
    assert caught.value.runtime == way.name
    assert not place.exists()
