"""A target for tests: real files in a directory, real commands, and whatever faults and answers a test asks for.

In:  a directory; answers for some commands; a hook for files on their way.
Out: a `Target` that remembers what it was asked to do.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from edgewright.targets.base import Completed
from edgewright.targets.transports.conversation import GET_LIMIT_BYTES, OnOutput
from edgewright.targets.transports.local import LocalTarget

Answer = Completed | Exception | Callable[[Sequence[str], str], Completed]


class FakeTarget:
    """Works below `folder`, so that a test's machine is as empty as the test wants it.

    `answers` maps the beginning of a command, as `"vcgencmd get_throttled"`, to what it yields: a result, an error to
    raise, or a function of the arguments and standard input. Commands without an answer really run here. `on_put` sees
    every file after it arrived: it may damage or remove it, or raise.
    """

    def __init__(
        self,
        folder: Path,
        *,
        answers: Mapping[str, Answer] | None = None,
        on_put: Callable[[Path], None] | None = None,
        address: str = "fake:",
        emulated: bool = False,
    ) -> None:
        self._local = LocalTarget(home=folder / ".edgewright")
        self._answers = dict(answers or {})
        self._on_put = on_put
        self._address, self._emulated = address, emulated
        self.commands: list[tuple[str, ...]] = []
        self.puts: list[PurePosixPath] = []
        self.closed = False

    @property
    def address(self) -> str:
        """As the test named it."""
        return self._address

    @property
    def emulated(self) -> bool:
        """As the test chose."""
        return self._emulated

    @property
    def home(self) -> PurePosixPath:
        """`.edgewright` below the test's directory."""
        return self._local.home

    @property
    def lease_homes(self) -> tuple[PurePosixPath, ...]:
        """Its home."""
        return (self.home,)

    def put(self, source: Path | bytes, remote: PurePosixPath) -> None:
        """Copy a file into the directory and show it to `on_put`."""
        self.puts.append(remote)
        self._local.put(source, remote)
        if self._on_put is not None:
            self._on_put(Path(remote))

    def get(self, remote: PurePosixPath, local: Path, *, limit_bytes: int = GET_LIMIT_BYTES) -> None:
        """Copy a file out of the directory."""
        self._local.get(remote, local, limit_bytes=limit_bytes)

    def run(
        self, argv: Sequence[str], *, timeout_s: float, stdin: str = "", on_output: OnOutput | None = None
    ) -> Completed:
        """Give the longest fitting answer, or run the command here."""
        self.commands.append(tuple(argv))
        line = " ".join(argv)
        fitting = [start for start in self._answers if line == start or line.startswith(f"{start} ")]
        if not fitting:
            return self._local.run(argv, timeout_s=timeout_s, stdin=stdin, on_output=on_output)
        answer = self._answers[max(fitting, key=len)]
        if isinstance(answer, Exception):
            raise answer
        return answer(argv, stdin) if callable(answer) else answer

    def close(self) -> None:
        """Remember that it was called."""
        self.closed = True
