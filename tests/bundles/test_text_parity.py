"""Text that a device wrote agrees, differs by a tie, or differs: only the last is a fault."""

import base64
from typing import Any

import numpy as np
import pytest

from edgewright.bundles.expected_texts import ExpectedText
from edgewright.bundles.text_parity import text_parity
from edgewright.measure.generation_documents import GeneratedText

LOGITS = np.array([0.5, -1.0, 3.0, 2.0], dtype=np.float32)
EXPECTED = ExpectedText(ids=(1, 2), tokens=(2, 3, 1), margins=(1.0, 0.01, 2.0), logits=LOGITS)


def written(*tokens: int, logits: Any = LOGITS) -> GeneratedText:
    values = {
        "tokens": tokens,
        "ended": "length",
        "stop": None,
        "prompt_tokens": 2,
        "prefill_ms": 1.0,
        "first_token_ms": 1.0,
        "token_ms": (1.0,) * (len(tokens) - 1),
    }
    data = base64.b64encode(np.asarray(logits, dtype="<f4").tobytes()).decode()
    return GeneratedText.model_validate({**values, "logits": data})


def test_the_same_text_by_the_same_logits_passes_also_where_it_goes_on() -> None:
    found = text_parity([EXPECTED, EXPECTED], [written(2, 3, 1), written(2, 3, 1, 0)])
    assert found.passed
    assert (found.texts, found.tokens, found.compared, found.ties, found.fault) == (2, 6, 6, 0, "")
    assert found.cosine_min == pytest.approx(1.0)


def test_where_two_ids_were_about_as_likely_as_logits_are_exact_either_may_come() -> None:
    found = text_parity([EXPECTED], [written(2, 0, 0, logits=LOGITS + 0.005)])
    assert found.passed
    assert (found.compared, found.ties) == (1, 1)
    assert found.document()["tokens_agreed"] == 1


def test_the_same_difference_is_a_fault_where_logits_are_exact() -> None:
    found = text_parity([EXPECTED], [written(2, 0, 1)])
    assert not found.passed
    assert found.fault == "text 1 has the id 0 as its token 2, where 3 is expected, which was the likeliest by 0.01"


def test_a_difference_beyond_any_tie_is_a_fault_and_the_first_is_told() -> None:
    found = text_parity([EXPECTED, EXPECTED], [written(0, 3, 1, logits=LOGITS + 0.005), written(2, 3, 0)])
    assert not found.passed
    assert found.fault.startswith("text 1 has the id 0 as its token 1")


def test_text_that_ends_early_or_is_missing_is_a_fault() -> None:
    assert "has nothing as its token 3" in text_parity([EXPECTED], [written(2, 3)]).fault
    missing = text_parity([EXPECTED, EXPECTED], [written(2, 3, 1)])
    assert not missing.passed


def test_other_logits_never_pass_though_the_tokens_agree() -> None:
    found = text_parity([EXPECTED], [written(2, 3, 1, logits=[3.0, -1.0, 3.1, -2.0])])
    assert not found.passed
    assert found.cosine_min < found.cosine_limit
    assert not text_parity([EXPECTED], [written(2, 3, 1, logits=[])]).passed
