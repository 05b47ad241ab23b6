"""What a runtime is asked to make of a model is looked at before anything is made."""

import pytest

from edgewright.errors import InputError
from edgewright.runtimes.subject import PLACE, Subject
from edgewright.runtimes.table import RUNTIMES
from tests import artifacts, tiny


def test_examples_that_the_model_cannot_take_are_refused_before_a_runtime_gets_them() -> None:
    subject = Subject(model=tiny.teacher().model, spec=artifacts.FORM)
    (fine,) = subject.calibration([[1, 2]], RUNTIMES["litert"])
    assert fine["ids"].tolist() == [[1, 2]]
    with pytest.raises(InputError, match="calibration example 1 has 0 tokens"):
        subject.calibration([[1, 2], []], RUNTIMES["litert"])


def test_an_exporter_gets_the_module_with_the_model_at_its_place_and_its_signature() -> None:
    source = Subject(model=tiny.teacher().model, spec=artifacts.FORM).for_runtime(RUNTIMES["onnx"])
    assert source.place == PLACE
    assert [each.name for each in source.forward.inputs] == ["ids"]
