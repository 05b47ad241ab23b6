"""What a task of one's own has without saying so, and how one is registered."""

import pytest
import torch

from edgewright.errors import InputError
from edgewright.specs.recipe import TaskSettings
from edgewright.tasks.classification import Classification
from edgewright.tasks.scores import Scale
from edgewright.tasks.table import TASKS
from edgewright.tasks.task import OF_TEXTS, Question, Task


class Ordinal(Classification):
    """Labels in an order, one output fewer than there are labels."""

    columns = ("text", "label")

    def outputs(self, labels: tuple[str, ...]) -> int:  # type: ignore[override]
        return len(labels) - 1


def test_a_task_of_ones_own_is_one_of_texts_that_no_teacher_needs_a_scale_for() -> None:
    task: Task[object] = Task()
    assert (task.modality, task.settings, task.per_token, task.searched) == ("text", OF_TEXTS, False, False)
    assert task.scale(object()) == Scale()
    targets = [torch.tensor(1), torch.tensor(2)]
    assert task.aligned(targets, []) == targets
    assert task.batch(targets).tolist() == [1, 2]
    with pytest.raises(NotImplementedError):
        task.outputs(())


def test_a_recipe_may_name_a_task_that_somebody_registered_and_only_then() -> None:
    with TASKS.registered("ordinal", Ordinal()):
        assert TaskSettings(kind="ordinal").description.needed_column == "label"
        assert TASKS["ordinal"].outputs(("low", "middle", "high")) == 2
    with pytest.raises(ValueError, match='"ordinal" is not one of embedding, '):
        TaskSettings(kind="ordinal")


def test_what_is_no_task_is_not_registered() -> None:
    with pytest.raises(InputError, match="the task 'mine' is a dict, not a Task"), TASKS.registered("mine", {}):
        pass


def test_a_question_searches_nothing_unless_it_has_an_index() -> None:
    assert Question(text="a", top=3).search([1.0]) == []
