"""The tasks there are, by the name that a recipe gives as `task.kind`.

In:  a name.
Out: a `Task`, imported when it is first asked for; none of ours imports torch for that.
"""

from __future__ import annotations

from edgewright.base.registry import Registry, instance_of
from edgewright.tasks.task import AnyTask, Task

TASKS: Registry[AnyTask] = Registry(
    "task",
    {
        "embedding": "edgewright.tasks.embedding:EMBEDDING",
        "classification": "edgewright.tasks.classification:CLASSIFICATION",
        "token-classification": "edgewright.tasks.token_classification:TOKEN_CLASSIFICATION",
        "regression": "edgewright.tasks.regression:REGRESSION",
        "image-classification": "edgewright.tasks.image_classification:IMAGE_CLASSIFICATION",
        "language-modelling": "edgewright.tasks.language_modelling:LANGUAGE_MODELLING",
        "text-generation": "edgewright.tasks.text_generation:TEXT_GENERATION",
    },
    group="edgewright.tasks",
    check=instance_of("task", Task),
)


def task_of(kind: str) -> AnyTask:
    """The task of this name. Raises `UnknownNameError` with the nearest names."""
    return TASKS[kind]
