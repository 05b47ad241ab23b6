"""What reaches the terminal: documents and tables on standard output, everything else on standard error.

In:  JSON documents, renderables of `report`, errors.
Out: text on the two streams. What a table shows is `report`'s concern.
"""

import io
import json
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout, suppress
from typing import TYPE_CHECKING

from edgewright.base.plain import STEERING, one_line, unsteering
from edgewright.base.redacted import redacted
from edgewright.errors import InputError, InvalidFileError

if TYPE_CHECKING:
    from rich.console import RenderableType


class ReaderGoneError(Exception):
    """Whoever read standard output has seen enough: no fault, and no transport's `OSError`."""


def fall_back_to_escapes() -> None:
    """Let what a stream's encoding has no sign for be written as an escape, `\\xe9`, rather than be an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def emit(document: Mapping[str, object]) -> None:
    """Print one JSON document on standard output."""
    text = as_text(document)
    with _writable():
        print(text if _can_write(text) else json.dumps(document, indent=2, allow_nan=False))


def as_text(document: Mapping[str, object]) -> str:
    """A JSON document as it is printed: JSON's own escapes stand for all that would steer a terminal."""
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    return re.sub(STEERING, lambda match: f"\\u{ord(match[0]):04x}", text)


def _can_write(text: str) -> bool:
    """Whether standard output's encoding has every sign of it; that of a C locale has not."""
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def say(text: str, *, end: str = "\n") -> None:
    """Print lines of text on standard output; nothing of them steers a terminal."""
    with _writable():
        print(unsteering(text), end=end)


def flush() -> None:
    """Write what is still in standard output's buffer. Raises `InputError` where that cannot be."""
    with _writable():
        sys.stdout.flush()


def give_up_stdout() -> None:
    """Let standard output lead nowhere: what is left in its buffer must not raise once more at exit."""
    with suppress(OSError, ValueError):  # no file stands behind it
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


@contextmanager
def _writable() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        give_up_stdout()
        raise InputError(
            f"standard output cannot be written: {error.strerror}; check where it leads and the free space there"
        ) from error


def show(renderable: "RenderableType") -> None:
    """Print a table or text of rich on standard output."""
    from edgewright.cli.console import PlainConsole

    with _writable():
        PlainConsole().print(renderable)


def tell(message: str, *, whole: bool = False) -> None:
    """Print a message on standard error, without secrets: one line, unless it is to stay `whole`."""
    message = redacted(message)
    with suppress(OSError):  # there is nowhere to report it to
        print(unsteering(message) if whole else one_line(message), file=sys.stderr, flush=True)


def fail(error: BaseException, message: str, *, exit_code: int, as_json: bool) -> None:
    """Tell an error as one line on standard error, and with `as_json` as a document on standard output too."""
    message = one_line(redacted(message))
    tell(f"error: {message}")
    if as_json:
        about: dict[str, object] = {"kind": type(error).__name__, "message": message, "exit_code": exit_code}
        if isinstance(error, InvalidFileError):
            about["faults"] = [{"place": place, "what": what} for place, what in error.faults]
        with suppress(InputError, BrokenPipeError):  # it is reported on standard error already
            emit({"error": about})
            flush()


def trace(error: BaseException) -> None:
    """Print an error's traceback on standard error, without the secrets of addresses in it."""
    sys.stderr.write(unsteering(redacted("".join(traceback.format_exception(error)))))


@contextmanager
def work_on_stderr() -> Iterator[Callable[[str], None]]:
    """Send whatever libraries print while they work, from Python or C++, to standard error.

    What is given to the function that the context gives goes to standard output at once, and steers no terminal; it
    raises `ReaderGoneError` where nobody reads on.
    """
    sys.stdout.flush()
    kept = os.dup(1)
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"

    def write_out(text: str) -> None:
        left = unsteering(text).encode(encoding, "backslashreplace")
        try:
            with _writable():
                while left:
                    left = left[os.write(kept, left) :]
        except BrokenPipeError as error:
            raise ReaderGoneError from error

    try:
        os.dup2(2, 1)
        with redirect_stdout(sys.stderr):
            yield write_out
    finally:
        os.dup2(kept, 1)
        os.close(kept)
