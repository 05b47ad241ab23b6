"""What reaches the terminal: documents and tables on standard output, everything else on standard error.

In:  JSON documents, renderables of `report`, errors.
Out: text on the two streams. What a table shows is `report`'s concern.
"""

import json
import os
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, Any

from toolchain.errors import InvalidFileError
from toolchain.report.plain import one_line

if TYPE_CHECKING:
    from rich.console import RenderableType


def emit(document: Mapping[str, Any]) -> None:
    """Print one JSON document on standard output."""
    print(as_text(document))


def as_text(document: Mapping[str, Any]) -> str:
    """A JSON document as it is printed."""
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)


def show(renderable: "RenderableType") -> None:
    """Print a table or text of rich on standard output."""
    from rich.console import Console

    Console().print(renderable)


def tell(message: str, *, whole: bool = False) -> None:
    """Print a message on standard error: one line, unless it is to stay `whole`."""
    print(message if whole else one_line(message), file=sys.stderr)


def fail(error: Exception, message: str, *, exit_code: int, as_json: bool) -> None:
    """Tell an error as one line on standard error, and with `as_json` as a document on standard output too."""
    message = one_line(message)
    tell(f"error: {message}")
    if as_json:
        about: dict[str, Any] = {"kind": type(error).__name__, "message": message, "exit_code": exit_code}
        if isinstance(error, InvalidFileError):
            about["faults"] = [{"place": place, "what": what} for place, what in error.faults]
        emit({"error": about})


def trace(error: Exception) -> None:
    """Print an error's traceback on standard error."""
    traceback.print_exception(error, file=sys.stderr)


@contextmanager
def work_on_stderr() -> Iterator[None]:
    """Send whatever libraries print while they work, from Python or C++, to standard error."""
    sys.stdout.flush()
    kept = os.dup(1)
    try:
        os.dup2(2, 1)
        with redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
