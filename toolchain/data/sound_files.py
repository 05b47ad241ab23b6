"""Sound as numbers, from files that libsndfile reads.

In:  `ClipFile`s, as `clip_files` finds them.
Out: mono samples in float32 from -1 to 1 at one rate, and what is odd about them; all faults of a folder at once.
Raw PCM (.pcm, .raw) is taken as 16-bit little-endian samples of one channel at the rate that is wanted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgewright.base.extras import need
from edgewright.base.progress import OnProgress
from edgewright.data.clip_files import ClipFile
from edgewright.data.faults import Faults
from edgewright.errors import BadDataError

Samples = NDArray[np.float32]

FULL_SCALE = 32768  # of 16-bit samples
CLIPPED_SHARE = 0.01  # of samples at full scale, from which a clip is called clipped
PROGRESS_EVERY = 64  # clips
FORMATS = ("WAV", "WAVEX", "RF64", "FLAC", "OGG")
RAW_SUFFIXES = (".pcm", ".raw")
STREAMED_SIZES = (0, 0xFFFFFFFF)  # that a WAV file's header has where its writer did not know how long it gets
DATA_CHUNK_HEADER = 8  # bytes
LARGEST_OGG_PAGE = 65_307  # bytes
OGG_FLAGS, OGG_LAST = 5, 4  # the byte of a page that has its flags, and that of the last page
REMEDY = "replace or remove these files"


@dataclass(frozen=True, kw_only=True)
class ClipLimits:
    """What a file may hold at most: `seconds` of sound, `channels`, and a `rate` in samples a second."""

    seconds: float = 60.0
    channels: int = 8
    least_rate: int = 4_000
    rate: int = 384_000
    bytes: int = 1 << 30


@dataclass(frozen=True, kw_only=True, eq=False)
class Clip:
    """Samples of one channel, what tells the clip apart as it was in its file, and what is odd about it."""

    samples: Samples
    digest: str
    silent: bool = False
    clipped: bool = False


def decode(
    files: Sequence[ClipFile], *, rate: int, limits: ClipLimits | None = None, on_progress: OnProgress | None = None
) -> list[Clip]:
    """Read all files as mono at `rate` samples a second; `on_progress` hears how many are read, and how many there are.

    Raises `BadDataError` with every file that is no sound, is empty or cut off, or is beyond the `limits`, and
    `EnvironmentFaultError` where the extra `sound` is not installed.
    """
    faults = Faults(files[0].root if files else Path())
    clips: list[Clip] = []
    for number, file in enumerate(files):
        if on_progress and not number % PROGRESS_EVERY:
            on_progress(number, len(files))
        try:
            clips.append(read_clip(file.path, rate=rate, limits=limits))
        except BadDataError as error:
            faults.add(file.name, str(error), REMEDY)
    faults.raise_any()
    return clips


def read_clip(path: Path, *, rate: int, limits: ClipLimits | None = None) -> Clip:
    """One file as mono at `rate` samples a second. Raises as `decode` does, without naming the file."""
    need(("soundfile", "soxr"), purpose="read sound", extra="sound")
    allowed = limits or ClipLimits()
    if path.suffix.lower() in RAW_SUFFIXES:
        samples, own_rate = _raw(path, rate, allowed), rate
    else:
        samples, own_rate = _decoded(path, allowed)
    if not len(samples):
        raise BadDataError("holds no sound")
    if not np.isfinite(samples).all():
        raise BadDataError("has samples that are no finite numbers")
    mono = samples.mean(axis=1, dtype=np.float32)
    return Clip(
        samples=np.clip(resampled(mono, own_rate, rate), -1.0, 1.0),
        digest=hashlib.sha256(f"{own_rate} {samples.shape}".encode() + samples.tobytes()).hexdigest(),
        silent=bool(np.ptp(mono) == 0),
        clipped=bool((np.abs(samples) >= 1 - 1 / FULL_SCALE).mean() > CLIPPED_SHARE),
    )


def resampled(samples: Samples, own_rate: int, rate: int) -> Samples:
    """Samples of one channel at another rate, by soxr's high-quality filter; the same where the rates are."""
    if own_rate == rate:
        return samples
    import soxr

    found: Samples = soxr.resample(samples, own_rate, rate, quality="HQ").astype(np.float32)
    return found


