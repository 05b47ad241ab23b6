"""Whether a folder of examples holds labels, or the parts train, validation and test with labels in them.

In:  a folder, and the labels that the recipe names.
Out: the part that each sub-folder is, or nothing where the sub-folders are labels.
What is unclear is not guessed: two classes named "train" and "val" would be learned without a fault.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from edgewright.data.splits import PARTS, SplitName, shortened
from edgewright.errors import BadDataError

NAMES: Mapping[str, SplitName] = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}  # in lower case


def part_folders(place: Path, labels: Sequence[str] = ()) -> dict[SplitName, Path]:
    """The sub-folder of each part; empty where the sub-folders are labels, as they are where `labels` name them.

    Raises `BadDataError` where some sub-folders are named as parts are, but are not clearly the parts: beside others,
    two of them for one part, without labels' folders in them, or without train or test.
    """
    entries = sorted(_entries(place))
    folders = [entry for entry in entries if entry.is_dir()]
    alike = [folder for folder in folders if folder.name.lower() in NAMES and folder.name not in labels]
    if not alike:
        return {}
    by_part: dict[SplitName, Path] = {}
    for folder in alike:
        part = NAMES[folder.name.lower()]
        if part in by_part:
            raise _unclear(place, alike, f"{by_part[part].name} and {folder.name} would both be its {part} part")
        by_part[part] = folder
    if others := [entry.name for entry in entries if entry not in alike]:
        raise _unclear(place, alike, f"{shortened(others)} beside {'it' if len(alike) == 1 else 'them'} is not")
    for folder in alike:
        if not any(entry.is_dir() for entry in _entries(folder)):
            raise _unclear(place, alike, f"{folder.name} holds no folder a label")
    if missing := [part for part in ("train", "test") if part not in by_part]:
        raise _unclear(place, alike, f"there is none for {' and '.join(missing)}")
    return {part: by_part[part] for part in PARTS if part in by_part}


def _entries(folder: Path) -> list[Path]:
    try:
        return [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    except OSError as error:
        raise BadDataError(f"{folder} cannot be read: {error.strerror}; check the path in the recipe") from error


def _unclear(place: Path, alike: Sequence[Path], why: str) -> BadDataError:
    names = [folder.name for folder in alike]
    verb = "is named as a part of the data is" if len(names) == 1 else "are named as parts of the data are"
    return BadDataError(
        f"{place}: {' and '.join(names)} {verb}, but {why}; say which folder is which with data.train, data.test and "
        f"data.validation, or, where these are classes, name all of them in task.labels"
    )
