"""What no single section of a recipe can see: settings that its task does not read, data that is another task's.

In:  a recipe's values, as far as they are there.
Out: every disagreement with its place.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edgewright.base.untrusted import Location
from edgewright.errors import nearest
from edgewright.specs.budget import OF_GENERATION
from edgewright.specs.recipe.data import TABLE_SUFFIXES, TEXT_SUFFIXES, Columns, data_suffixes
from edgewright.specs.recipe.export import runtimes
from edgewright.specs.recipe.section import Values, joined, section_of
from edgewright.specs.recipe.task import TaskDescription, described_task, described_tasks

Faults = list[tuple[Location, str]]


def disagreements(values: Values) -> Faults:
    """The faults between a recipe's sections, found in its values as far as they are there."""
    kind = section_of(values, "task").get("kind")
    task = described_task(kind) if isinstance(kind, str) else None
    if not isinstance(kind, str) or task is None:
        return []  # reported by the field itself; what the kind implies is not known
    stages = section_of(values, "stages")
    return [
        *_task_faults(kind, task, values),
        *_data_faults(kind, task, section_of(values, "data")),
        *_setting_faults(kind, task, stages),
        *_unit_faults(kind, task, stages),
        *_budget_faults(kind, task, section_of(values, "budget")),
        *_generation_faults(kind, task, values),
    ]


def _those_with(has: Callable[[TaskDescription], bool]) -> list[str]:
    """The names of the tasks of which something is true."""
    return [kind for kind, task in described_tasks().items() if has(task)]


def _task_faults(kind: str, task: TaskDescription, values: Values) -> Faults:
    faults: Faults = []
    settings, data = section_of(values, "task"), section_of(values, "data")
    for setting in sorted({setting for each in described_tasks().values() for setting in each.inputs - task.inputs}):
        section, name = setting.split(".")
        if section_of(values, section).get(name):
            readers = {each.examples for each in described_tasks().values() if setting in each.inputs}
            what = f"is for {joined(sorted(readers))}, but task.kind is {kind}, which reads {task.examples}"
            why = f"; {task.reasons[setting]}" if setting in task.reasons else ""
            faults.append(((section, name), what + why))
    if settings.get("labels") and not task.has_labels:
        having = ", ".join(_those_with(lambda each: each.has_labels))
        faults.append((("task", "labels"), f"is for {having}; {kind} has none"))
    builtin = data.get("builtin")
    learned_by = _those_with(lambda each: builtin in each.builtin_data)
    if learned_by and kind not in learned_by:
        faults.append((("data", "builtin"), f"{builtin} is for {joined(learned_by)}, but task.kind is {kind}"))
    elif builtin is not None and settings.get("labels"):
        faults.append((("task", "labels"), "is for files of yours; a built-in set has its own"))
    if not task.attributable and section_of(section_of(values, "stages"), "account").get("attributions"):
        place = ("stages", "account", "attributions")
        faults.append((place, "tell what one answer for a text rests on; here each of its words has its own"))
    return faults


def _setting_faults(kind: str, task: TaskDescription, stages: Values) -> Faults:
    """Settings of stages that this task does not read, and another does: they would change nothing."""
    faults: Faults = []
    others = {name for each in described_tasks().values() for name in each.settings - task.settings}
    for name in sorted(others | task.unread):
        *around, last = name.split(".")
        section = stages
        for part in around:
            section = section_of(section, part)
        if section.get(last) is not None:
            readers = joined([other for other, each in described_tasks().items() if _reads(each, name, task)])
            why = f"is for {readers}; {kind} does not read it: {task.reasons.get(name, 'leave it out')}"
            faults.append((("stages", *around, last), why))
    return faults


def _reads(other: TaskDescription, name: str, task: TaskDescription) -> bool:
    """Whether another task reads a setting that this one does not."""
    return name not in other.unread if name in task.unread else name in other.settings


def _generation_faults(kind: str, task: TaskDescription, values: Values) -> Faults:
    """Texts that are too long for the task; of one that writes what artifacts of a cache cannot be."""
    faults: Faults = []
    longest = section_of(values, "task").get("max_length")
    if isinstance(longest, int) and longest > task.longest:
        faults.append((("task", "max_length"), f"must be at most {task.longest} for {kind}, not {longest}"))
    export = section_of(section_of(values, "stages"), "export")
    if not task.generates:
        return faults
    batch, named = export.get("batch"), export.get("runtimes")
    if isinstance(batch, int) and batch > 1:
        place = ("stages", "export", "batch")
        faults.append((place, f"is not for {kind}, whose artifacts write one text at a time; leave it out"))
    known = runtimes()
    for name in named if isinstance(named, list | tuple) else ():
        if name in known and not known[name].generates:
            able = [other for other, each in known.items() if each.generates]
            what = f"{name} has no operator that writes rows of a cache; {kind} takes {joined(able)}"
            faults.append((("stages", "export", "runtimes"), what))
    return faults


