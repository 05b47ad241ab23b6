"""Clips of sound to learn from and to be judged by, in parts that share neither a clip nor a speaker.

In:  a recipe's `[data]` and `[task]` sections.
Out: `Sounds`: mono clips of any length at one rate; and a fingerprint that changes exactly when they do.
Which files there are is `clip_files`' concern, decoding them `sound_files`'.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save_file

from edgewright.base.progress import OnProgress
from edgewright.base.untrusted import parse_json
from edgewright.data import readers
from edgewright.data.agreement import Agreement, Row, agreement_of
from edgewright.data.clip_files import ClipFile, labelled_clips
from edgewright.data.part_folders import part_folders
from edgewright.data.sound_files import FULL_SCALE, Clip, decode
from edgewright.data.splits import PARTS, SplitName, check_labels, check_sizes, part_of, shortened
from edgewright.errors import BadDataError
from edgewright.specs.recipe import Data, Split, TaskSettings

_SAVED = (*PARTS, "extra")
_PATHS = {"file", "folder", "train", "validation", "test", "extra_text", "extra_images"}
Pcm = NDArray[np.int16]


@dataclass(frozen=True, kw_only=True, eq=False)
class SoundPart:
    """Clips in 16 bits, one channel each and of any length, with a label, a source and a name each."""

    clips: tuple[Pcm, ...] = ()
    labels: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.clips)


@dataclass(frozen=True, kw_only=True, eq=False)
class Sounds:
    """A task's clips at one `rate`; `configured` are the labels that the recipe names, in the model's order."""

    train: SoundPart
    validation: SoundPart
    test: SoundPart
    extra: SoundPart
    rate: int
    configured: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels in the order of the model's classes: as configured, or the training part's, sorted."""
        return self.configured or tuple(sorted(set(self.train.labels)))

    @property
    def agreement(self) -> Agreement:
        """Whether equal clips have equal labels, and stand in one part alone."""
        return agreement_of({name: _as_rows(getattr(self, name)) for name in PARTS})

    def save(self, path: Path) -> None:
        """Write as one safetensors file: a part's clips one behind the other, all else as metadata."""
        parts = {name: getattr(self, name) for name in _SAVED}
        words = {
            name: {
                "lengths": [len(clip) for clip in part.clips],
                "labels": part.labels,
                "sources": part.sources,
                "names": part.names,
            }
            for name, part in parts.items()
        }
        stated = {"parts": words, "rate": self.rate, "configured": self.configured, "notes": self.notes}
        joined = {name: np.concatenate([np.zeros(0, np.int16), *part.clips]) for name, part in parts.items()}
        save_file(joined, path, metadata={"sounds": json.dumps(stated)})

    @classmethod
    def load(cls, path: Path) -> Sounds:
        """Read what `save` wrote."""
        with safe_open(path, framework="numpy") as file:
            stated = parse_json(file.metadata()["sounds"], name=str(path))
            parts = {name: _loaded(file.get_tensor(name), words) for name, words in stated["parts"].items()}
        return cls(**parts, rate=stated["rate"], configured=tuple(stated["configured"]), notes=tuple(stated["notes"]))


@dataclass(frozen=True, kw_only=True, eq=False)
class Heap:
    """Clips before they are in parts."""

    files: Sequence[ClipFile]
    clips: Sequence[Clip]

    @property
    def keys(self) -> list[str]:
        """What decides the part of each: its source, so that no speaker is in two parts, or else the clip itself."""
        return [file.source or clip.digest for file, clip in zip(self.files, self.clips, strict=True)]

    def part(self, places: Sequence[int]) -> SoundPart:
        """The part that these clips are."""
        return SoundPart(
            clips=tuple(as_pcm(self.clips[place].samples) for place in places),
            labels=tuple(self.files[place].label for place in places),
            sources=tuple(self.files[place].source for place in places),
            names=tuple(self.files[place].name for place in places),
        )

    def notes(self) -> tuple[str, ...]:
        """What is odd about clips that can be used all the same."""
        silent = [file.name for file, clip in zip(self.files, self.clips, strict=True) if clip.silent]
        clipped = [file.name for file, clip in zip(self.files, self.clips, strict=True) if clip.clipped]
        return (
            *([f"{len(silent)} clips are silent from end to end: {shortened(silent)}"] if silent else []),
            *([f"{len(clipped)} clips are cut off at full scale: {shortened(clipped)}"] if clipped else []),
        )


