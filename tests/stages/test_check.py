"""What the check of an artifact finds, as a manifest has it."""

from edgewright.bundles.schema import ParityFacts
from edgewright.stages.check import CheckFindings, check_stage


def test_a_check_goes_by_the_artifact_and_all_that_the_student_was_made_from() -> None:
    assert check_stage("litert").needs == ("examples", "inputs", "student", "int8 litert")


def test_its_findings_are_read_back_the_same() -> None:
    parity = ParityFacts(passed=True, cosine_min=0.99, max_abs_error=0.1, cosine_limit=0.98)
    found = CheckFindings(score=0.9, parity=parity)
    assert found.document() == {"score": 0.9, "parity": parity.model_dump()}
    assert CheckFindings.model_validate(found.document()) == found
