"""The log-mel spectrogram as a module of products: no operator of a Fourier transform, so that every runtime has it.

In:  samples in float32 from -1 to 1.
Out: frames of mel bands, equal to transformers' extractor of Whisper where they are normalised as that does.
A window's transform is a convolution with cosines and sines, mel bands are a product, and both are exact to float32.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgewright.modality.log_mel import LogMel, mel_bands, windowed_transform

LN_10 = 2.302585092994046
WHISPER_RANGE, WHISPER_OFFSET, WHISPER_SCALE = 8.0, 4.0, 4.0  # decades


class FrontEnd(nn.Module):
    """Samples (clips, samples) → log-mel (clips, mels, frames); its numbers are those of `settings`."""

    transform: Tensor
    bands: Tensor
    mirror: Tensor

    def __init__(self, settings: LogMel) -> None:
        super().__init__()
        self.settings = settings
        transform = torch.from_numpy(windowed_transform(settings)).float()
        self.register_buffer("transform", transform[:, None, None, :], persistent=False)
        bands = torch.from_numpy(mel_bands(settings).T.copy()).float()
        self.register_buffer("bands", bands[:, :, None, None], persistent=False)
        self.register_buffer("mirror", torch.arange(settings.window // 2 - 1, -1, -1), persistent=False)

    def forward(self, samples: Tensor) -> Tensor:
        """(clips, samples) → (clips, mels, frames)."""
        settings = self.settings
        sound = self._mirrored(samples) if settings.centred else samples
        parts = functional.conv2d(sound[:, None, None, :], self.transform, stride=(1, settings.hop))
        squares = parts * parts
        power = squares[:, : settings.bins] + squares[:, settings.bins :]
        if settings.normalisation == "whisper":
            power = power[..., :-1]
        mel = functional.conv2d(power, self.bands).squeeze(2)
        return self._normalised(torch.log(mel.clamp(min=settings.floor)))

    def _mirrored(self, samples: Tensor) -> Tensor:
        """The sound between half a window of itself, mirrored at its ends without the sample at the end."""
        half = self.settings.window // 2
        before = samples[:, 1 : half + 1].index_select(1, self.mirror)
        after = samples[:, -half - 1 : -1].index_select(1, self.mirror)
        return torch.cat([before, samples, after], dim=1)

    def _normalised(self, log_mel: Tensor) -> Tensor:
        if self.settings.normalisation == "whisper":
            decades = log_mel * (1 / LN_10)
            loudest = decades.amax(dim=(1, 2), keepdim=True)
            return (torch.maximum(decades, loudest - WHISPER_RANGE) + WHISPER_OFFSET) / WHISPER_SCALE
        if self.settings.normalisation == "clip":
            return log_mel - log_mel.mean(dim=(1, 2), keepdim=True)
        return log_mel


def features(samples: Tensor, settings: LogMel, *, at_once: int = 64) -> Tensor:
    """The front end's output for clips of one length, (clips, samples) → (clips, mels, frames), so many at a time."""
    front = FrontEnd(settings).eval()
    with torch.inference_mode():
        found = [front(part) for part in samples.split(at_once)]
    empty = (0, settings.mels, settings.frames(samples.shape[1]))
    return torch.cat(found).clone() if found and len(samples) else torch.zeros(empty)
