"""A `.pte` of the tiny model, made by the real exporter and run by the real runtime."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from edgewright.errors import ExportError, InputError
from edgewright.modality.text_spec import TextInputSpec
from edgewright.runtimes.executorch import export as executorch
from edgewright.runtimes.subject import export_input
from edgewright.runtimes.table import RUNTIMES
from tests import artifacts, tiny
from tests.calls import compared

pytestmark = pytest.mark.slow

Session = Callable[[Sequence[int]], Tensor]


@pytest.fixture(scope="module")
def session() -> Session:
    return artifacts.session("executorch", artifacts.float_pte())


def test_a_text_longer_than_exported_for_is_refused(session: Session) -> None:
    with pytest.raises(InputError, match=f"takes 2 to {tiny.MAX_LENGTH} along the axis length"):
        session([1] * (tiny.MAX_LENGTH + 1))


def test_a_folder_that_is_not_there_is_told_as_an_export_error(tmp_path: Path) -> None:
    class Doubled(nn.Module):
        def forward(self, ids: Tensor) -> Tensor:
            return ids.float() * 2

    with pytest.raises(ExportError, match="No such file"):
        executorch.export(
            export_input(Doubled(), TextInputSpec(max_length=16), RUNTIMES["executorch"]),
            tmp_path / "nowhere" / "model.pte",
        )


def test_parity_of_the_float_artifact_is_all_but_exact(session: Session) -> None:
    found = torch.stack([session(row.ids) for row in artifacts.rows_of_every_length()])
    parity = compared(found, artifacts.expected())
    assert parity.passed
    assert parity.cosine_min > 0.99999