def _unit_faults(kind: str, task: TaskDescription, stages: Values) -> Faults:
    """Trainings that are measured in the unit of another task's examples."""
    faults: Faults = []
    units = sorted({each.training_unit for each in described_tasks().values()} - {task.training_unit})
    for place in (("distill",), ("distill", "final_phase"), ("quantize", "qat")):
        section = stages
        for name in place:
            section = section_of(section, name)
        for unit in units:
            if section.get(unit) is not None:
                what = f"is not for {kind}, whose training is measured by {task.training_unit}"
                faults.append((("stages", *place, unit), what))
    return faults


def _budget_faults(kind: str, task: TaskDescription, budget: Values) -> Faults:
    """Limits of what is never measured of this task's models: one inference, or the writing of text."""
    if task.generates:
        why = f"is of one inference, and {kind} writes token by token: set first_token_ms and tokens_per_second"
        return [(("budget", "latency_ms"), why)] if budget.get("latency_ms") is not None else []
    why = f"is of models that generate text, which those for {kind} do not: set latency_ms, or leave it out"
    return [(("budget", name), why) for name in OF_GENERATION if budget.get(name) is not None]


def _data_faults(kind: str, task: TaskDescription, data: Values) -> Faults:
    faults, known = [*_column_faults(kind, task, data)], data_suffixes()
    tables = {name: str(data[name]) for name in ("file", "train", "validation", "test") if data.get(name) is not None}
    for name, table in tables.items():
        path = Path(table)
        suffix = path.suffix.lower()
        if suffix in known and suffix not in task.suffixes:
            faults.append((("data", name), f"{path.name!r} is not for {kind}, which reads {joined(task.suffixes)}"))
        elif suffix not in known and name != "file" and not _reads_folders(task):
            faults.append((("data", name), f"{path.name!r} is a folder, but {kind} reads {joined(task.suffixes)}"))
    if data.get("separator", ",") != "," and not any(table.lower().endswith(".csv") for table in tables.values()):
        faults.append((("data", "separator"), "is that of .csv files, and no file of the recipe is one"))
    return faults


def _reads_folders(task: TaskDescription) -> bool:
    return "data.folder" in task.inputs


def _column_faults(kind: str, task: TaskDescription, data: Values) -> Faults:
    faults: Faults = []
    columns, needed = section_of(data, "columns"), task.needed_column
    if columns and (what := _without_columns(task, data)):
        faults.append(
            (("data", "columns"), f"is for tables whose columns have names; {what} has none, so leave it out")
        )
    if needed and columns.get(needed) is None and (data.get("file") is not None or data.get("train") is not None):
        faults.append((("data", "columns"), f"must name the column {needed}, which {kind} learns from"))
    for column in columns:
        if column == "pair" and "text" in task.columns and column not in task.columns:
            faults.append((("data", "columns", "pair"), _ONE_TEXT.format(kind=kind)))
        elif column not in task.columns:
            known = {*Columns.model_fields, *(name for each in described_tasks().values() for name in each.columns)}
            reads = f"it reads {joined(task.columns)}" if task.columns else "its files have no columns with names"
            why = f"is none that {kind} reads; {reads}"
            unknown = f"is not a known key; {nearest(column, task.columns)}"
            faults.append((("data", "columns", column), why if column in known else unknown))
    return faults


def _without_columns(task: TaskDescription, data: Values) -> str:
    """What holds the examples, where none of it has named columns: folders, text files, words and tags a line."""
    sources = [data[name] for name in ("file", "folder", "train", "validation", "test") if data.get(name) is not None]
    suffixes = {Path(str(place)).suffix.lower() for place in sources}
    if _reads_folders(task) and sources and suffixes.isdisjoint(data_suffixes()) and data.get("file") is None:
        return f"a folder of {task.examples.removesuffix('s')}s"
    if suffixes and suffixes <= set(TEXT_SUFFIXES) and "tags" not in task.columns:
        return "a text file"
    if "tags" in task.columns and sources and suffixes.isdisjoint(TABLE_SUFFIXES):
        return "a file of words and tags a line"
    return ""


_ONE_TEXT = (
    "is for embedding: a model for {kind} is given one text, and pairs of texts are not supported; write both into one "
    "column, with words between that tell them apart, and fit the teacher to such texts (stages.finetune.refit = true)"
)
