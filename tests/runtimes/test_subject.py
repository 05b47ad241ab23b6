"""What a runtime is asked to make of a model is looked at before anything is made."""

import re

import numpy as np
import pytest

from edgewright.errors import InputError
from edgewright.modality.image_spec import ImageInputSpec
from edgewright.runtimes.subject import Subject
from tests import artifacts, tiny


def test_examples_that_the_model_cannot_take_are_refused_with_the_first_of_them() -> None:
    subject = Subject(model=tiny.teacher().model, spec=artifacts.FORM)
    pieces = subject.model.encoder.shape.vocabulary
    fine = [1, 2, pieces - 1]
    assert subject.checked([fine, fine]) == [fine, fine]
    assert subject.checked(()) == ()
    for wrong, sentence in (
        ([1, pieces], f"example 1 has token {pieces}, but the model's vocabulary has {pieces} pieces"),
        ([1, -1], "example 1 has token -1"),
        ([], "example 1 has 0 tokens"),
        ([1] * (artifacts.FORM.max_length + 1), f"takes 1 to {artifacts.FORM.max_length}"),
    ):
        with pytest.raises(InputError, match=re.escape(sentence)):
            subject.checked([fine, wrong])


def test_pictures_of_another_shape_are_refused_as_examples() -> None:
    form = ImageInputSpec(height=8, width=6, channels=3)
    subject = Subject(model=tiny.teacher().model, spec=form)
    fine = np.zeros((2, 8, 6, 3), dtype=np.uint8)
    assert subject.checked(fine) is fine
    for wrong in (fine[..., :1], fine.transpose(0, 2, 1, 3), fine.astype(np.float32)):
        with pytest.raises(InputError, match="takes bytes of 8 × 6 × 3"):
            subject.checked(wrong)
