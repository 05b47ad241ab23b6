"""The console: text from outside is text, and nothing of it steers a terminal."""

import io

import pytest
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from edgewright.cli.console import PlainConsole


def shown(renderable: object, **options: object) -> str:
    stream = io.StringIO()
    PlainConsole(file=stream, width=60, **options).print(renderable)
    return stream.getvalue()


@pytest.mark.parametrize("text", ["[red]x[/red]", "[link=http://x]y[/link]", ":smile:", "[/nowhere]", "[bold"])
def test_neither_markup_nor_names_of_emoji_are_read(text: str) -> None:
    assert shown(text).strip() == text
    assert shown(Text(text)).strip() == text


@pytest.mark.parametrize("steering", ["\x1b[2J", "\x1b]0;title\x07", "\r", "\x08", "\x9b31m", "\x7f", "\u202e"])
def test_what_steers_is_not_shown_and_a_column_keeps_its_width(steering: str) -> None:
    table = Table("one", "two")
    table.add_row(Text(f"a{steering}b"), Text("c"))
    text = shown(table)
    assert not set(steering) & set(text) - set("[]0;2J31mtile")
    rows = text.splitlines()
    assert len({len(row) for row in rows if row}) == 1


def test_rich_itself_may_move_the_cursor() -> None:
    stream = io.StringIO()
    console = PlainConsole(file=stream, force_terminal=True, width=60)
    with Progress(console=console) as progress:
        progress.update(progress.add_task("x\x1b[2Jy", total=2), advance=1)
    assert "\x1b[2J" not in stream.getvalue()
    assert "\x1b[" in stream.getvalue()
