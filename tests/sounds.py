"""Small sounds for tests: tones in files of any kind, and folders of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

RATE = 16_000


def tone(hz: float, *, seconds: float = 0.5, rate: int = RATE, loud: float = 0.5, seed: int = 0) -> NDArray[np.float32]:
    """A tone in a little noise, which is another for each seed."""
    noise = np.random.default_rng(seed).normal(size=round(seconds * rate)) * 0.01
    return (loud * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate) + noise).astype(np.float32)


def write(path: Path, samples: NDArray[np.float32], *, rate: int = RATE, subtype: str | None = None) -> Path:
    """Samples (time,) or (time, channels) in a file of its suffix's format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate, subtype=subtype)
    return path


def two_tones(folder: Path, *, each: int = 24, hz: tuple[float, float] = (300, 1200), speakers: int = 12) -> Path:
    """A folder with so many clips each of two labels, "low" and "high", of so many speakers."""
    for label, pitch in zip(("low", "high"), hz, strict=True):
        for number in range(each):
            name = f"{number % speakers:08x}_nohash_{number // speakers}.wav"
            write(folder / label / name, tone(pitch + 10 * number, seconds=0.3, seed=number + int(pitch)))
    return folder
