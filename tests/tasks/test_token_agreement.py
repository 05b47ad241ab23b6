"""How often a student's next tokens are its teacher's."""

import pytest
import torch

from edgewright.tasks.token_agreement import SURE, token_agreement

# The probability of the teacher's first token, and its first five.
TEACHER = torch.tensor(
    [
        [0.9, 1, 2, 3, 4, 5],
        [0.9, 1, 2, 3, 4, 5],
        [0.3, 7, 2, 3, 4, 5],
        [SURE, 7, 2, 3, 4, 5],
    ]
)


def test_shares_are_of_the_first_and_of_the_first_five() -> None:
    found = token_agreement(torch.tensor([1.0, 5.0, 7.0, 6.0]), TEACHER)
    assert found is not None
    assert (found.tokens, found.same, found.among_first) == (4, 0.5, 0.75)


def test_where_the_teacher_is_sure_is_told_apart() -> None:
    found = token_agreement(torch.tensor([1.0, 5.0, 7.0, 7.0]), TEACHER)
    assert found is not None
    assert (found.sure_tokens, found.sure) == (2, 0.5)
    unsure = token_agreement(torch.tensor([7.0]), TEACHER[2:3])
    assert unsure is not None
    assert (unsure.sure_tokens, unsure.sure, unsure.same) == (0, 0.0, 1.0)


def test_a_vocabulary_of_fewer_than_five_and_no_tokens_at_all_are_no_fault() -> None:
    few = token_agreement(torch.tensor([1.0]), TEACHER[:1, :3])
    assert few is not None
    assert few.among_first == pytest.approx(1.0)
    assert token_agreement(torch.empty(0), TEACHER[:0]) is None


def test_the_document_is_plain_numbers() -> None:
    found = token_agreement(torch.tensor([1.0]), TEACHER[:1])
    assert found is not None
    assert found.document() == {"tokens": 1, "same": 1.0, "among_first": 1.0, "sure_tokens": 1, "sure": 1.0}
