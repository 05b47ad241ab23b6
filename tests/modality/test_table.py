"""The modalities there are, ours and those that a package adds."""

from types import SimpleNamespace

import pytest

from edgewright.errors import InputError, UnknownNameError
from edgewright.modality.base import Modality
from edgewright.modality.table import MODALITIES
from edgewright.tasks.table import TASKS


def test_every_task_names_a_modality_that_there_is() -> None:
    assert {TASKS[name].modality for name in TASKS} <= set(MODALITIES)


@pytest.mark.parametrize("name", ["text", "image"])
def test_a_modality_says_its_name_and_what_its_examples_are_called(name: str) -> None:
    found = MODALITIES[name]
    assert isinstance(found, Modality)
    assert (found.name, found.examples_name) == (name, f"{name}s")


def test_a_name_that_is_none_is_told_with_those_there_are() -> None:
    with pytest.raises(UnknownNameError, match="text"):
        _ = MODALITIES["txt"]


def test_what_is_no_modality_is_refused_and_a_name_is_taken_once() -> None:
    with pytest.raises(InputError, match="not a Modality"), MODALITIES.registered("sound", SimpleNamespace()):
        pass
    with pytest.raises(InputError, match="already"), MODALITIES.registered("text", MODALITIES["text"]):
        pass
