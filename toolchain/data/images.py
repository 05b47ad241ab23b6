"""Images to learn from and to be judged by, in three parts that share no image.

In:  a recipe's `[data]` and `[task]` sections.
Out: `Images`, and a fingerprint that changes exactly when they do.
Decoding files is `image_files`' concern; floats, normalising and channels are the models'.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save_file

from edgewright.base.progress import OnProgress
from edgewright.data import readers
from edgewright.data.agreement import Agreement, Row, agreement_of
from edgewright.data.image_files import Framed, ImageFile, decode, labelled_files, plain_files, resized
from edgewright.data.part_folders import part_folders
from edgewright.data.splits import PARTS, SplitName, check_labels, check_sizes, part_of
from edgewright.errors import BadDataError
from edgewright.specs.recipe import Data, Split, TaskSettings

DIGIT_LEVELS = 16
_PATHS = {"file", "folder", "train", "validation", "test", "extra_text", "extra_images"}


@dataclass(frozen=True, kw_only=True, eq=False)
class ImagePart:
    """Images (n, height, width, channels) in uint8, with a label ("" where there is none) and a name each."""

    pixels: NDArray[np.uint8]
    labels: tuple[str, ...]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.pixels)


@dataclass(frozen=True, kw_only=True, eq=False)
class Images:
    """A task's images, all of one shape; `extra` has no labels and is there to distil from.

    `configured` are the labels the recipe names, in the order of the model's classes, if it does.
    """

    train: ImagePart
    validation: ImagePart
    test: ImagePart
    extra: ImagePart
    configured: tuple[str, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels in the order of the model's classes: as configured, or the training part's, sorted."""
        return self.configured or tuple(sorted(set(self.train.labels)))

    @property
    def agreement(self) -> Agreement:
        """Whether equal images have equal labels, and stand in one part alone."""
        return agreement_of({name: _as_rows(getattr(self, name)) for name in PARTS})

    @property
    def training_pixels(self) -> NDArray[np.uint8]:
        """All images a student may see: of the training part, then the extra ones."""
        return np.concatenate([self.train.pixels, self.extra.pixels])

    def save(self, path: Path) -> None:
        """Write as one safetensors file; labels and names are its metadata."""
        parts = {name: getattr(self, name) for name in _SAVED}
        words = {name: {"labels": part.labels, "names": part.names} for name, part in parts.items()}
        stated = {"parts": json.dumps(words), "configured": json.dumps(self.configured)}
        pixels = {name: np.ascontiguousarray(part.pixels) for name, part in parts.items()}
        save_file(pixels, path, metadata=stated)

    @classmethod
    def load(cls, path: Path) -> Images:
        """Read what `save` wrote."""
        with safe_open(path, framework="numpy") as file:
            stated = file.metadata()
            words = json.loads(stated["parts"])
            parts = {
                name: ImagePart(
                    pixels=file.get_tensor(name), labels=tuple(stored["labels"]), names=tuple(stored["names"])
                )
                for name, stored in words.items()
            }
        return cls(**parts, configured=tuple(json.loads(stated["configured"])))


def _as_rows(part: ImagePart) -> list[Row]:
    """By their pixels."""
    return [
        Row(key=hashlib.sha256(pixels.tobytes()).digest(), answer=label, name=name)
        for pixels, label, name in zip(part.pixels, part.labels, part.names, strict=True)
    ]


_SAVED = (*PARTS, "extra")


@dataclass(frozen=True, kw_only=True, eq=False)
class _Heap:
    """Images before they are in parts."""

    pixels: NDArray[np.uint8]
    digests: Sequence[str]
    labels: Sequence[str]
    names: Sequence[str]

    def taken(self, places: Sequence[int]) -> ImagePart:
        """The part that these images are."""
        return ImagePart(
            pixels=self.pixels[list(places)],
            labels=tuple(self.labels[place] for place in places),
            names=tuple(self.names[place] for place in places),
        )

    def followed_by(self, other: _Heap) -> _Heap:
        """Both heaps in one, in colour where either is."""
        channels = max(self.pixels.shape[-1], other.pixels.shape[-1])
        wide = [np.broadcast_to(each.pixels, (*each.pixels.shape[:-1], channels)) for each in (self, other)]
        return _Heap(
            pixels=np.concatenate(wide),
            digests=[*self.digests, *other.digests],
            labels=[*self.labels, *other.labels],
            names=[*self.names, *other.names],
        )


def fingerprint(data: Data, task: TaskSettings) -> str:
    """A digest of everything `load_images` reads: each file's content and name, or scikit-learn's version."""
    stated = [data.model_dump_json(exclude=_PATHS), task.kind, task.labels, task.image_size]
    digest = hashlib.sha256(json.dumps(stated).encode())
    if data.builtin:
        digest.update(metadata.version("scikit-learn").encode())
    for role, files in _files(data, task).items():
        for file in files:
            digest.update(json.dumps([role, file.label, file.name, readers.content_digest(file.path)]).encode())
    return digest.hexdigest()


