"""Images as numbers, from files that PIL reads.

In:  `ImageFile`s: a folder with a sub-folder a label, a table of paths and labels, or any folder without labels.
Out: `Decoded`: pixels of one size, and a digest of each image as it came.
All unreadable images are reported at once. What is larger than PIL's limit against decompression bombs is refused.
"""

from __future__ import annotations

import hashlib
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgewright.base.progress import OnProgress
from edgewright.data import readers
from edgewright.data.entries import shown_entries
from edgewright.data.faults import FAULTS_SHOWN, raise_faults
from edgewright.data.splits import shortened
from edgewright.errors import BadDataError

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
FORMATS = ("PNG", "JPEG", "BMP", "WEBP")  # PIL knows many more, some of which run programs
PROGRESS_EVERY = 64  # images
Framed = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]  # a picture at its own size to the size of all
GREY = ("1", "L", "LA", "La", "I", "F", "I;16", "I;16B", "I;16L")


@dataclass(frozen=True, kw_only=True)
class ImageFile:
    """A file, its label ("" where it has none), and what it is called where it is shown."""

    path: Path
    label: str
    name: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Decoded:
    """`pixels` is (images, height, width, 1 or 3) in uint8; `digests` tell the images apart as they were in the file.

    There is one channel where every image is grey.
    """

    pixels: NDArray[np.uint8]
    digests: tuple[str, ...]


def labelled_files(
    place: Path, *, image: str, label: str, labels: Sequence[str] = (), separator: str = ","
) -> list[ImageFile]:
    """The images of a folder or a table, with their labels; each must be one of `labels` where there are any.

    A table's paths start from its folder. Raises `BadDataError` with every fault.
    """
    if place.suffix.lower() in readers.TABLES and not place.is_dir():
        rows = readers.read_rows(place, {"image": image, "label": label}, labels=labels, separator=separator)
        named = [(str(row["image"]), str(row["label"])) for row in rows]
        return [ImageFile(path=place.parent / name, label=own, name=name) for name, own in named]
    return _of_label_folders(place, labels)


def plain_files(folder: Path) -> list[ImageFile]:
    """Every image of a folder and of the folders in it, without labels."""
    faults: list[str] = []
    images = [ImageFile(path=path, label="", name=name) for path, name in _images_in(folder, folder, faults)]
    raise_faults(folder, faults, "convert or remove these files")
    return images


def decode(
    files: Sequence[ImageFile],
    size: tuple[int, int] | None,
    *,
    on_progress: OnProgress | None = None,
    framed: Framed | None = None,
) -> Decoded:
    """Read all files; each is `framed` to one size, or resized to `size`, (height, width), whatever its proportions.

    `on_progress` hears how many are read, and how many there are.

    Raises `BadDataError` for files that are no images, for images too large to be meant, and, where no size is given,
    for images of different sizes.
    """
    arrays: list[NDArray[np.uint8]] = []
    digests: list[str] = []
    sizes: Counter[tuple[int, int]] = Counter()
    faults: list[str] = []
    for number, file in enumerate(files):
        if on_progress and not number % PROGRESS_EVERY:
            on_progress(number, len(files))
        try:
            pixels, digest, shape = _pixels(file.path, size, framed)
        except BadDataError as error:
            faults.append(f"{file.name}: {error}")
            continue
        sizes[pixels.shape[:2] if framed else shape] += 1
        if size is not None or len(sizes) == 1:  # of images that will not fit together, none but the sizes is kept
            arrays.append(pixels)
            digests.append(digest)
    where = f"{len(faults)} of {len(files)} images cannot be used"
    if faults:
        shown = "; ".join(faults[:FAULTS_SHOWN])
        more = f" and {len(faults) - FAULTS_SHOWN} more" if len(faults) > FAULTS_SHOWN else ""
        raise BadDataError(f"{where}: {shown}{more}; replace or remove them")
    if size is None and len(sizes) > 1:
        raise BadDataError(_of_different_sizes(sizes))
    return Decoded(pixels=_stacked(arrays, size), digests=tuple(digests))