def as_pcm(samples: NDArray[np.float32]) -> Pcm:
    """Samples from -1 to 1 in 16 bits."""
    rounded: Pcm = np.clip(np.rint(samples * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)
    return rounded


def as_float(clips: Pcm) -> NDArray[np.float32]:
    """The reverse of `as_pcm`."""
    found: NDArray[np.float32] = clips.astype(np.float32) / np.float32(FULL_SCALE)
    return found


def fingerprint(data: Data, task: TaskSettings) -> str:
    """A digest of everything `load_sounds` reads: each file's content, name, label and source."""
    stated = [data.model_dump_json(exclude=_PATHS), task.kind, task.labels, task.sample_rate]
    digest = hashlib.sha256(json.dumps(stated).encode())
    for role, files in _files(data, task).items():
        for file in files:
            found = [role, file.label, file.source, file.name, readers.content_digest(file.path)]
            digest.update(json.dumps(found).encode())
    return digest.hexdigest()


def load_sounds(data: Data, task: TaskSettings, *, on_progress: OnProgress | None = None) -> Sounds:
    """Read, resample, split and check the clips; `on_progress` hears how many are read, and how many there are.

    Raises `BadDataError` with every file that is no sound; for a label outside those configured, an empty part, or a
    clip or a speaker in two parts.
    """
    roles = _files(data, task)
    files = [file for role in roles.values() for file in role]
    heap = Heap(files=files, clips=decode(files, rate=task.sample_rate, on_progress=on_progress))
    return in_parts(heap, {role: len(each) for role, each in roles.items()}, data.split, task)


def in_parts(heap: Heap, counts: dict[str, int], split: Split, task: TaskSettings) -> Sounds:
    """A heap in parts: `counts` says how many of it are of "all" that is split, or of each part. Raises as above."""
    places = _places(heap, counts, split)
    _check(heap, places, task)
    return Sounds(
        **{name: heap.part(places[name]) for name in _SAVED},
        rate=task.sample_rate,
        configured=task.labels,
        notes=heap.notes(),
    )


def parts_of(data: Data, task: TaskSettings) -> dict[SplitName, Path]:
    """The folder of each part, where `data.folder` holds parts and not labels; empty otherwise."""
    parts = part_folders(data.folder, task.labels) if data.folder else {}
    if parts and data.split != Split():
        names = ", ".join(folder.name for folder in parts.values())
        raise BadDataError(f"{data.folder} is in parts already ({names}); remove data.split, which would cut it anew")
    return parts


def _files(data: Data, task: TaskSettings) -> dict[str, list[ClipFile]]:
    """The files by what they are for: "all" that is to be split, or each part."""
    parts = parts_of(data, task)
    unsplit = None if parts else data.file or data.folder
    by_part = {"all": unsplit, "train": data.train, "validation": data.validation, "test": data.test}
    named: dict[str, Path | None] = {**by_part, **{str(part): folder for part, folder in parts.items()}}
    columns = data.columns
    return {
        role: labelled_clips(
            path,
            audio=columns.audio,
            label=columns.label or "label",
            source=columns.source,
            labels=task.labels,
            separator=data.separator,
        )
        for role, path in named.items()
        if path is not None
    }


def _places(heap: Heap, counts: dict[str, int], split: Split) -> dict[str, list[int]]:
    """The clips of each part; those of one source fall into the same part, and so do those alike."""
    places: dict[str, list[int]] = {name: [] for name in _SAVED}
    keys, start = heap.keys, 0
    for role, count in counts.items():
        own = range(start, start + count)
        start += count
        if role != "all":
            places[role].extend(own)
            continue
        for place in own:
            places[part_of(keys[place], test=split.test, validation=split.validation)].append(place)
    return places


def _check(heap: Heap, places: dict[str, list[int]], task: TaskSettings) -> None:
    check_sizes((name, len(places[name])) for name in ("train", "test"))

    def labels_of(parts: Iterable[str]) -> set[str]:
        return {heap.files[place].label for part in parts for place in places[part]}

    check_labels(labels_of(["train"]), labels_of(["validation", "test"]), task.labels)
    digests = {heap.clips[place].digest: heap.files[place].name for place in places["train"]}
    if shared := [place for place in places["test"] if heap.clips[place].digest in digests]:
        name, in_train = heap.files[shared[0]].name, digests[heap.clips[shared[0]].digest]
        raise BadDataError(
            f"{len(shared)} clips stand in both train and test, such as {name} (in train: {in_train}); remove them "
            "from one"
        )
    speakers = {heap.files[place].source for place in places["train"]} - {""}
    if both := sorted(speakers & {heap.files[place].source for place in places["test"]}):
        raise BadDataError(
            f"{len(both)} sources have clips in both train and test: {shortened(both)}; keep what has one source in "
            "one part"
        )


def _as_rows(part: SoundPart) -> list[Row]:
    """By their samples."""
    return [
        Row(key=hashlib.sha256(clip.tobytes()).digest(), answer=label, name=name)
        for clip, label, name in zip(part.clips, part.labels, part.names, strict=True)
    ]


def _loaded(samples: Pcm, words: dict[str, list[str]]) -> SoundPart:
    ends = np.cumsum([0, *(int(length) for length in words["lengths"])])
    return SoundPart(
        clips=tuple(samples[start:end] for start, end in pairwise(ends)),
        labels=tuple(words["labels"]),
        sources=tuple(words["sources"]),
        names=tuple(words["names"]),
    )
