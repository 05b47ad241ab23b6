"""What generation needs is read from a manifest with every value in its bounds."""

import pytest
from pydantic import ValidationError

from edgewright.specs.generation import Generation, typical_prompt, usual_prompts


def test_methods_and_tensors_have_their_usual_names_unless_a_file_says_others() -> None:
    made = Generation(context=16, vocabulary=10)
    assert (made.prefill, made.decode, made.ids, made.position, made.logits) == (
        "prefill", "decode", "ids", "position", "logits",
    )  # fmt: skip
    assert Generation.model_validate_json(made.model_dump_json()) == made


@pytest.mark.parametrize(
    "change", [{"context": 0}, {"vocabulary": 0}, {"stop": [-1]}, {"begin": -1}, {"decode": "a b"}, {"other": 1}]
)
def test_a_value_out_of_bounds_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Generation.model_validate({"context": 16, "vocabulary": 10, **change})


def test_usual_prompts_are_a_short_a_typical_and_a_long_one_as_far_as_they_fit() -> None:
    assert usual_prompts(1024) == (16, 64, 256)
    assert usual_prompts(64) == (8, 32, 64)
    assert usual_prompts(1) == (1,)
    for context in range(1, 600):
        assert typical_prompt(context) in usual_prompts(context)
        assert usual_prompts(context)[-1] <= context
