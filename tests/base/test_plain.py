"""Text from outside steers nothing: no terminal, no Markdown, no spreadsheet."""

import io
import json

import pytest
from rich.table import Table
from rich.text import Text

from edgewright.base.plain import escaped, one_line, spreadsheet_cell, unsteering
from edgewright.cli import output
from edgewright.cli.console import PlainConsole

CLIPBOARD = "\x1b]52;c;cm0gLXJmIH4=\x07"  # OSC 52: what follows is in the reader's clipboard
STEERING = (
    CLIPBOARD,
    "\x1b[2J",
    "\x9b2J",
    "\x9d0;title\x9c",
    "\u202e",
    "\u2066",
    "\x00",
    "\x08",
    "\r",
    "\x7f",
    "\u2028",
)


@pytest.mark.parametrize("sign", STEERING)
def test_no_way_to_the_terminal_lets_text_steer_it(sign: str, capsys: pytest.CaptureFixture[str]) -> None:
    hostile = f"before{sign}after"
    table = Table("head")
    table.add_row(Text(hostile))
    table.add_row(hostile)
    output.show(table)
    output.show(Text(hostile))
    output.say(hostile)
    output.tell(hostile)
    output.tell(hostile, whole=True)
    output.emit({hostile: hostile})
    output.trace(ValueError(hostile))
    shown = "".join(capsys.readouterr())
    assert not [each for each in shown if not each.isprintable() and each != "\n"]
    assert shown.count("before") == shown.count("after")


def test_json_keeps_every_sign_as_an_escape() -> None:
    for sign in (*STEERING, "\ud800"):
        text = output.as_text({"a": sign})
        assert json.loads(text) == {"a": sign}
        assert text.replace("\n", "").isprintable()


def test_a_console_keeps_its_columns_and_reads_no_markup_and_no_emoji_names() -> None:
    table = Table("name", "second")
    table.add_row("a\x1b[2Jb", ":smile: [red]x[/red]")
    sink = io.StringIO()
    PlainConsole(file=sink, width=60, force_terminal=True, color_system=None).print(table)
    lines = sink.getvalue().splitlines()
    assert len({len(line) for line in lines}) == 1
    assert ":smile: [red]x[/red]" in sink.getvalue()


def test_json_is_printed_where_the_encoding_lacks_its_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    sink = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stdout", sink)
    output.emit({"a": "ü"})
    sink.flush()
    assert json.loads(sink.buffer.getvalue()) == {"a": "ü"}


def test_whole_sequences_go_and_lines_stay() -> None:
    assert unsteering(f"a\x1b[31mred\x1b[0m\n\tb{CLIPBOARD}c") == "ared\n\tbc"
    assert one_line("a\n b\x1b") == "a b"
    assert escaped("a|b<c>\x1b") == "a\\|b\\<c\\>"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_formula_is_text_in_a_spreadsheet(text: str) -> None:
    assert spreadsheet_cell(text) == f"'{text}"
    assert spreadsheet_cell("a=1") == "a=1"
    assert spreadsheet_cell(-1) == -1
