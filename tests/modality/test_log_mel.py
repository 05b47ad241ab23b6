import numpy as np
import pytest

from edgewright.errors import InputError
from edgewright.modality.log_mel import KEYWORDS, WHISPER, LogMel, mel_bands, windowed_transform


def test_bands_are_those_of_whisper() -> None:
    from transformers import WhisperFeatureExtractor

    assert np.abs(mel_bands(WHISPER) - WhisperFeatureExtractor(feature_size=80).mel_filters).max() < 1e-7


def test_a_window_is_transformed_as_numpy_does() -> None:
    wave = np.random.default_rng(0).normal(size=480)
    hann = np.hanning(481)[:-1]
    wanted = np.fft.rfft(wave * hann)
    real, imaginary = np.split(windowed_transform(KEYWORDS) @ wave, 2)
    assert np.abs(real - wanted.real).max() < 1e-10
    assert np.abs(imaginary + wanted.imag).max() < 1e-10


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"hop": 500}, "a hop of 500 samples must be from 1 to the window of 400"),
        ({"high_hz": 9000.0}, "bands from 0 to 9000 Hz do not lie within 0 to 8000 Hz"),
        ({"mels": 0}, "a band or more"),
    ],
)
def test_numbers_that_make_no_spectrogram_are_refused(settings, told) -> None:
    with pytest.raises(InputError, match=told):
        LogMel(**settings)


def test_a_sound_shorter_than_a_window_is_refused() -> None:
    with pytest.raises(InputError, match="100 samples is too short for windows of 480"):
        KEYWORDS.frames(100)
