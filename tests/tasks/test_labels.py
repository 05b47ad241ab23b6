"""What labels ask of a head, whatever they are of."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from edgewright.data.images import ImagePart, Images
from edgewright.data.texts import Example, Texts
from edgewright.errors import BadDataError
from edgewright.tasks.table import task_of


def texts(*train: Example, test: tuple[Example, ...] = (), **more: Any) -> Texts:
    return Texts(train=train, validation=(), test=test, **more)


@pytest.mark.parametrize("kind", ["classification", "token-classification", "image-classification"])
def test_a_target_outside_the_configured_range_is_reported_with_its_row_and_what_is_known(kind: str) -> None:
    if kind == "image-classification":
        part = ImagePart(pixels=np.zeros((2, 1, 1, 1), dtype=np.uint8), labels=("x", "z"), names=("a", "b"))
        rows: Any = Images(train=part, validation=part, test=part, extra=part, configured=("x", "y"))
    else:
        rows = texts(
            Example(text="a", label="x", tags=("x",)),
            Example(text="b c", label="z", tags=("x", "z")),
            configured=("x", "y"),
        )
    with pytest.raises(BadDataError, match="labels outside the configured range: row 2 has 'z'; known are x, y"):
        task_of(kind).targets(rows)


def test_the_loss_of_labels_is_cross_entropy() -> None:
    output = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    by_hand = (math.log(1 + math.exp(-2)) + math.log(1 + math.exp(1))) / 2
    assert task_of("classification").loss(output, torch.tensor([0, 0])) == pytest.approx(by_hand)


def test_a_softened_imitation_keeps_the_size_of_its_gradient() -> None:
    """Hinton et al. 2015: at a high temperature the gradient is that of the logits' squared error, over the classes."""
    output, wanted = torch.randn(8, 5), torch.randn(8, 5)
    output, wanted = (each - each.mean(dim=-1, keepdim=True) for each in (output, wanted))
    output.requires_grad_()
    loss = task_of("classification").imitation(output, wanted, temperature=1000.0)
    (gradient,) = torch.autograd.grad(loss, output)
    assert torch.allclose(gradient, (output - wanted).detach() / 5 / 8, atol=1e-4)
