import numpy as np
import pytest

from edgewright.data.sound_changes import Changes, chance_of, changed, masked, mixed, shifted, sped, with_changed
from tests.sounds import RATE, tone

CLIPS = np.stack([tone(300, seed=1), tone(900, seed=2), tone(1500, seed=3)])


def test_copies_are_the_same_each_time_and_do_not_depend_on_the_other_clips() -> None:
    found = with_changed(CLIPS, copies=2)
    assert found.shape == (9, CLIPS.shape[1])
    assert np.array_equal(found[:3], CLIPS)
    assert np.array_equal(with_changed(CLIPS, copies=2), found)
    assert np.array_equal(with_changed(CLIPS[:2], copies=1)[2:], found[3:5])
    assert not np.array_equal(with_changed(CLIPS, copies=1, seed=1)[3:], found[3:6])
    assert float(found[4, 4000]) == pytest.approx(-0.7076127, abs=1e-5)  # the same on every machine


def test_without_copies_the_clips_are_as_they_were() -> None:
    assert np.array_equal(with_changed(CLIPS, copies=0), CLIPS)
    assert len(with_changed(CLIPS[:0], copies=3)) == 0


def test_noise_is_as_far_below_the_sound_as_it_is_said() -> None:
    noise = np.random.default_rng(0).normal(size=CLIPS.shape[1]).astype(np.float32)
    found = mixed(CLIPS[0], noise, snr_db=10) - CLIPS[0]
    assert np.mean(CLIPS[0] ** 2) / np.mean(found**2) == pytest.approx(10, rel=0.01)
    silent = np.zeros(100, dtype=np.float32)
    assert np.array_equal(mixed(silent, noise[:100], snr_db=0), silent)


def test_a_shift_moves_and_fills_with_silence() -> None:
    assert shifted(np.arange(5, dtype=np.float32), 2).tolist() == [0, 0, 0, 1, 2]
    assert shifted(np.arange(5, dtype=np.float32), -2).tolist() == [2, 3, 4, 0, 0]
    assert shifted(np.arange(3, dtype=np.float32), 0).tolist() == [0, 1, 2]


def test_speed_raises_the_pitch() -> None:
    power = np.abs(np.fft.rfft(sped(CLIPS[0], 1.5)))
    assert np.argmax(power) * RATE / CLIPS.shape[1] == pytest.approx(450, abs=5)


def test_noises_of_ones_own_are_mixed_in() -> None:
    hum = np.full(20_000, 0.5, dtype=np.float32)
    still = Changes(shift=0, speed=0, gain_db=0, least_snr_db=0, most_snr_db=0)
    found = changed(CLIPS[0], chance_of(0, 0, 0), still, [hum])
    assert found.mean() == pytest.approx(np.sqrt(np.mean(CLIPS[0] ** 2)), rel=0.05)


def test_masks_take_no_more_than_their_share_and_leave_the_rest() -> None:
    spectrogram = np.random.default_rng(0).normal(size=(40, 50)).astype(np.float32)
    for place in range(20):
        found = masked(spectrogram, chance_of(0, 0, place))
        same = found == spectrogram
        assert (~same.any(axis=1)).sum() <= 6
        assert (~same.any(axis=0)).sum() <= 8
        assert same.mean() > 0.6
    assert any(not np.array_equal(masked(spectrogram, chance_of(0, 0, place)), spectrogram) for place in range(5))