def in_blocks(path: Path, *, rate: int, seconds: float) -> Iterator[Samples]:
    """A recording of any length in mono, `seconds` at a time at `rate`; the last block may be shorter.

    Raises `BadDataError`, which names the file.
    """
    need(("soundfile", "soxr"), purpose="read sound", extra="sound")
    import soundfile
    import soxr

    try:
        with soundfile.SoundFile(path) as file:
            stream = soxr.ResampleStream(file.samplerate, rate, 1, dtype="float32", quality="HQ")
            size, left = round(seconds * rate), np.zeros(0, dtype=np.float32)
            for block in file.blocks(blocksize=file.samplerate, dtype="float32", always_2d=True):
                ended = file.tell() >= file.frames
                mono = np.ascontiguousarray(block.mean(axis=1, dtype=np.float32))
                left = np.concatenate([left, stream.resample_chunk(mono, last=ended)])
                while len(left) >= size:
                    yield left[:size]
                    left = left[size:]
            if len(left):
                yield left
    except (soundfile.SoundFileError, OSError) as error:
        raise BadDataError(f"{path} cannot be read as sound: {error}; check the file") from error


def levelled(samples: Samples, *, decibels: float) -> Samples:
    """The same sound at a loudness, its root mean square in dB of full scale, less where a sample would be cut off."""
    loud = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
    peak = float(np.abs(samples).max(initial=0.0))
    if not loud:
        return samples
    gain = min(10 ** (decibels / 20) / loud, 1 / peak)
    return (samples * np.float32(gain)).astype(np.float32)


def _decoded(path: Path, limits: ClipLimits) -> tuple[NDArray[np.float32], int]:
    """(samples (time, channels), samples a second) of a file."""
    import soundfile

    _require_size(path, limits)
    try:
        with soundfile.SoundFile(path) as file:
            if file.format not in FORMATS:
                raise BadDataError(f"is {file.format}, which is not read; convert it to WAV, FLAC or OGG")
            _require_within(file.channels, file.samplerate, file.frames, limits)
            samples: NDArray[np.float32] = file.read(dtype="float32", always_2d=True)
            ends = {"WAV": _is_whole_wave, "WAVEX": _is_whole_wave, "OGG": _is_whole_ogg}.get(file.format)
            if len(samples) < file.frames or (ends and not ends(path)):
                raise BadDataError("is cut off: there is less sound than it says")
            return samples, file.samplerate
    except (soundfile.SoundFileError, ValueError, MemoryError) as error:
        said = str(error).rpartition(": ")[2].rstrip(".")
        raise BadDataError(f"cannot be read as sound ({said})") from error


def _raw(path: Path, rate: int, limits: ClipLimits) -> NDArray[np.float32]:
    _require_size(path, limits)
    data = path.read_bytes()
    if len(data) % 2:
        raise BadDataError("has an odd number of bytes, so it is no raw sound of 16 bits a sample")
    _require_within(1, rate, len(data) // 2, limits)
    return (np.frombuffer(data, dtype="<i2").astype(np.float32) / np.float32(FULL_SCALE))[:, None]


def _require_size(path: Path, limits: ClipLimits) -> None:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise BadDataError(f"cannot be read: {error.strerror}") from error
    if size > limits.bytes:
        raise BadDataError(f"has {size:,} bytes, more than the {limits.bytes:,} that a clip may have")


def _require_within(channels: int, rate: int, frames: int, limits: ClipLimits) -> None:
    if channels > limits.channels:
        raise BadDataError(f"has {channels} channels, more than the {limits.channels} that are mixed")
    if not limits.least_rate <= rate <= limits.rate:
        raise BadDataError(f"has {rate:,} samples a second, not {limits.least_rate:,} to {limits.rate:,}")
    if frames > limits.seconds * rate:
        raise BadDataError(
            f"is {frames / rate:,.0f} s long, more than the {limits.seconds:g} s of a clip; cut it into clips"
        )


def _is_whole_wave(path: Path) -> bool:
    """Whether a WAV file is as long as its header says."""
    with path.open("rb") as file:
        header = file.read(DATA_CHUNK_HEADER)
    stated = int.from_bytes(header[4:], "little")
    is_padded = 1  # some writers count the byte that pads an odd chunk, and do not write it
    length = path.stat().st_size - DATA_CHUNK_HEADER + is_padded
    return header[:4] != b"RIFF" or stated in STREAMED_SIZES or length >= stated


def _is_whole_ogg(path: Path) -> bool:
    """Whether an OGG file's last page says that it is the last."""
    with path.open("rb") as file:
        file.seek(-min(path.stat().st_size, LARGEST_OGG_PAGE), 2)
        tail = file.read()
    start = tail.rfind(b"OggS")
    return start >= 0 and len(tail) > start + OGG_FLAGS and bool(tail[start + OGG_FLAGS] & OGG_LAST)
