"""What a log-mel spectrogram is like: the numbers that a front end is made of, before torch is there.

In:  sizes in samples, Hz and bands.
Out: `LogMel`, frozen; the matrix of mel bands, and how many frames a sound has. `models.front_end` is the module.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgewright.errors import InputError

Normalisation = Literal["whisper", "none", "clip"]
# Slaney's scale: linear below 1 kHz, logarithmic above, as in his Auditory Toolbox and in librosa.
HZ_A_LINEAR_MEL = 200 / 3
FIRST_LOGARITHMIC_HZ = 1000.0
LOGARITHMIC_STEP = math.log(6.4) / 27


@dataclass(frozen=True, kw_only=True)
class LogMel:
    """Windows of `window` samples every `hop`, in `mels` bands from `low_hz` to `high_hz` (0: half of the rate).

    With `centred` a window stands around each multiple of the hop, and the sound is mirrored at its ends. Normalised
    as "whisper" a decade is a quarter, nothing is more than 80 dB below the loudest of the clip, and the last frame is
    left out; "none" is the natural logarithm; "clip" is that less the clip's mean, so that loudness makes no
    difference.
    `floor` is what a band has at least before its logarithm.
    """

    rate: int = 16_000
    window: int = 400
    hop: int = 160
    mels: int = 80
    low_hz: float = 0.0
    high_hz: float = 0.0
    floor: float = 1e-10
    centred: bool = True
    normalisation: Normalisation = "whisper"

    def __post_init__(self) -> None:
        if not 0 < self.hop <= self.window:
            raise InputError(f"a hop of {self.hop} samples must be from 1 to the window of {self.window}")
        if not 0 <= self.low_hz < self.top_hz <= self.rate / 2:
            raise InputError(
                f"bands from {self.low_hz:g} to {self.top_hz:g} Hz do not lie within 0 to {self.rate / 2:g} Hz, half "
                "of the sample rate"
            )
        if self.mels < 1 or self.floor <= 0:
            raise InputError("a log-mel spectrogram needs a band or more, and a floor above 0")

    @property
    def top_hz(self) -> float:
        """The end of the highest band."""
        return self.high_hz or self.rate / 2

    @property
    def bins(self) -> int:
        """The frequencies of a window's transform."""
        return self.window // 2 + 1

    def frames(self, samples: int) -> int:
        """How many frames a sound of so many samples has. Raises `InputError` for one that is too short."""
        least = self.window // 2 + 1 if self.centred else self.window
        if samples < least:
            raise InputError(f"a sound of {samples} samples is too short for windows of {self.window}")
        padded = samples + 2 * (self.window // 2) if self.centred else samples
        return 1 + (padded - self.window) // self.hop - (1 if self.normalisation == "whisper" else 0)


WHISPER = LogMel()
KEYWORDS = LogMel(
    window=480, hop=320, mels=40, low_hz=20.0, high_hz=7600.0, floor=1e-5, centred=False, normalisation="clip"
)


def mel_bands(settings: LogMel) -> NDArray[np.float64]:
    """Triangles of one area each on Slaney's mel scale, (bins, mels)."""
    ends = np.linspace(_mel_of(settings.low_hz), _mel_of(settings.top_hz), settings.mels + 2)
    centres = np.array([_hz_of(mel) for mel in ends])
    frequencies = np.linspace(0, settings.rate / 2, settings.bins)[:, None]
    rising = (frequencies - centres[:-2]) / (centres[1:-1] - centres[:-2])
    falling = (centres[2:] - frequencies) / (centres[2:] - centres[1:-1])
    bands: NDArray[np.float64] = np.maximum(0, np.minimum(rising, falling)) * 2 / (centres[2:] - centres[:-2])
    return bands


def windowed_transform(settings: LogMel) -> NDArray[np.float64]:
    """The discrete Fourier transform of a periodic Hann window: cosines, then sines, (2 × bins, window)."""
    place = np.arange(settings.window)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * place / settings.window)
    # Modulo the window, so that sines of large angles are as exact as those of small ones.
    angles = 2 * np.pi * (np.outer(np.arange(settings.bins), place) % settings.window) / settings.window
    return np.concatenate([np.cos(angles) * hann, np.sin(angles) * hann])


def _mel_of(hz: float) -> float:
    if hz < FIRST_LOGARITHMIC_HZ:
        return hz / HZ_A_LINEAR_MEL
    return FIRST_LOGARITHMIC_HZ / HZ_A_LINEAR_MEL + math.log(hz / FIRST_LOGARITHMIC_HZ) / LOGARITHMIC_STEP


def _hz_of(mel: float) -> float:
    first = FIRST_LOGARITHMIC_HZ / HZ_A_LINEAR_MEL
    return mel * HZ_A_LINEAR_MEL if mel < first else FIRST_LOGARITHMIC_HZ * math.exp((mel - first) * LOGARITHMIC_STEP)
