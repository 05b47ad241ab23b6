"""Every way a verb can fail, as one sentence and an exit code: 1 is never among them.

In:  whatever a verb raised, a library's own exceptions and Rust's panics among them.
Out: `Failure`. Only what is a fault of Edgewright itself is called unexpected; what a file, a device, a disk or the
     memory did is reported as that, also where it was not translated at its place.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from dataclasses import dataclass
from json import JSONDecodeError
from typing import TYPE_CHECKING

import typer

from edgewright.base.extras import BUILD_PACKAGES, remedy_of
from edgewright.base.plain import one_line
from edgewright.errors import EnvironmentFaultError, InputError, ModelError, TargetError, ToolchainError

if TYPE_CHECKING:
    from collections.abc import Callable

INPUT, TARGET, MODEL = InputError.exit_code, TargetError.exit_code, ModelError.exit_code
SHOWN = 300  # signs of a library's own words
REPORT = "run it again as `edgewright --debug …` to see where, and please report it"
# Of libraries that are not imported for their errors' sake: by module and name, what they say of the input.
FOREIGN = {
    ("pydantic_core", "ValidationError"): "a document that was read has values that cannot be",
    ("sqlalchemy.exc", ""): "the history cannot be read or written",
    ("safetensors", "SafetensorError"): "a file of weights is damaged",
    ("tomllib", "TOMLDecodeError"): "a file is not TOML",
    ("_csv", "Error"): "a table is not CSV",
    ("PIL", "UnidentifiedImageError"): "a file is no image",
}


@dataclass(frozen=True, kw_only=True)
class Failure:
    """How a verb ended: its exit code, what is said of it, and whether it is a fault of ours."""

    exit_code: int
    message: str
    expected: bool = True


def failure_of(error: BaseException) -> Failure:
    """What to say of an error, and which exit code it is."""
    if isinstance(error, ToolchainError):
        return Failure(exit_code=error.exit_code, message=str(error))
    if isinstance(error, typer.TyperException):
        return Failure(exit_code=INPUT, message=f"{error.format_message().rstrip('.')}; see --help")
    if isinstance(error, ModuleNotFoundError) and (package := (error.name or "").partition(".")[0]) in BUILD_PACKAGES:
        lacking = EnvironmentFaultError(f"the package {package}", "do this", remedy_of("build"))
        return Failure(exit_code=INPUT, message=str(lacking))
    for kinds, exit_code, sentence in _KINDS:
        if isinstance(error, kinds):
            return Failure(exit_code=exit_code, message=sentence(error))
    if isinstance(error, ValueError) and "null byte" in str(error):
        return Failure(exit_code=INPUT, message="a name holds a zero byte, which none can have; correct it")
    for kind in type(error).__mro__:
        for (module, name), what in FOREIGN.items():
            if kind.__module__.partition(".")[0] == module.partition(".")[0] and name in ("", kind.__name__):
                remedy = "check the files that were given"
                return Failure(exit_code=INPUT, message=f"{what} ({_said(error)}); {remedy}")
    if not isinstance(error, Exception):  # a Rust library's panic, which is no `Exception`
        return Failure(
            exit_code=MODEL,
            message=f"a library that was called for this gave up ({type(error).__name__}: {_said(error)}); most likely "
            "a tokenizer or model asks for more than it can do: check its files",
        )
    message = f"unexpected {type(error).__name__}: {error}; {REPORT}"
    return Failure(exit_code=ToolchainError.exit_code, message=message, expected=False)


def _said(error: BaseException) -> str:
    return one_line(str(error))[:SHOWN] or "it said nothing"


def _of_host(error: BaseException) -> str:
    """A file system's or kernel's refusal."""
    assert isinstance(error, OSError)
    what = error.strerror or _said(error)
    return (
        f"{error.filename or 'standard output or a file'}: {what}; check its path, its permissions and the free space"
    )


_KINDS: tuple[tuple[tuple[type[BaseException], ...], int, Callable[[BaseException], str]], ...] = (
    (
        (ConnectionError, TimeoutError),
        TARGET,
        lambda error: f"a connection was lost or refused ({_said(error)}); check that the other side is up",
    ),
    ((OSError,), INPUT, _of_host),
    (
        (MemoryError,),
        INPUT,
        lambda _: "this machine's memory ran out; close what else runs, or give smaller files or settings",
    ),
    (
        (RecursionError,),
        INPUT,
        lambda _: "something that was read nests deeper than it can be followed; check the files that were given",
    ),
    (
        (UnicodeError,),
        INPUT,
        lambda error: f"a text or a file's name is no Unicode ({_said(error)}); write it anew in UTF-8",
    ),
    (
        (JSONDecodeError, zipfile.BadZipFile, zlib.error, struct.error, EOFError),
        INPUT,
        lambda error: f"a file that was read is damaged or cut short ({_said(error)}); copy or make it again",
    ),
)
