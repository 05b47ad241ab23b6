"""The notebook that the README names runs from top to bottom, as it lies there."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.report.test_page import Page
from tests.test_readme import TEXT

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "toolchain" / "recipes" / "digits.ipynb"


def test_the_readme_links_to_a_notebook_that_holds_no_one_elses_results() -> None:
    assert f"({NOTEBOOK.relative_to(ROOT)})" in TEXT
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    assert not [cell for cell in cells if cell.get("outputs") or cell.get("execution_count")]


def told_by(cell: nbformat.NotebookNode) -> str:
    """What a cell printed, and what it shows as text."""
    return "".join(output.get("text") or output.get("data", {}).get("text/plain", "") for output in cell.outputs)


@pytest.mark.slow
def test_it_loads_builds_answers_measures_and_shows_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=540, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    told = [told_by(cell) for cell in notebook.cells if cell.cell_type == "code"]
    assert "Budget met" in told[2]
    assert "it is a 7, and the answer is" in told[3]
    assert "ms" in told[4]
    shown = Page((tmp_path / "report.html").read_text(encoding="utf-8")).text
    for part in ("digits-short", "What compression changed", "Measured on local:", "Provenance"):
        assert part in shown, part
