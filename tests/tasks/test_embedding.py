"""The task of texts that belong together."""

import pytest
import torch

from edgewright.errors import InputError
from edgewright.tasks.table import task_of


def test_an_embedding_has_nothing_to_be_fitted_to() -> None:
    with pytest.raises(InputError, match=r"used as it is; remove stages\.finetune"):
        task_of("embedding").loss(torch.ones(1, 2), torch.ones(1))


def test_an_embedding_is_imitated_in_direction_alone() -> None:
    output = torch.randn(6, 4)
    assert task_of("embedding").imitation(5 * output, output, temperature=1.0) == pytest.approx(0.0, abs=1e-6)
