"""What no single section of a recipe can see: settings that its task does not read, data that is another task's.

In:  a recipe's values, as far as they are there.
Out: every disagreement with its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgewright.base.untrusted import Location
from edgewright.specs.recipe.data import DATA_SUFFIXES, TABLE_SUFFIXES, TAGGED_SUFFIXES, Columns
from edgewright.specs.recipe.section import joined, section_of
from edgewright.specs.recipe.task import BUILTIN_DATA, COLUMNS, IMAGES, NEEDED_COLUMN, READ_BY, WITH_LABELS


def disagreements(values: Mapping[str, Any]) -> list[tuple[Location, str]]:
    """The faults between a recipe's sections, found in its values as far as they are there."""
    task, data = section_of(values, "task"), section_of(values, "data")
    kind, builtin = task.get("kind"), data.get("builtin")
    if not isinstance(kind, str) or kind not in COLUMNS:
        return []  # told by the field itself; what the kind implies is not known
    found = _task_faults(kind, task)
    if isinstance(builtin, str) and BUILTIN_DATA.get(builtin, kind) != kind:
        found.append((("data", "builtin"), f"{builtin} is for {BUILTIN_DATA[builtin]}, but task.kind is {kind}"))
    elif builtin is not None and task.get("labels"):
        found.append((("task", "labels"), "is for files of yours; a built-in set has its own"))
    found.extend(_data_faults(kind, data))
    made = section_of(values, "stages")
    found.extend(_kind_faults(kind, made))
    if kind == "token-classification" and section_of(made, "account").get("attributions"):
        place = ("stages", "account", "attributions")
        found.append((place, "tell what one answer for a text rests on; here each of its words has its own"))
    found.extend(_unit_faults(kind, made))
    return found


def _kind_faults(kind: str, made: Mapping[str, Any]) -> list[tuple[Location, str]]:
    """Settings of stages that this kind of task does not read: they would change nothing."""
    found: list[tuple[Location, str]] = []
    for name, kinds in READ_BY.items():
        *around, last = name.split(".")
        section = made
        for part in around:
            section = section_of(section, part)
        if kind not in kinds and section.get(last) is not None:
            why = f"is for {joined(kinds)}; {kind} does not read it: {_KIND_REASONS.get(name, 'leave it out')}"
            found.append((("stages", *around, last), why))
    return found


_KIND_REASONS = {
    "finetune": "an embedding teacher is used as it is",
    "prune.speedup": "prune.keep_macs says what share of the products stays",
    "distill.projection": "its head has a matrix of its own",
    "distill.temperature": "there are no classes for it to soften",
}


def _unit_faults(kind: str, made: Mapping[str, Any]) -> list[tuple[Location, str]]:
    """Trainings that are measured in the unit of another kind's examples."""
    of_images = kind == "image-classification"
    wrong, right = ("train_tokens", "train_images") if of_images else ("train_images", "train_tokens")
    places = (("distill",), ("distill", "finish"), ("quantize", "aware"))
    found: list[tuple[Location, str]] = []
    for place in places:
        section = made
        for name in place:
            section = section_of(section, name)
        if section.get(wrong) is not None:
            found.append((("stages", *place, wrong), f"is not for {kind}, whose training is measured by {right}"))
    return found


def _task_faults(kind: str, task: Mapping[str, Any]) -> list[tuple[Location, str]]:
    of_images = kind == "image-classification"
    found: list[tuple[Location, str]] = []
    if task.get("image_size") is not None and not of_images:
        found.append((("task", "image_size"), f"is for images; {kind} reads text"))
    if task.get("max_length") is not None and of_images:
        found.append((("task", "max_length"), f"is for text; {kind} has image_size"))
    if task.get("labels") and kind not in WITH_LABELS:
        found.append((("task", "labels"), f"is for {', '.join(WITH_LABELS)}; {kind} has none"))
    return found


def _data_faults(kind: str, data: Mapping[str, Any]) -> list[tuple[Location, str]]:
    of_images = kind == "image-classification"
    columns = section_of(data, "columns")
    needed = NEEDED_COLUMN.get(kind)
    found: list[tuple[Location, str]] = []
    if columns and (what := _without_columns(kind, data)):
        found.append((("data", "columns"), f"is for tables whose columns have names; {what} has none, so leave it out"))
    if needed and columns.get(needed) is None and (data.get("file") is not None or data.get("train") is not None):
        found.append((("data", "columns"), f"must name the column {needed}, which {kind} learns from"))
    for column in columns:
        if column == "pair" and kind in ("classification", "regression"):
            found.append((("data", "columns", "pair"), _ONE_TEXT.format(kind=kind)))
        elif column in Columns.model_fields and column not in COLUMNS[kind]:
            found.append((("data", "columns", column), f"is none that {kind} reads; it reads {joined(COLUMNS[kind])}"))
    suffixes = TAGGED_SUFFIXES if kind == "token-classification" else TABLE_SUFFIXES
    for name in ("file", "train", "validation", "test"):
        if data.get(name) is None:
            continue
        path = Path(str(data[name]))
        suffix = path.suffix.lower()
        if suffix in DATA_SUFFIXES and suffix not in suffixes:
            found.append((("data", name), f"{path.name!r} is not for {kind}, which reads {joined(suffixes)}"))
        elif suffix not in DATA_SUFFIXES and name != "file" and not of_images:
            found.append((("data", name), f"{path.name!r} is a folder, but {kind} reads {joined(suffixes)}"))
    tables = [str(data[name]) for name in ("file", "train", "validation", "test") if data.get(name) is not None]
    if data.get("separator", ",") != "," and not any(table.lower().endswith(".csv") for table in tables):
        found.append((("data", "separator"), "is that of .csv files, and no file of the recipe is one"))
    misplaced = ("extra_text", "extra_text_packages") if of_images else ("folder", "extra_images")
    for name in misplaced:
        if data.get(name):
            found.append((("data", name), f"is for {'text' if of_images else 'images'}, but task.kind is {kind}"))
    return found


def _without_columns(kind: str, data: Mapping[str, Any]) -> str:
    """What holds the examples, where none of it has named columns: images in folders, words and tags a line."""
    given = [data[name] for name in ("file", "folder", "train", "validation", "test") if data.get(name) is not None]
    suffixes = {Path(str(place)).suffix.lower() for place in given}
    if kind == IMAGES and given and suffixes.isdisjoint(DATA_SUFFIXES) and data.get("file") is None:
        return "a folder of images"
    if kind == "token-classification" and given and suffixes.isdisjoint(TABLE_SUFFIXES):
        return "a file of words and tags a line"
    return ""


_ONE_TEXT = (
    "is for embedding: a model for {kind} is given one text, and pairs of texts are not supported; write both into one "
    "column, with words between that tell them apart, and fit the teacher to such texts (stages.finetune.again = true)"
)
