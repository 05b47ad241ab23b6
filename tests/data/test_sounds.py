import numpy as np
import pytest

from edgewright.data.sounds import Sounds, as_float, as_pcm, fingerprint, load_sounds
from edgewright.errors import BadDataError
from edgewright.specs.recipe import Data, TaskSettings
from tests.sounds import RATE, tone, two_tones, write

TASK = TaskSettings(kind="image-classification")


def test_no_speaker_is_in_two_parts_and_every_clip_is_in_one(tmp_path) -> None:
    sounds = load_sounds(Data(folder=two_tones(tmp_path)), TASK)
    parts = [sounds.train, sounds.validation, sounds.test]
    assert sum(map(len, parts)) == 48
    speakers = [set(part.sources) for part in parts]
    assert sum(map(len, speakers)) == len(set.union(*speakers)) == 12
    assert sounds.labels == ("high", "low")
    assert not list(sounds.agreement.sentences("clips"))


def test_what_was_saved_is_read_back(tmp_path) -> None:
    sounds = load_sounds(Data(folder=two_tones(tmp_path / "data")), TASK)
    sounds.save(tmp_path / "s.safetensors")
    loaded = Sounds.load(tmp_path / "s.safetensors")
    assert loaded.rate == RATE
    for name in ("train", "test", "validation", "extra"):
        one, other = getattr(sounds, name), getattr(loaded, name)
        assert (one.labels, one.sources, one.names) == (other.labels, other.sources, other.names)
        assert all(np.array_equal(a, b) for a, b in zip(one.clips, other.clips, strict=True))


def test_parts_of_ones_own_may_not_share_a_clip_or_a_speaker(tmp_path) -> None:
    for part in ("train", "test"):
        two_tones(tmp_path / part, hz=(300, 1200) if part == "train" else (310, 1250))
    with pytest.raises(BadDataError, match="12 sources have clips in both train and test: 00000000"):
        load_sounds(Data(folder=tmp_path), TASK)
    two_tones(tmp_path / "train")
    two_tones(tmp_path / "test")
    with pytest.raises(BadDataError, match="48 clips stand in both train and test"):
        load_sounds(Data(folder=tmp_path), TASK)


def test_what_is_odd_about_clips_is_noted(tmp_path) -> None:
    two_tones(tmp_path)
    write(tmp_path / "low" / "silent.wav", np.zeros(2000, dtype=np.float32))
    write(tmp_path / "low" / "loud.wav", np.clip(tone(500) * 9, -1, 1))
    assert load_sounds(Data(folder=tmp_path), TASK).notes == (
        "1 clips are silent from end to end: low/silent.wav",
        "1 clips are cut off at full scale: low/loud.wav",
    )


def test_the_fingerprint_changes_with_a_file_its_label_and_the_rate(tmp_path) -> None:
    data = Data(folder=two_tones(tmp_path))
    first = fingerprint(data, TASK)
    assert fingerprint(data, TASK) == first
    assert fingerprint(data, TASK.model_copy(update={"sample_rate": 8000})) != first
    write(tmp_path / "low" / "00000000_nohash_0.wav", tone(333))
    assert fingerprint(data, TASK) != first


def test_samples_in_sixteen_bits_are_the_same_to_half_a_level() -> None:
    wave = np.array([-1, -0.5, 0, 0.25, 1], dtype=np.float32)
    assert np.abs(as_float(as_pcm(wave)) - wave).max() <= 1 / 32768
