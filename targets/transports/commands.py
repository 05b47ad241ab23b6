"""What transports that run programs through a shell there have in common.

In:  how a transport executes one program.
Out: a `Completed`; the free space below a folder; a file's content on its way out.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol

from edgewright.errors import TargetError
from edgewright.targets.base import Completed, Target
from edgewright.targets.device_store.space import FREE_SPACE_SCRIPT, free_bytes
from edgewright.targets.transports.conversation import OnOutput, Output

HOUSEKEEPING_LIMIT_S = 60.0


class Execute(Protocol):
    """Run a program; what it prints goes to `sink` as it arrives. Returns its status and standard error."""

    def __call__(
        self, argv: Sequence[str], timeout_s: float, source: BinaryIO, sink: Callable[[bytes], object]
    ) -> tuple[int, str]:
        """The exit status as `Completed` has it, and what was said on standard error."""


def completed(
    execute: Execute,
    address: str,
    argv: Sequence[str],
    *,
    timeout_s: float,
    stdin: str,
    on_output: OnOutput | None = None,
) -> Completed:
    """Run a program with this text as its input; its whole process group is killed at the time limit.

    A shell stands in between, so a program that itself ends with 128 + n looks like one ended by signal n.
    """
    out = Output(address, argv[0], on_output=on_output)
    status, err = execute(argv, timeout_s, BytesIO(stdin.encode()), out.add)
    return Completed(argv=tuple(argv), status=status, stdout=out.text(), stderr=err)


def free_space(target: Target, folder: PurePosixPath) -> int | None:
    """The bytes that are free where a folder lies, or would lie; None where the machine does not say."""
    with suppress(TargetError):
        done = target.run(["sh", "-c", FREE_SPACE_SCRIPT, "sh", str(folder)], timeout_s=HOUSEKEEPING_LIMIT_S)
        return free_bytes(done.stdout)
    return None


@contextmanager
def outgoing(source: Path | bytes) -> Iterator[tuple[BinaryIO, int, int]]:
    """What is to be sent, its size in bytes, and the mode it gets there."""
    if isinstance(source, bytes):
        yield BytesIO(source), len(source), 0o644
        return
    with source.open("rb") as content:
        yield content, source.stat().st_size, 0o755 if os.access(source, os.X_OK) else 0o644
