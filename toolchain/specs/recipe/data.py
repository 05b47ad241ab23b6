"""The section [data]: where the examples come from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from edgewright.specs.recipe.section import FilePath, Section, Text, resolved, setting
from edgewright.specs.recipe.task import described_tasks

TABLE_SUFFIXES = (".csv", ".jsonl", ".parquet")
TEXT_SUFFIXES = (".txt", ".md")
TAGGED_SUFFIXES = (".jsonl", ".parquet", ".conll", ".txt")


def data_suffixes() -> tuple[str, ...]:
    """The endings of the files that some task reads: ours, and those that installed packages add."""
    added = (suffix for task in described_tasks().values() for suffix in task.suffixes)
    return tuple(dict.fromkeys((*TABLE_SUFFIXES, *TAGGED_SUFFIXES, *added)))


def _of_known_format(path: Path) -> Path:
    known = data_suffixes()
    if path.suffix.lower() not in known:
        raise ValueError(f"{path.name!r} is of no known format; give a file ending in {', '.join(known)}")
    return path


def _of_known_format_or_folder(path: Path) -> Path:
    return path if not path.suffix or path.is_dir() else _of_known_format(path)


DataPath = Annotated[Path, AfterValidator(resolved), AfterValidator(_of_known_format)]
PartPath = Annotated[Path, AfterValidator(resolved), AfterValidator(_of_known_format_or_folder)]


class Columns(Section):
    """The data files' columns, of which each task reads its own.

    A task of an installed package may read others than these; which there are is known once the task is (`agreement`).
    """

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, Text]

    text: Text = setting("text", "The column of the text.")
    pair: Text | None = setting(None, "That of the text which answers it.")
    label: Text | None = setting(None, "That of its label.")
    value: Text | None = setting(None, "That of its value.")
    words: Text = setting("words", "That of a list of words.")
    tags: Text = setting("tags", "That of a list of one tag for each word.")
    prompt: Text = setting("prompt", "That of what a text is to follow.")
    completion: Text = setting("completion", "That of the text which follows its prompt.")
    source: Text | None = setting(None, "That of where a document comes from: what has one source stays in one part.")
    image: Text = setting("image", "That of an image's path, beside the file.")

    def of(self, name: str) -> str | None:
        """The file's column for what a task calls `name`; None for one that the recipe must name, and does not.

        One that is not ours is called as the task calls it, unless the recipe says otherwise.
        """
        column: str | None = getattr(self, name) if name in type(self).model_fields else self.others.get(name, name)
        return column

    @property
    def others(self) -> Mapping[str, str]:
        """The columns that are not ours, as the recipe names them."""
        return self.model_extra or {}


class Split(Section):
    """The shares of a single file that are held out."""

    test: Annotated[float, Field(gt=0, lt=1)] = setting(
        0.3, "What of a single file is held out to be judged by, chosen by a stable hash of each text.", unit="share"
    )
    validation: Annotated[float, Field(ge=0, lt=1)] = setting(
        0.1, "What is held out to end trainings by.", unit="share"
    )

    @model_validator(mode="after")
    def _leaves_some_to_train(self) -> Split:
        if self.test + self.validation >= 1:
            raise ValueError(
                f"test and validation take {self.test + self.validation:g} of the rows; less than 1 must go"
            )
        return self


class Data(Section):
    """Where the examples come from: a built-in set, one file or folder to be split, or one of these for each part."""

    builtin: (
        Literal[
            "stdlib-search", "stdlib-packages", "stdlib-parameters", "digits", "docstrings", "docstring-summaries"
        ]
        | None
    ) = setting(None, "A data set that comes with Edgewright.")  # fmt: skip
    file: DataPath | None = setting(None, "One file of examples, to be split.")
    folder: FilePath | None = setting(
        None,
        "A folder of images: a sub-folder for each label, or the parts train, val and test with such sub-folders. Of "
        "language modelling a folder of text files (.txt, .md), at any depth.",
    )
    train: PartPath | None = setting(None, "The examples that are trained on: a file, or a folder of images.")
    validation: PartPath | None = setting(None, "The examples that trainings are ended by.")
    test: PartPath | None = setting(None, "The examples that models are judged by.")
    columns: Columns = setting(Columns(), "The columns of a table.")
    document: Literal["file", "paragraph", "line"] | None = setting(
        None,
        "What a document is in text files: a file, what blank lines part, or a line. In a folder it is a file, and in "
        "a file alone a paragraph, where nothing is said.",
    )
    separator: Literal[",", ";", "\t", "|"] = setting(",", "What stands between the cells of .csv files.")
    split: Split = setting(Split(), "The shares of a single file that are held out.")
    extra_text: FilePath | None = setting(
        None, "A file with a text a line, without labels, to distil from.", costs="a longer training"
    )
    extra_text_packages: tuple[Text, ...] = setting(
        (), "Installed packages whose docstrings are distilled from, beside a built-in set.", costs="a longer training"
    )
    extra_images: FilePath | None = setting(
        None, "A folder of images without labels, at any depth, to distil from.", costs="a longer training"
    )

    @model_validator(mode="after")
    def _one_origin(self) -> Data:
        origins = [name for name in ("builtin", "file", "folder", "train") if getattr(self, name) is not None]
        if len(origins) != 1:
            named = " and ".join(origins) if origins else "none"
            raise ValueError(f"needs exactly one of builtin, file, folder and train; found {named}")
        if self.train is not None and self.test is None:
            raise ValueError("train needs test beside it: a file of examples held out")
        for name in ("test", "validation"):
            if getattr(self, name) is not None and self.train is None:
                raise ValueError(f"{name} belongs beside train and has no meaning with {origins[0]}")
        if self.file is None and self.folder is None and self.split != Split():
            raise ValueError(f"split is for a single file or folder; with {origins[0]} the parts are already apart")
        if self.builtin is not None and self.columns != Columns():
            raise ValueError("columns are for files of yours; a built-in set has its own")
        if self.document is not None and self.builtin is not None:
            raise ValueError("document is for text files of yours; a built-in set has its own")
        if self.extra_text_packages and self.builtin is None:
            raise ValueError("extra_text_packages belongs to the built-in set; give extra_text for files of yours")
        return self
