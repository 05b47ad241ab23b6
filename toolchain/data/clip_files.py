"""Which files of sound there are, and the label, the transcript and the speaker of each.

In:  a folder with a sub-folder a label, or of recordings with a `.txt` beside each; or a table of paths.
Out: `ClipFile`s; every fault of a folder or table at once. Reading their sound is `sound_files`' concern.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgewright.data import readers
from edgewright.data.entries import shown_entries
from edgewright.data.faults import Faults
from edgewright.errors import BadDataError

SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".pcm", ".raw")
TRANSCRIPT = ".txt"
_SPEAKER_OF_COMMANDS = re.compile(r"^([0-9a-f]{6,})_nohash_\d+$")  # as Speech Commands names its recordings


@dataclass(frozen=True, kw_only=True)
class ClipFile:
    """A file of sound, and what it is called where it is shown.

    `label` and `text` are "" where it has none; `source` is who speaks or where it was recorded, "" where that is not
    known. `root` is the folder or the table that it was found by.
    """

    path: Path
    name: str
    root: Path
    label: str = ""
    text: str = ""
    source: str = ""


def labelled_clips(
    place: Path,
    *,
    audio: str = "audio",
    label: str = "label",
    source: str | None = None,
    labels: Sequence[str] = (),
    separator: str = ",",
) -> list[ClipFile]:
    """The clips of a folder or a table, with their labels; each must be one of `labels` where there are any.

    A table's paths start from its folder; `audio`, `label` and `source` are its columns. In a folder each sub-folder is
    a label. Raises `BadDataError` with every fault.
    """
    if _is_table(place):
        fields = {"audio": audio, "label": label, **({"source": source} if source else {})}
        return _of_rows(place, readers.read_rows(place, fields, labels=labels, separator=separator))
    return _of_label_folders(place, labels)


def transcribed_clips(
    place: Path, *, audio: str = "audio", text: str = "text", source: str | None = None, separator: str = ","
) -> list[ClipFile]:
    """The recordings of a table with their transcripts, or of a folder at any depth with a `.txt` beside each.

    In a folder the sub-folder that a recording lies in is its source. Raises `BadDataError` with every fault.
    """
    if _is_table(place):
        fields = {"audio": audio, "text": text, **({"source": source} if source else {})}
        return _of_rows(place, readers.read_rows(place, fields, separator=separator))
    faults = Faults(place)
    clips = []
    for path, name in _files_in(place, place, faults, beside=(TRANSCRIPT,)):
        parent = path.parent.relative_to(place).as_posix()
        try:
            text_beside = transcript_of(path)
        except BadDataError as error:
            faults.add(name, str(error), f"write what is said into a {TRANSCRIPT} of the same name")
            continue
        clips.append(ClipFile(path=path, name=name, root=place, text=text_beside, source=parent.strip(".")))
    faults.raise_any()
    return clips


def transcript_of(path: Path) -> str:
    """What a recording's `.txt` beside it says was said. Raises `BadDataError` where there is none, or no text."""
    place = path.with_suffix(TRANSCRIPT)
    if not place.is_file():
        raise BadDataError("has no transcript beside it")
    text = " ".join(readers.text_of(place).split())
    if not text:
        raise BadDataError("has an empty transcript")
    return text


def speaker_in(name: str) -> str:
    """Who speaks, where a file is named as Speech Commands does ("3f3b_nohash_0"); "" elsewhere."""
    found = _SPEAKER_OF_COMMANDS.match(Path(name).stem)
    return found[1] if found else ""


def _is_table(place: Path) -> bool:
    return place.suffix.lower() in readers.TABLES and not place.is_dir()


def _of_rows(place: Path, rows: Iterable[Mapping[str, object]]) -> list[ClipFile]:
    """Of a table's rows by field; "" for what it has no column of."""
    return [
        ClipFile(
            path=place.parent / str(row["audio"]),
            name=str(row["audio"]),
            root=place,
            **{name: str(row.get(name, "")) for name in ("label", "text", "source")},
        )
        for row in rows
    ]


def _of_label_folders(place: Path, labels: Sequence[str]) -> list[ClipFile]:
    faults = Faults(place)
    clips: list[ClipFile] = []
    remedy = "there must be a folder a label, with clips in it"
    for entry in shown_entries(place):
        if not entry.is_dir():
            faults.add(entry.name, "lies in no label's folder", remedy)
            continue
        if labels and entry.name not in labels:
            faults.add(entry.name, "is the name of a folder and none of the labels", readers.outside_remedy(labels))
        own = list(_files_in(entry, place, faults))
        if not own:
            faults.add(entry.name, "is a folder that holds no clip", remedy)
        clips.extend(
            ClipFile(path=path, name=name, root=place, label=entry.name, source=speaker_in(name)) for path, name in own
        )
    faults.raise_any()
    return clips


def _files_in(folder: Path, root: Path, faults: Faults, *, beside: Sequence[str] = ()) -> Iterator[tuple[Path, str]]:
    """(path, name within `root`) of each clip, in the order of names; hidden files and those `beside` are left out."""
    for entry in shown_entries(folder):
        name = entry.relative_to(root).as_posix()
        if entry.is_dir():
            yield from _files_in(entry, root, faults, beside=beside)
        elif entry.suffix.lower() in SUFFIXES:
            yield entry, name
        elif entry.suffix.lower() not in beside:
            faults.add(name, "is no sound", f"convert it to one of {', '.join(SUFFIXES)}, or remove it")
