"""A `.pte` of the tiny model, made by the real exporter and run by the real runtime."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from edgewright.errors import ExportError
from edgewright.measure.parity import compare
from edgewright.runtimes.executorch import export as executorch
from edgewright.runtimes.executorch.session import Session
from edgewright.runtimes.forms import TextForm
from tests import artifacts, tiny

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def session() -> Session:
    return Session(artifacts.float_pte(), artifacts.FORM)


def test_a_text_longer_than_exported_for_is_refused(session: Session) -> None:
    with pytest.raises(RuntimeError):
        session([1] * (tiny.MAX_LENGTH + 1))


def test_a_folder_that_is_not_there_is_told_as_an_export_error(tmp_path: Path) -> None:
    class Doubled(nn.Module):
        def forward(self, ids: Tensor) -> Tensor:
            return ids.float() * 2

    with pytest.raises(ExportError, match="No such file"):
        executorch.export(Doubled(), tmp_path / "nowhere" / "model.pte", form=TextForm(max_length=16))


def test_parity_of_the_float_artifact_is_all_but_exact(session: Session) -> None:
    found = torch.stack([session(row.ids) for row in artifacts.rows_of_every_length()])
    parity = compare(found, artifacts.expected())
    assert parity.passed
    assert parity.cosine_min > 0.99999


def test_nothing_is_printed_while_an_artifact_is_loaded_and_run() -> None:
    """Its threads would tell in which files they looked for the processor's name."""
    program = f"""
        import sys
        from pathlib import Path
        sys.path.insert(0, {str(Path(__file__).parents[3])!r})
        from edgewright.runtimes.executorch.session import Session
        from edgewright.runtimes.forms import TextForm
        Session(Path({str(artifacts.float_pte())!r}), TextForm(max_length={artifacts.FORM.max_length}))([1, 2, 3])
    """
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
