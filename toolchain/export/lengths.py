"""The text that a module is exported with where an artifact's text length is free."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

SHORTEST = 2  # a first and a last token are always there
EXAMPLE_LENGTH = 16


def example_ids(length: int = EXAMPLE_LENGTH) -> Tensor:
    """A text of token 1 only, (1, length) int64: its values do not matter to an export."""
    return torch.ones(1, length, dtype=torch.long)


def free_length(max_length: int) -> tuple[dict[int, Any]]:
    """What `torch.export` is told of the one input: its second size is any from 2 to `max_length`."""
    return ({1: torch.export.Dim("length", min=SHORTEST, max=max_length)},)
