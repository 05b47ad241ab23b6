import pytest

from edgewright.data.clip_files import labelled_clips, speaker_in, transcribed_clips
from edgewright.errors import BadDataError
from tests.sounds import tone, two_tones, write


def test_each_sub_folder_is_a_label_and_speech_commands_names_tell_who_speaks(tmp_path) -> None:
    clips = labelled_clips(two_tones(tmp_path, each=7, speakers=6))
    assert [clip.label for clip in clips] == ["high"] * 7 + ["low"] * 7
    assert clips[0].name == "high/00000000_nohash_0.wav"
    assert len({clip.source for clip in clips}) == 6
    assert speaker_in("hello_world.wav") == ""


def test_a_table_names_clips_labels_and_speakers(tmp_path) -> None:
    (tmp_path / "a.csv").write_text("file,word,who\nx/1.wav,on,ann\n2.flac,off,bob\n", encoding="utf-8")
    clips = labelled_clips(tmp_path / "a.csv", audio="file", label="word", source="who", labels=("on", "off"))
    assert [(clip.path, clip.label, clip.source) for clip in clips] == [
        (tmp_path / "x" / "1.wav", "on", "ann"),
        (tmp_path / "2.flac", "off", "bob"),
    ]
    with pytest.raises(BadDataError, match="line 3: word is 'off'"):
        labelled_clips(tmp_path / "a.csv", audio="file", label="word", labels=("on",))


def test_all_that_is_no_labelled_clip_is_told_at_once(tmp_path) -> None:
    write(tmp_path / "on" / "a.wav", tone(440))
    (tmp_path / "on" / "a.doc").write_bytes(b"")
    (tmp_path / "loose.wav").write_bytes(b"")
    (tmp_path / "off").mkdir()
    with pytest.raises(BadDataError) as told:
        labelled_clips(tmp_path, labels=("off",))
    for part in (
        "loose.wav: lies in no label's folder",
        "off: is a folder that holds no clip",
        "on/a.doc: is no sound",
    ):
        assert part in str(told.value)
    assert "on: is the name of a folder and none of the labels" in str(told.value)


def test_transcripts_lie_beside_the_recordings_at_any_depth(tmp_path) -> None:
    for name, text in (("ann/1", "Hello  there\n"), ("ann/2", "Über"), ("3", "three")):
        write(tmp_path / f"{name}.wav", tone(440))
        (tmp_path / f"{name}.txt").write_text(text, encoding="utf-8")
    clips = transcribed_clips(tmp_path)
    assert [(clip.name, clip.text, clip.source) for clip in clips] == [
        ("3.wav", "three", ""),
        ("ann/1.wav", "Hello there", "ann"),
        ("ann/2.wav", "Über", "ann"),
    ]
    (tmp_path / "3.txt").unlink()
    (tmp_path / "ann" / "1.txt").write_text(" \n", encoding="utf-8")
    with pytest.raises(BadDataError, match=r"3\.wav: has no transcript beside it; ann/1\.wav: has an empty transcript"):
        transcribed_clips(tmp_path)


def test_a_table_names_recordings_and_their_transcripts(tmp_path) -> None:
    (tmp_path / "a.jsonl").write_text('{"audio": "1.wav", "text": "hello"}\n', encoding="utf-8")
    (clip,) = transcribed_clips(tmp_path / "a.jsonl")
    assert (clip.path, clip.text) == (tmp_path / "1.wav", "hello")
