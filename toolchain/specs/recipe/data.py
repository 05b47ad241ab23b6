"""The section [data]: where the examples come from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from edgewright.specs.recipe.section import FilePath, Section, Text, resolved

TABLE_SUFFIXES = (".csv", ".jsonl", ".parquet")
TAGGED_SUFFIXES = (".jsonl", ".parquet", ".conll", ".txt")
DATA_SUFFIXES = tuple(dict.fromkeys((*TABLE_SUFFIXES, *TAGGED_SUFFIXES)))


def _of_known_format(path: Path) -> Path:
    if path.suffix.lower() not in DATA_SUFFIXES:
        raise ValueError(f"{path.name!r} is of no known format; give a file ending in {', '.join(DATA_SUFFIXES)}")
    return path


def _of_known_format_or_folder(path: Path) -> Path:
    return path if not path.suffix or path.is_dir() else _of_known_format(path)


DataPath = Annotated[Path, AfterValidator(resolved), AfterValidator(_of_known_format)]
PartPath = Annotated[Path, AfterValidator(resolved), AfterValidator(_of_known_format_or_folder)]


class Columns(Section):
    """The data files' columns, of which each kind of task reads its own.

    The text, and the text that answers it (embedding), its label (classification) or its value (regression); a list
    of words and one of their tags (token classification); an image's path beside the file, and its label.
    """

    text: Text = "text"
    pair: Text | None = None
    label: Text | None = None
    value: Text | None = None
    words: Text = "words"
    tags: Text = "tags"
    image: Text = "image"


class Split(Section):
    """The shares of a single file that are held out, chosen by a stable hash of each text."""

    test: Annotated[float, Field(gt=0, lt=1)] = 0.3
    validation: Annotated[float, Field(ge=0, lt=1)] = 0.1

    @model_validator(mode="after")
    def _leaves_some_to_train(self) -> Split:
        if self.test + self.validation >= 1:
            raise ValueError(
                f"test and validation take {self.test + self.validation:g} of the rows; less than 1 must go"
            )
        return self


class Data(Section):
    """Where the examples come from: a built-in set, one file or folder to be split, or one of these for each part.

    A folder is of images: a sub-folder a label, or the parts train, val and test, each with a sub-folder a label.
    `separator` stands between the cells of .csv files. `extra_text` (a text a line) and `extra_images` (a folder,
    whatever lies how deep in it) have no labels and are there to distil from.
    """

    builtin: Literal["stdlib-search", "stdlib-packages", "stdlib-parameters", "digits"] | None = None
    file: DataPath | None = None
    folder: FilePath | None = None
    train: PartPath | None = None
    validation: PartPath | None = None
    test: PartPath | None = None
    columns: Columns = Columns()
    separator: Literal[",", ";", "\t", "|"] = ","
    split: Split = Split()
    extra_text: FilePath | None = None
    extra_text_packages: tuple[Text, ...] = ()
    extra_images: FilePath | None = None

    @model_validator(mode="after")
    def _one_origin(self) -> Data:
        given = [name for name in ("builtin", "file", "folder", "train") if getattr(self, name) is not None]
        if len(given) != 1:
            found = " and ".join(given) if given else "none"
            raise ValueError(f"needs exactly one of builtin, file, folder and train; found {found}")
        if self.train is not None and self.test is None:
            raise ValueError("train needs test beside it: a file of examples held out")
        for name in ("test", "validation"):
            if getattr(self, name) is not None and self.train is None:
                raise ValueError(f"{name} belongs beside train and has no meaning with {given[0]}")
        if self.file is None and self.folder is None and self.split != Split():
            raise ValueError(f"split is for a single file or folder; with {given[0]} the parts are already apart")
        if self.builtin is not None and self.columns != Columns():
            raise ValueError("columns are for files of yours; a built-in set has its own")
        if self.extra_text_packages and self.builtin is None:
            raise ValueError("extra_text_packages belongs to the built-in set; give extra_text for files of yours")
        return self
