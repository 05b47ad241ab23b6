import numpy as np
import pytest
import torch

from edgewright.modality.log_mel import KEYWORDS, WHISPER, LogMel
from edgewright.models.front_end import FrontEnd, features
from tests.sounds import RATE, tone

SWELL = np.abs(np.sin(np.arange(3 * RATE) / 5000))
SOUNDS = {
    "tone": tone(440, seconds=3),
    "voice": ((tone(120, seconds=3) + tone(240, seconds=3, seed=1) / 2) * SWELL).astype(np.float32),
    "noise": np.random.default_rng(0).normal(size=3 * RATE).astype(np.float32) / 10,
    "quiet": tone(900, seconds=3, loud=1e-4) / 10,
    "pulse": np.eye(1, 3 * RATE, RATE, dtype=np.float32)[0],
    "silence": np.zeros(3 * RATE, dtype=np.float32),
}


@pytest.mark.parametrize("mels", [80, 128])
@pytest.mark.parametrize("sound", [name for name in SOUNDS if name != "tone"])
@pytest.mark.parametrize("samples", [3 * RATE, 8001])
def test_it_is_whispers_extractor_to_a_ten_thousandth(sound, mels, samples) -> None:
    wave, settings = SOUNDS[sound][:samples], LogMel(mels=mels)
    wanted, found = whispers(wave, mels), FrontEnd(settings)(torch.from_numpy(wave)[None]).numpy()
    assert found.shape == wanted.shape == (1, mels, settings.frames(samples))
    assert np.abs(found - wanted).max() < 1e-4


def test_of_one_loud_tone_what_is_eighty_decibels_below_it_is_as_exact_as_float32() -> None:
    wave = SOUNDS["tone"]
    wanted, found = whispers(wave, 80), FrontEnd(WHISPER)(torch.from_numpy(wave)[None]).numpy()
    assert np.abs(found - wanted).max() < 2e-4  # transformers' own is 2.4e-5 from what it is in float64
    assert np.abs(FrontEnd(WHISPER).double()(torch.from_numpy(wave)[None].double()).numpy() - wanted).max() < 1e-4


def whispers(wave, mels: int):
    from transformers import WhisperFeatureExtractor

    extract = WhisperFeatureExtractor(feature_size=mels)
    return extract(wave, sampling_rate=RATE, return_tensors="np", padding=False, truncation=False)["input_features"]


def test_loudness_makes_no_difference_where_a_clip_is_normalised_by_its_mean() -> None:
    wave = torch.from_numpy(SOUNDS["noise"][:RATE])[None]
    quiet, loud = FrontEnd(KEYWORDS)(wave / 4), FrontEnd(KEYWORDS)(wave)
    assert quiet.shape == (1, 40, KEYWORDS.frames(RATE)) == (1, 40, 49)
    assert (quiet - loud).abs().max() < 0.05
    assert loud.mean().abs() < 1e-4


def test_a_tone_is_loudest_in_its_own_band() -> None:
    settings = LogMel(rate=8000, window=256, hop=128, mels=20, centred=False, normalisation="none")
    bands = [
        int(FrontEnd(settings)(torch.from_numpy(tone(hz, rate=8000))[None]).mean(dim=2).argmax())
        for hz in (300, 900, 3000)
    ]
    assert bands == sorted(set(bands))


def test_it_has_no_operator_of_a_fourier_transform() -> None:
    program = torch.export.export(FrontEnd(WHISPER), (torch.zeros(1, RATE),))
    names = {str(node.target) for node in program.graph.nodes if node.op == "call_function"}
    assert not [name for name in names if "fft" in name or "stft" in name]


def test_many_clips_have_the_features_of_each_alone() -> None:
    waves = torch.stack([torch.from_numpy(SOUNDS[name][:RATE]) for name in ("tone", "noise", "voice")])
    together = features(waves, KEYWORDS, at_once=2)
    for place, wave in enumerate(waves):
        assert torch.allclose(together[place], FrontEnd(KEYWORDS)(wave[None])[0], atol=1e-3)
    assert features(waves[:0], KEYWORDS).shape == (0, 40, 49)