def resized(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """One image, (height, width) or (height, width, 3), at another size."""
    from PIL import Image as images

    scaled = images.fromarray(pixels).resize((size[1], size[0]), images.Resampling.BILINEAR)
    return np.asarray(scaled, dtype=np.uint8)


def _of_label_folders(place: Path, labels: Sequence[str]) -> list[ImageFile]:
    faults: list[str] = []
    labelled: list[ImageFile] = []
    outside = False
    for entry in shown_entries(place):
        if not entry.is_dir():
            faults.append(f"{entry.name} lies in no label's folder")
            continue
        if labels and entry.name not in labels:
            outside = True
            faults.append(f"the folder {entry.name} is none of the labels")
        images = list(_images_in(entry, place, faults))
        if not images:
            faults.append(f"the folder {entry.name} holds no image")
        labelled.extend(ImageFile(path=path, label=entry.name, name=name) for path, name in images)
    remedy = "there must be a folder a label, with images in it"
    raise_faults(place, faults, readers.outside_remedy(labels) if outside else remedy)
    return labelled


def _images_in(folder: Path, root: Path, faults: list[str]) -> Iterator[tuple[Path, str]]:
    """(path, name within `root`) of each image, in the order of names; hidden files are passed over."""
    for entry in shown_entries(folder):
        name = entry.relative_to(root).as_posix()
        if entry.is_dir():
            yield from _images_in(entry, root, faults)
        elif entry.suffix.lower() in SUFFIXES:
            yield entry, name
        else:
            faults.append(f"{name} is no image ({', '.join(SUFFIXES)})")


def _pixels(
    path: Path, size: tuple[int, int] | None, framed: Framed | None
) -> tuple[NDArray[np.uint8], str, tuple[int, int]]:
    """Pixels, the digest of the image as it came, and its (height, width) then."""
    from PIL import Image as images
    from PIL import ImageOps, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", images.DecompressionBombWarning)
            with images.open(path, formats=FORMATS) as opened:
                pixels = _plain(ImageOps.exif_transpose(opened))
    except (images.DecompressionBombError, images.DecompressionBombWarning) as error:
        raise BadDataError(f"more than {images.MAX_IMAGE_PIXELS:,} pixels, as decompression bombs have") from error
    except UnidentifiedImageError as error:
        raise BadDataError(f"not an image ({', '.join(FORMATS)})") from error
    except OSError as error:
        raise BadDataError(f"cannot be read: {error.strerror or error}") from error
    except (SyntaxError, ValueError, EOFError, MemoryError, IndexError, TypeError) as error:  # damage, as PIL tells it
        raise BadDataError(f"damaged ({error})") from error
    shape = (pixels.shape[0], pixels.shape[1])
    digest = hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()
    if framed is not None:
        pixels = framed(pixels)
    elif size is not None and size != shape:
        pixels = resized(pixels, size)
    return pixels, digest, shape


def _plain(image: Image) -> NDArray[np.uint8]:
    """Grey (height, width) or colour (height, width, 3), in uint8; what is transparent stands on white."""
    from PIL import Image as images

    if image.mode in ("I", "I;16", "I;16B", "I;16L"):  # 16 bits a pixel; PIL would cut them at 255
        return np.asarray(np.clip(np.asarray(image), 0, 65535) // 256).astype(np.uint8)
    if image.has_transparency_data:
        coloured = image.convert("RGBA")
        ground = images.new("RGBA", coloured.size, (255, 255, 255, 255))
        flat = images.alpha_composite(ground, coloured)
        return np.asarray(flat.convert("L" if image.mode in GREY else "RGB"), dtype=np.uint8)
    return np.asarray(image.convert("L" if image.mode in GREY else "RGB"), dtype=np.uint8)


def _stacked(arrays: Sequence[NDArray[np.uint8]], size: tuple[int, int] | None) -> NDArray[np.uint8]:
    """(images, height, width, channels); where one image has colours, all get three channels."""
    if not arrays:
        return np.zeros((0, *(size or (1, 1)), 1), dtype=np.uint8)
    channels = 3 if any(array.ndim == 3 for array in arrays) else 1
    stacked = np.empty((len(arrays), *arrays[0].shape[:2], channels), dtype=np.uint8)
    for place, array in enumerate(arrays):
        stacked[place] = array if array.ndim == 3 else array[:, :, None]
    return stacked


def _of_different_sizes(sizes: Counter[tuple[int, int]]) -> str:
    ordered: Iterable[tuple[tuple[int, int], int]] = sizes.most_common()
    listed = [f"{height} × {width} ({count})" for (height, width), count in ordered]
    return (
        f"the images have {len(sizes)} sizes, height × width: {shortened(listed)}; "
        "set task.image_size, to which all are resized"
    )
