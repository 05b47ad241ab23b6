"""What a runner says of a text is read only where its parts agree with each other."""

from typing import Any

import pytest
from pydantic import ValidationError

from edgewright.measure.generation_documents import GeneratedText

TEXT: dict[str, Any] = {
    "tokens": [4, 5, 6],
    "ended": "stop",
    "stop": 1,
    "prompt_tokens": 2,
    "prefill_ms": 1.0,
    "first_token_ms": 1.5,
    "token_ms": [0.5, 0.25],
}


def read(**changes: Any) -> GeneratedText:
    import json

    return GeneratedText.model_validate_json(json.dumps({**TEXT, **changes}))


def test_the_sequence_that_ended_a_text_is_no_part_of_it() -> None:
    assert read().without_stop([(1,), (5, 6)]) == (4,)
    assert read(ended="length", stop=None).without_stop([(5, 6)]) == (4, 5, 6)


def test_a_text_that_was_interrupted_before_its_first_token_has_none() -> None:
    assert read(tokens=[], ended="interrupted", stop=None, first_token_ms=None, token_ms=[]).tokens == ()


@pytest.mark.parametrize(
    "change",
    [
        {"token_ms": [1.0]},
        {"first_token_ms": None},
        {"stop": None},
        {"ended": "length"},
        {"ended": "tired"},
        {"tokens": [-1, 2, 3]},
        {"prompt_tokens": 0},
        {"prefill_ms": -1.0},
        {"margins": [1.0]},
        {"logits": "AAA="},
        {"logits": "AADAfw=="},
        {"logits": "no base64"},
    ],
)
def test_parts_that_disagree_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        read(**change)
