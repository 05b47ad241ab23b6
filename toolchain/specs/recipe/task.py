"""The section [task]: what the model is for."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Annotated, Protocol

from pydantic import AfterValidator, BeforeValidator, Field

from edgewright.errors import InputError, ToolchainError, nearest
from edgewright.specs.recipe.section import LEAST_LENGTH, LONGEST_CONTEXT, Section, Text, each_once, setting


class TaskDescription(Protocol):
    """What a recipe needs to know of a task; `edgewright.tasks.task.Task` says what each of these is."""

    @property
    def modality(self) -> str: ...  # noqa: D102
    @property
    def examples(self) -> str: ...  # noqa: D102
    @property
    def inputs(self) -> frozenset[str]: ...  # noqa: D102
    @property
    def columns(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def needed_column(self) -> str | None: ...  # noqa: D102
    @property
    def suffixes(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def builtin_data(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def has_labels(self) -> bool: ...  # noqa: D102
    @property
    def fitted(self) -> bool: ...  # noqa: D102
    @property
    def settings(self) -> frozenset[str]: ...  # noqa: D102
    @property
    def unread(self) -> frozenset[str]: ...  # noqa: D102
    @property
    def reasons(self) -> Mapping[str, str]: ...  # noqa: D102
    @property
    def training_unit(self) -> str: ...  # noqa: D102
    @property
    def attributable(self) -> bool: ...  # noqa: D102
    @property
    def longest(self) -> int: ...  # noqa: D102
    @property
    def generates(self) -> bool: ...  # noqa: D102


def task_descriptions() -> Mapping[str, TaskDescription]:
    """The tasks there are, by name. They lie in a room above, and are loaded when a recipe is read."""
    tasks: Mapping[str, TaskDescription] = import_module("edgewright.tasks.table").TASKS
    return tasks


def described_task(kind: str) -> TaskDescription | None:
    """The task of this name; None where there is none, or a plug-in's cannot be loaded."""
    try:
        return task_descriptions().get(kind)
    except ToolchainError:
        return None


def described_tasks() -> dict[str, TaskDescription]:
    """The tasks that can be loaded, by name."""
    described = {kind: described_task(kind) for kind in task_descriptions()}
    return {kind: task for kind, task in described.items() if task is not None}


def _known_task(kind: str) -> str:
    tasks = task_descriptions()
    if kind not in tasks:
        names = list(tasks)
        raise ValueError(f'"{kind}" is not one of {", ".join(names)}; {nearest(kind, names)}')
    try:
        tasks[kind]
    except InputError as error:  # a plug-in that cannot be loaded
        raise ValueError(str(error)) from error
    return kind


TaskKind = Annotated[str, AfterValidator(_known_task)]
LARGEST_IMAGE_SIDE = 4096


def _image_size(value: object) -> tuple[int, int] | None:
    sides = value if isinstance(value, list | tuple) else (value, value)
    if value is None:
        return None
    if len(sides) == 2 and all(type(side) is int and 0 < side <= LARGEST_IMAGE_SIDE for side in sides):
        return (sides[0], sides[1])
    raise ValueError(f"must be a side in pixels from 1 to {LARGEST_IMAGE_SIDE}, or [height, width], not {value!r}")


ImageSize = Annotated[tuple[int, int] | None, BeforeValidator(_image_size)]


_KINDS = (
    "What the model is for: embedding, classification, token-classification, regression, language-modelling, "
    "text-generation, image-classification, or a task that an installed package adds."
)


class TaskSettings(Section):
    """What the model is for."""

    kind: Annotated[TaskKind, Field(description=_KINDS)]
    max_length: Annotated[int, Field(ge=LEAST_LENGTH, le=LONGEST_CONTEXT)] = setting(
        128,
        "Longer texts are cut there, at most at 512; a model that writes is trained and judged on rows of so many "
        "tokens, at most as many as it has positions.",
        unit="tokens",
        costs="latency and memory grow with it",
    )
    labels: Annotated[tuple[Text, ...], AfterValidator(each_once)] = setting(
        (),
        "All labels that the data may hold, in the order of the model's classes; those of the training part, "
        "sorted, where none are given.",
    )
    image_size: ImageSize = setting(
        None,
        "What images are resized to: a side, or [height, width], each up to 4096; the model's own size where none is "
        "given.",
        unit="pixels",
        costs="latency grows with the area",
    )

    chat_template: bool = setting(
        True,
        "Whether a prompt is asked as a message, by the chat template of a model that has one: in training, scoring "
        "and use alike; with false it is read as it stands.",
    )

    @property
    def description(self) -> TaskDescription:
        """What the task of this kind reads and answers."""
        return task_descriptions()[self.kind]
