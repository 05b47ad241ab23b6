"""Tables for a terminal: no word is broken, however narrow it is."""

import re
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console, RenderableType
from rich.text import Text

from edgewright.report.prediction_terminal import advice_report
from edgewright.report.table_cells import facts, table

ROWS = (
    (
        "1.31×",
        "12.4",
        "half of the neurons",
        "stages.prune.neurons = 192",
        "accuracy, which training wins back in part",
    ),
    ("1.08×", "15.1", "a signature of their own length", "stages.export.lengths = [16, 32]", "memory: 0.4 MB"),
)
WORDS = {word for row in ROWS for cell in row for word in cell.split()}


def shown(what: RenderableType, width: int) -> str:
    console = Console(width=width, file=StringIO(), force_terminal=False)
    console.print(what)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def five_columns() -> RenderableType:
    made = table("faster", "ms", "change", "how", "in return")
    for row in ROWS:
        made.add_row(*map(Text, row))
    return made


@pytest.mark.parametrize("width", [200, 120, 100, 80, 70, 60, 40])
def test_no_word_of_a_table_is_broken_at_any_width(width: int) -> None:
    text = shown(five_columns(), width)
    assert set(text.split()) >= WORDS
    assert max(map(len, text.splitlines())) <= width


def test_a_table_that_fits_stays_a_table_and_a_wider_one_tells_its_rows_under_one_another() -> None:
    assert [line.split()[:2] for line in shown(five_columns(), 120).splitlines()[1:2]] == [["faster", "ms"]]
    lines = shown(five_columns(), 50).splitlines()
    assert lines[0].strip() == "1.31×"
    assert lines[1].split() == ["ms", "12.4"]


def test_names_of_facts_are_whole_and_a_value_without_spaces_is_folded_rather_than_cut() -> None:
    text = shown(facts(("latency p50 / p90 / p99", "x" * 90)), 60)
    assert "latency p50 / p90 / p99" in text
    assert text.count("x") == 90


def test_advice_at_80_columns_has_its_words_whole() -> None:
    change = {"faster": 1.31, "latency_ms": 12.4, "what": "half of the neurons", "how": "stages.prune.neurons = 192"}
    row = {
        "runtime": "executorch",
        "precision": "int8",
        "profile": "raspberry-pi-4",
        "limits": [],
        "changes": [{**change, "costs": "accuracy, which training wins back in part"}],
        "no_changes": [],
        "int8": {"sentences": []},
        "notes": [],
    }
    words = shown(advice_report([row]), 80).split()
    assert {"stages.prune.neurons", "neurons", "accuracy,", "training"} <= set(words)


@pytest.mark.parametrize("command", [["profiles", "show", "pixel-8"], ["profiles", "list"], ["recipes", "list"]])
def test_what_the_command_lists_at_80_columns_has_the_words_that_it_has_at_300(command: list[str]) -> None:
    found = []
    for columns in ("80", "300"):
        ended = subprocess.run(
            [sys.executable, "-m", "edgewright.cli.main", *command],
            cwd=Path(__file__).parents[2],
            env={"COLUMNS": columns, "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": "/tmp"},
            capture_output=True,
            text=True,
            check=True,
        )
        found.append(set(re.findall(r"[A-Za-z][A-Za-z.]{4,}", ended.stdout)))
    assert found[0] >= found[1]
