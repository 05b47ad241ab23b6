"""The one console that tables, bars and lines pass: whatever text they hold, nothing of it steers the terminal.

In:  renderables of rich, whose text may come from a corpus, a bundle, a device or the history.
Out: the same on a stream, without control characters, without markup and without emoji names being replaced. Only rich
     itself moves the cursor.
"""

from collections.abc import Iterable
from typing import IO, Literal

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from edgewright.base.plain import STEERING

ColorSystem = Literal["auto", "standard", "256", "truecolor", "windows"]


class PlainConsole(Console):
    """A console that shows text from outside as text."""

    def __init__(
        self,
        *,
        file: IO[str] | None = None,
        stderr: bool = False,
        width: int | None = None,
        force_terminal: bool | None = None,
        color_system: ColorSystem | None = "auto",
    ) -> None:
        super().__init__(
            markup=False,
            emoji=False,
            file=file,
            stderr=stderr,
            width=width,
            force_terminal=force_terminal,
            color_system=color_system,
        )

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Segments without what steers; a column keeps its width."""
        for segment in super().render(renderable, options):
            text = segment.text
            yield segment if segment.control or text.isprintable() else Segment(_plain(text), segment.style)


def _plain(text: str) -> str:
    return STEERING.sub(lambda match: " " * cell_len(match[0]), text)
