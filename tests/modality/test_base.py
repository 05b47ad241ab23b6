"""What a new modality need not say has a sensible answer, and what it must say is told where it is missing."""

from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest
import torch

from edgewright.errors import InputError
from edgewright.modality.base import PARTS, Dataset, Modality, Reading

UNUSED: Any = None


def completed(base: type) -> Any:
    """A class that answers all that must be said with nothing."""
    said = {name: lambda *_, **__: None for name in base.__abstractmethods__}  # type: ignore[attr-defined]
    return type(f"Small{base.__name__}", (base,), said)


@pytest.mark.parametrize(
    ("base", "must"),
    [
        (Dataset, {"save", "labelled", "sample", "to_record", "recorded", "example", "outputs", "attribution"}),
        (Modality, {"check_source", "fingerprint", "read", "load_teacher", "dataset"}),
    ],
)
def test_what_must_be_said_is_told_by_name_where_it_is_not(base: type, must: set[str]) -> None:
    assert must <= base.__abstractmethods__  # type: ignore[attr-defined]
    for missing in sorted(must):
        lacking = type("Lacking", (completed(base),), {missing: getattr(base, missing)})
        with pytest.raises(TypeError, match=missing):
            lacking()
    completed(base)()


def test_a_dataset_knows_no_pairs_and_leaves_models_and_outputs_as_they_are(tmp_path: Path) -> None:
    dataset = completed(Dataset)()
    model, outputs = object(), torch.ones(2, 3)
    assert dataset.partners(tmp_path) is None
    assert dataset.adapted(model) is model
    assert dataset.as_scored(outputs, UNUSED, UNUSED) is outputs
    assert dict(dataset.facts) == {}
    assert dataset.usual_size(8) == 1
    with pytest.raises(InputError, match="no questions and answers to search"):
        dataset.corpus()


def test_a_modality_has_neither_a_vocabulary_nor_a_length_of_its_own() -> None:
    modality = completed(Modality)()
    assert [modality.has_vocabulary, modality.has_length, modality.ranks_first, modality.plans_sizes] == [False] * 4
    assert modality.counted_units == 1
    assert modality.batch_setting == "batch_images"
    assert dict(modality.recording(UNUSED, UNUSED)) == {}
    with pytest.raises(NotImplementedError):
        modality.trim_vocabulary(UNUSED, UNUSED, UNUSED)


def test_a_reading_says_no_more_than_it_is_given_and_stays() -> None:
    reading = Reading(counts={"train": 3}, agreement=UNUSED, facts={})
    assert (reading.notes, reading.digest) == ((), "")
    with pytest.raises(FrozenInstanceError):
        reading.digest = "x"  # type: ignore[misc]
    assert set(reading.counts) <= set(PARTS)
