import numpy as np
import pytest

from edgewright.data.clip_files import ClipFile
from edgewright.data.sound_files import ClipLimits, decode, in_blocks, levelled, read_clip, resampled
from edgewright.errors import BadDataError
from tests.sounds import RATE, tone, write


@pytest.mark.parametrize(("suffix", "subtype"), [(".wav", "PCM_24"), (".wav", "FLOAT"), (".flac", "PCM_16")])
def test_a_clip_is_read_as_it_was_written_whatever_its_bits(tmp_path, suffix, subtype) -> None:
    wave = tone(440)
    clip = read_clip(write(tmp_path / f"a{suffix}", wave, subtype=subtype), rate=RATE)
    assert clip.samples.dtype == np.float32
    assert np.abs(clip.samples - wave).max() < 1 / 32000
    assert not clip.silent
    assert not clip.clipped


def test_a_clip_of_ogg_sounds_as_it_did(tmp_path) -> None:
    wave = tone(440, seconds=1)
    clip = read_clip(write(tmp_path / "a.ogg", wave), rate=RATE)
    assert len(clip.samples) == len(wave)
    assert np.corrcoef(clip.samples, wave)[0, 1] > 0.99


def test_raw_sound_is_sixteen_bits_at_the_wanted_rate(tmp_path) -> None:
    wave = np.array([0, 16384, -32768], dtype="<i2")
    (tmp_path / "a.pcm").write_bytes(wave.tobytes())
    assert read_clip(tmp_path / "a.pcm", rate=8000).samples.tolist() == [0, 0.5, -1]
    (tmp_path / "a.pcm").write_bytes(b"abc")
    with pytest.raises(BadDataError, match="odd number of bytes"):
        read_clip(tmp_path / "a.pcm", rate=8000)


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
def test_another_rate_is_resampled_to_the_same_sound(tmp_path, rate) -> None:
    clip = read_clip(write(tmp_path / "a.wav", tone(440, rate=rate, seed=1), rate=rate), rate=RATE)
    assert abs(len(clip.samples) - RATE // 2) <= 1
    wanted = tone(440)[: len(clip.samples)]
    middle = slice(1000, -1000)
    assert np.corrcoef(clip.samples[: len(wanted)][middle], wanted[middle])[0, 1] > 0.99


def test_eight_channels_are_mixed_into_one(tmp_path) -> None:
    channels = np.stack([tone(440) * share for share in np.linspace(0, 1, 8)], axis=1)
    clip = read_clip(write(tmp_path / "a.wav", channels), rate=RATE)
    assert np.abs(clip.samples - tone(440) / 2).max() < 1e-3


def test_all_faults_of_a_folder_are_told_at_once_with_their_places(tmp_path) -> None:
    write(tmp_path / "fine.wav", tone(440))
    write(tmp_path / "empty.wav", tone(440)[:0])
    cut = write(tmp_path / "cut.wav", tone(440))
    cut.write_bytes(cut.read_bytes()[:-4000])
    write(tmp_path / "wide.wav", np.zeros((100, 9), dtype=np.float32))
    write(tmp_path / "slow.wav", tone(440)[:100], rate=1000)
    (tmp_path / "text.wav").write_text("no sound", encoding="utf-8")
    with pytest.raises(BadDataError) as told:
        decode([ClipFile(path=path, name=path.name, root=tmp_path) for path in sorted(tmp_path.iterdir())], rate=RATE)
    text = str(told.value)
    assert text.startswith(f"{tmp_path}: cut.wav: is cut off")
    assert "empty.wav: holds no sound" in text
    assert "slow.wav: has 1,000 samples a second, not 4,000 to 384,000" in text
    assert "text.wav: cannot be read as sound" in text
    assert "wide.wav: has 9 channels, more than the 8" in text
    assert "fine" not in text


@pytest.mark.parametrize("suffix", [".flac", ".ogg"])
def test_a_compressed_clip_that_was_cut_off_is_refused(tmp_path, suffix) -> None:
    place = write(tmp_path / f"a{suffix}", tone(440, seconds=3, seed=5))
    data = place.read_bytes()
    place.write_bytes(data[: len(data) // 2])
    with pytest.raises(BadDataError):
        read_clip(place, rate=RATE)


def test_a_clip_of_an_hour_is_refused_by_its_header_alone(tmp_path) -> None:
    place = write(tmp_path / "a.wav", np.zeros(70 * 4000, dtype=np.float32), rate=4000)
    with pytest.raises(BadDataError, match=r"is 70 s long, more than the 60 s .* cut it into clips"):
        read_clip(place, rate=RATE)
    assert len(read_clip(place, rate=4000, limits=ClipLimits(seconds=80)).samples) == 280_000


def test_a_silent_clip_and_one_that_is_cut_at_full_scale_are_noted(tmp_path) -> None:
    assert read_clip(write(tmp_path / "a.wav", np.zeros(1000, dtype=np.float32)), rate=RATE).silent
    assert read_clip(write(tmp_path / "b.wav", np.clip(tone(440) * 8, -1, 1)), rate=RATE).clipped


def test_clips_are_told_apart_by_what_they_hold_and_not_by_their_names(tmp_path) -> None:
    places = [write(tmp_path / name, tone(hz)) for name, hz in (("a.wav", 440), ("b.wav", 440), ("c.wav", 441))]
    first, same, other = (read_clip(place, rate=RATE).digest for place in places)
    assert first == same != other


def test_a_long_recording_comes_in_blocks_that_are_together_the_whole(tmp_path) -> None:
    wave = tone(440, seconds=5.3, rate=22050, seed=2)
    blocks = list(in_blocks(write(tmp_path / "a.wav", wave, rate=22050), rate=RATE, seconds=2))
    assert [len(block) for block in blocks[:-1]] == [2 * RATE] * 2
    joined, whole = np.concatenate(blocks), resampled(wave, 22050, RATE)
    assert abs(len(joined) - len(whole)) <= 1
    assert np.abs(joined[: len(whole)] - whole[: len(joined)]).max() < 2e-3
    (tmp_path / "b.wav").write_bytes(b"no sound")
    with pytest.raises(BadDataError, match=r"b\.wav cannot be read as sound"):
        list(in_blocks(tmp_path / "b.wav", rate=RATE, seconds=2))


def test_loudness_is_brought_to_a_level_without_cutting_a_sample_off() -> None:
    quiet = tone(440, loud=0.01)
    found = levelled(quiet, decibels=-20)
    assert 20 * np.log10(np.sqrt(np.mean(found**2))) == pytest.approx(-20, abs=0.1)
    assert np.abs(levelled(quiet, decibels=0)).max() == pytest.approx(1)
    assert not levelled(np.zeros(10, dtype=np.float32), decibels=-20).any()
