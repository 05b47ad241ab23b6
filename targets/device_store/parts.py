"""Cut what a push sends into parts, and compress those that a slow link would take longer over than the compressor.

In:  one file or an archive of several, as chunks of bytes; the names of the parts that are there already.
Out: `FilePart`s, the next one made while one is sent.
Sending them, and going on after a cut, is `push`'s concern; putting them together again `store_scripts`'.
"""

import time
import zlib
from collections.abc import Collection, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

GZIP = 31  # zlib's name for gzip's format
LEVEL = 1
USUAL_SPEED, USUAL_RATIO = 40e6, 0.7  # of the compressor, in bytes of input a second, until it has been tried
LEAST_GAIN = 0.9  # compressing must save a tenth of the time


@dataclass(frozen=True, kw_only=True)
class FilePart:
    """A piece on its way, and the name it gets there."""

    name: str
    content: bytes


class Link:
    """What is known of the way to a device, and so whether compressing for it pays."""

    def __init__(self, *, opens_gzip: bool) -> None:
        self._opens_gzip = opens_gzip
        self._rate: float | None = None
        self._speed, self._ratio = USUAL_SPEED, USUAL_RATIO

    def sent(self, size: int, seconds: float) -> None:
        """So many bytes took so long."""
        self._rate = size / max(seconds, 1e-9)

    def other_content(self) -> None:
        """What comes now may be more compressible, or less, than what came before."""
        self._ratio = USUAL_RATIO

    def compressed(self, content: bytes) -> bytes | None:
        """The content in gzip's format where that arrives sooner, else None."""
        if not self._opens_gzip or self._rate is None:
            return None
        if max(1 / self._speed, self._ratio / self._rate) > LEAST_GAIN / self._rate:
            return None
        begun = time.perf_counter()
        packed = zlib.compress(content, LEVEL, GZIP)
        self._speed = len(content) / max(time.perf_counter() - begun, 1e-9)
        self._ratio = len(packed) / len(content)
        return packed if self._ratio < LEAST_GAIN else None


def parts(load: str, chunks: Iterable[bytes], there: Collection[str], *, link: Link, size: int) -> Iterator[FilePart]:
    """The parts of a load that are not there, of so many bytes before compression; the same for the same chunks."""
    link.other_content()
    for number, content in enumerate(_cut(chunks, size)):
        name = f"{load}-{number:06d}.part"
        if name in there or f"{name}.gz" in there:
            continue
        packed = link.compressed(content)
        yield FilePart(name=name, content=content) if packed is None else FilePart(name=f"{name}.gz", content=packed)


def ahead(parts: Iterator[FilePart]) -> Generator[FilePart, None, None]:
    """The same parts, each made while the one before it is in use."""
    with ThreadPoolExecutor(1, thread_name_prefix="edgewright-parts") as making:
        coming = making.submit(next, parts, None)
        while part := coming.result():
            coming = making.submit(next, parts, None)
            yield part


def _cut(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    held: list[bytes] = []
    room = size
    for chunk in chunks:
        while len(chunk) >= room:
            yield b"".join((*held, chunk[:room]))
            chunk, held, room = chunk[room:], [], size
        if chunk:
            held.append(chunk)
            room -= len(chunk)
    if held:
        yield b"".join(held)