def load_images(
    data: Data, task: TaskSettings, *, on_progress: OnProgress | None = None, framed: Framed | None = None
) -> Images:
    """Read, resize, split and check the images; `on_progress` hears how many are read, and how many there are.

    Each is `framed` to one size where that is given, as a model's own processor does it.

    Raises `BadDataError` with every file that is no image; for images of different sizes where `task.image_size` is
    not set; for a label outside those configured, an empty part, or an image in two parts.
    """
    roles = _files(data, task)
    files = [file for role in roles.values() for file in role]
    counts = {role: len(files) for role, files in roles.items()}
    if data.builtin:
        heap = _digits(task.image_size, framed)
        counts = {"all": len(heap.labels), **counts}
        if files:
            height, width = heap.pixels.shape[1:3]
            heap = heap.followed_by(_heap_of(files, (height, width), on_progress, framed))
    else:
        heap = _heap_of(files, task.image_size, on_progress, framed)
    places = _places(heap, counts, data.split)
    _check(heap, places, task)
    return Images(**{name: heap.taken(places[name]) for name in _SAVED}, configured=task.labels)


def parts_of(data: Data, task: TaskSettings) -> dict[SplitName, Path]:
    """The folder of each part, where `data.folder` holds parts and not labels; empty otherwise.

    Raises `BadDataError` where that is unclear, and where a split is asked for beside them.
    """
    for name, place in (("train", data.train), ("validation", data.validation), ("test", data.test)):
        if place is not None and place.is_dir() and part_folders(place, task.labels):
            raise BadDataError(
                f"{place} holds the parts of the data, but is given as data.{name}; give it as data.folder alone"
            )
    parts = part_folders(data.folder, task.labels) if data.folder else {}
    if parts and data.split != Split():
        names = ", ".join(folder.name for folder in parts.values())
        raise BadDataError(f"{data.folder} is in parts already ({names}); remove data.split, which would cut it anew")
    return parts


def _files(data: Data, task: TaskSettings) -> dict[str, list[ImageFile]]:
    """The files by what they are for: "all" that is to be split, or each part; and "extra"."""
    parts = parts_of(data, task)
    unsplit = None if parts else data.file or data.folder
    by_part = {"all": unsplit, "train": data.train, "validation": data.validation, "test": data.test}
    named: dict[str, Path | None] = {**by_part, **{str(part): folder for part, folder in parts.items()}}
    image, label = data.columns.image, data.columns.label or "label"
    files = {
        role: labelled_files(path, image=image, label=label, labels=task.labels, separator=data.separator)
        for role, path in named.items()
        if path is not None
    }
    files["extra"] = plain_files(data.extra_images) if data.extra_images else []
    return files


def _places(heap: _Heap, counts: dict[str, int], split: Split) -> dict[str, list[int]]:
    """The images of each part. Those alike fall into the same part; an extra image that is held out is left out."""
    places: dict[str, list[int]] = {name: [] for name in _SAVED}
    start = 0
    extra: range = range(0)
    for role, count in counts.items():
        own = range(start, start + count)
        start += count
        if role == "extra":
            extra = own
        elif role != "all":
            places[role].extend(own)
        else:
            for place in own:
                part: SplitName = part_of(heap.digests[place], test=split.test, validation=split.validation)
                places[part].append(place)
    known = {heap.digests[place] for name in PARTS for place in places[name]}
    for place in extra:
        if heap.digests[place] not in known:
            known.add(heap.digests[place])
            places["extra"].append(place)
    return places


def _check(heap: _Heap, places: dict[str, list[int]], task: TaskSettings) -> None:
    check_sizes((name, len(places[name])) for name in ("train", "test"))

    def labels_of(parts: Iterable[str]) -> set[str]:
        return {heap.labels[place] for part in parts for place in places[part]}

    check_labels(labels_of(["train"]), labels_of(["validation", "test"]), task.labels)
    first = {heap.digests[place]: heap.names[place] for place in places["train"]}
    shared = [heap.names[place] for place in places["test"] if heap.digests[place] in first]
    if shared:
        in_train = next(first[heap.digests[place]] for place in places["test"] if heap.names[place] == shared[0])
        raise BadDataError(
            f"{len(shared)} images stand in both train and test, such as {shared[0]} (in train: {in_train}); "
            "remove them from one"
        )


def _heap_of(
    files: Sequence[ImageFile], size: tuple[int, int] | None, on_progress: OnProgress | None, framed: Framed | None
) -> _Heap:
    decoded = decode(files, size, on_progress=on_progress, framed=framed)
    return _Heap(
        pixels=decoded.pixels,
        digests=decoded.digests,
        labels=[file.label for file in files],
        names=[file.name for file in files],
    )


def _digits(size: tuple[int, int] | None, framed: Framed | None) -> _Heap:
    """scikit-learn's handwritten digits: 1797 grey images of 8 × 8, their 17 levels spread over a byte."""
    from sklearn.datasets import load_digits

    levels, digits = load_digits(return_X_y=True)
    pixels = np.rint(levels.reshape(-1, 8, 8) * (255 / DIGIT_LEVELS)).astype(np.uint8)
    digests = [hashlib.sha256(image.tobytes()).hexdigest() for image in pixels]
    if framed is not None:
        pixels = np.stack([framed(image) for image in pixels])
    elif size is not None:
        pixels = np.stack([resized(image, size) for image in pixels])
    return _Heap(
        pixels=pixels[..., None],
        digests=digests,
        labels=[str(digit) for digit in digits],
        names=[f"digit {number}" for number in range(len(digits))],
    )
