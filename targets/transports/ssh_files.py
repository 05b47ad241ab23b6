"""Files over SFTP: as much under way as a link can take, and never more taken than was asked for.

In:  an SFTP client within `ssh_wire`'s bounds.
Out: a file written there, or its content handed on piece by piece.
Names, and what becomes of a file that did not arrive whole, are `ssh`'s concern.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import PurePosixPath
from typing import BinaryIO

import paramiko
from paramiko.sftp import CMD_DATA, CMD_READ, CMD_STATUS

from edgewright.targets.transports.conversation import Received
from edgewright.targets.transports.ssh_wire import Files

CHUNK_BYTES = 1 << 15
REQUEST_BYTES = 261_120  # the largest that OpenSSH's file server takes; larger ones mean fewer to answer
FIRST_UNANSWERED, MOST_UNANSWERED = 256 << 10, 2 << 20  # bytes under way without an answer; an eighth more each answer
READS_UNDER_WAY = 64


class _Answers:
    """Takes what comes for requests of ours, in whichever order."""

    def __init__(self) -> None:
        self.found: dict[int, tuple[int, paramiko.Message]] = {}

    def _async_response(self, kind: int, message: paramiko.Message, number: int) -> None:
        """Where paramiko leaves the answer to a request that nobody waits for."""
        self.found[number] = kind, message


class FileServer:
    """The file server behind one SSH session."""

    def __init__(self, files: Files, *, openssh: bool) -> None:
        self._files = files
        self._request = REQUEST_BYTES if openssh else CHUNK_BYTES
        self._unanswered = FIRST_UNANSWERED

    @property
    def broken(self) -> bool:
        """Whether it stopped in the middle of an answer, so that no further one can be understood."""
        channel = self._files.get_channel()
        return channel is None or channel.closed

    def close(self) -> None:
        """End the session."""
        self._files.close()

    def rename(self, partial: PurePosixPath, remote: PurePosixPath) -> None:
        """Put a file in another's place. Raises `OSError` where the server cannot."""
        self._files.posix_rename(str(partial), str(remote))

    def write(self, source: BinaryIO, remote: PurePosixPath, mode: int) -> None:
        """Write all of it. Raises `FileNotFoundError` before anything is read where the directory is not there."""
        with self._opened(remote, "wb") as sink:
            size = self._write(sink, source)
        if self._files.stat(str(remote)).st_size != size:
            raise OSError("not all of it arrived")
        self._files.chmod(str(remote), mode)

    def read(self, remote: PurePosixPath, received: Received) -> None:
        """Hand on all of it; the size that the server claims is believed only where so much may come."""
        with self._opened(remote, "rb") as source:
            size = source.stat().st_size
            if size is None or size < 0:
                raise OSError("the file server does not tell its size")
            received.expect(size)
            self._read(source, size, received)

    def _read(self, source: paramiko.SFTPFile, size: int, received: Received) -> None:
        """Hand on so many bytes, with several requests under way. An answer may be short, never long."""
        answers, waiting, asked = _Answers(), deque[tuple[int, int, int]](), 0

        def ask(offset: int, length: int) -> tuple[int, int, int]:
            words = (CMD_READ, source.handle, paramiko.sftp.int64(offset), length)
            return self._files._async_request(answers, *words), offset, length  # type: ignore[attr-defined]

        while received.size < size:
            while asked < size and len(waiting) < READS_UNDER_WAY:
                waiting.append(ask(asked, min(CHUNK_BYTES, size - asked)))
                asked += waiting[-1][2]
            number, offset, length = waiting.popleft()
            while number not in answers.found:
                self._files._read_response()  # type: ignore[attr-defined]
            content = self._content(*answers.found.pop(number))
            if not 0 < len(content) <= length:
                raise OSError(f"{length} bytes were asked for, and {len(content)} came")
            received.add(content)
            if len(content) < length:
                waiting.appendleft(ask(offset + len(content), length - len(content)))

    def _content(self, kind: int, message: paramiko.Message) -> bytes:
        if kind == CMD_STATUS:
            try:
                self._files._convert_status(message)  # type: ignore[attr-defined]  # raises what it says
            except EOFError as error:
                raise OSError("it changed, or broke off, on the way") from error
        if kind != CMD_DATA:
            raise paramiko.SFTPError(f"an answer of kind {kind} came for a read")
        return message.get_string()

    @contextmanager
    def _opened(self, remote: PurePosixPath, mode: str) -> Iterator[paramiko.SFTPFile]:
        file = self._files.open(str(remote), mode)
        try:
            yield file
        except BaseException as error:
            if not isinstance(error, OSError) or isinstance(error, TimeoutError):  # not the server's word on a request
                self._files.close()
            with suppress(Exception):  # this is the second fault; the first one is what is reported
                file.close()
            raise
        file.close()

    def _write(self, sink: paramiko.SFTPFile, source: BinaryIO) -> int:
        """Write all of it, with as much under way as the link has shown to take.

        As much as the protocol allows at once, as paramiko's own `putfo` sends it, costs an OpenSSH server 0.15 s: it
        makes its buffer larger for each request that it has no time for yet, and copies all of it.
        """
        sink.MAX_REQUEST_SIZE = self._request
        waiting: deque[int] = sink._reqs  # type: ignore[attr-defined]  # paramiko has no public way to them
        written = 0
        sink.set_pipelined(True)
        while chunk := source.read(self._request):
            sink.write(chunk)
            written += len(chunk)
            while len(waiting) * self._request > self._unanswered:
                self._files._read_response(waiting.popleft())  # type: ignore[attr-defined]  # raises what went wrong
                self._unanswered = min(MOST_UNANSWERED, self._unanswered + self._request // 8)
        return written
