"""Altered copies of sounds: a word stays what it is where it is louder, later, faster, or said in a noisy room.

In:  clips of one length, (clips, samples) in float32.
Out: the same clips, shifted, sped up, scaled and mixed with noise; frames and bands of spectrograms that are masked.
Each example's changes follow from the seed, its copy and its place alone, the same on every machine and in any order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
LARGEST_COLOUR = 2.0  # the exponent of brown noise: power falls with the square of the frequency


@dataclass(frozen=True, kw_only=True)
class Changes:
    """How far copies go from their originals, each by chance up to these bounds.

    `shift` is a share of the clip's length, `speed` a share faster or slower, `gain_db` louder or softer, and noise is
    from `least_snr_db` to `most_snr_db` below the sound. Of a spectrogram up to `masked_bands` and `masked_frames`,
    shares, are masked (SpecAugment, Park et al. 2019).
    """

    shift: float = 0.1
    speed: float = 0.15
    gain_db: float = 10.0
    least_snr_db: float = 0.0
    most_snr_db: float = 30.0
    masked_bands: float = 0.15
    masked_frames: float = 0.15


DEFAULT = Changes()


def with_changed(
    clips: Samples, *, copies: int, changes: Changes = DEFAULT, noises: Sequence[Samples] = (), seed: int = 0
) -> Samples:
    """Clips (n, samples) → ((1 + copies) × n, samples): the clips, then so many altered copies of all.

    What is mixed in is a piece of one of the `noises`, as long as a clip or longer, or noise of a colour by chance.
    """
    altered = [
        np.stack([changed(clip, chance_of(seed, copy, place), changes, noises) for place, clip in enumerate(clips)])
        for copy in range(copies if len(clips) else 0)
    ]
    return np.concatenate([clips, *altered]).astype(np.float32, copy=False)


def changed(
    clip: Samples, chance: np.random.Generator, changes: Changes = DEFAULT, noises: Sequence[Samples] = ()
) -> Samples:
    """One altered copy of a clip, of its length."""
    speed, shift, gain = chance.uniform(-1, 1, size=3)
    sound = shifted(sped(clip, 1 + changes.speed * speed), round(changes.shift * shift * len(clip)))
    noise = _noise(len(clip), chance, noises)
    sound = mixed(sound, noise, snr_db=chance.uniform(changes.least_snr_db, changes.most_snr_db))
    found: Samples = np.clip(sound * 10 ** (changes.gain_db * gain / 20), -1, 1).astype(np.float32)
    return found


def sped(clip: Samples, factor: float) -> Samples:
    """A clip at a multiple of its speed and pitch, in the middle of its length: cut, or between zeros."""
    places = (np.arange(len(clip)) - len(clip) / 2) * factor + len(clip) / 2
    found: Samples = np.interp(places, np.arange(len(clip)), clip, left=0.0, right=0.0).astype(np.float32)
    return found


def shifted(clip: Samples, samples: int) -> Samples:
    """A clip that begins so many samples later, or earlier; zeros come in."""
    moved = np.zeros_like(clip)
    if samples >= 0:
        moved[samples:] = clip[: len(clip) - samples]
    else:
        moved[:samples] = clip[-samples:]
    return moved


def mixed(clip: Samples, noise: Samples, *, snr_db: float) -> Samples:
    """A clip with noise of its length, whose power is so far below the clip's; a silent clip stays as it is."""
    loud, noisy = float(np.mean(np.square(clip))), float(np.mean(np.square(noise)))
    if not loud or not noisy:
        return clip
    scale = np.sqrt(loud / noisy) * 10 ** (-snr_db / 20)
    return (clip + noise * np.float32(scale)).astype(np.float32)


def masked(spectrogram: Samples, chance: np.random.Generator, changes: Changes = DEFAULT) -> Samples:
    """A spectrogram (bands, frames), of which neighbouring bands and frames are at its mean."""
    found, mean = spectrogram.copy(), spectrogram.mean()
    for axis, share in enumerate((changes.masked_bands, changes.masked_frames)):
        size = spectrogram.shape[axis]
        width = int(chance.integers(0, round(share * size) + 1))
        start = int(chance.integers(0, size - width + 1))
        place = slice(start, start + width)
        found[(place, slice(None)) if axis == 0 else (slice(None), place)] = mean
    return found


def chance_of(seed: int, copy: int, place: int) -> np.random.Generator:
    """The chance of one example's copy."""
    digest = hashlib.sha256(f"{seed} {copy} {place}".encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "big")))


def _noise(length: int, chance: np.random.Generator, noises: Sequence[Samples]) -> Samples:
    long_enough = [noise for noise in noises if len(noise) >= length]
    if long_enough:
        noise = long_enough[int(chance.integers(len(long_enough)))]
        start = int(chance.integers(len(noise) - length + 1))
        return noise[start : start + length]
    spectrum = np.fft.rfft(chance.normal(size=length))
    slope = np.maximum(np.arange(len(spectrum)), 1) ** (-chance.uniform(0, LARGEST_COLOUR) / 2)
    return np.fft.irfft(spectrum * slope, n=length).astype(np.float32)
