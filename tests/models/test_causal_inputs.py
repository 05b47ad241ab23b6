"""Rows of tokens come back from their file as they were, and batch as other texts do."""

from pathlib import Path

import torch

from edgewright.modality.causal_rows import CausalRow
from edgewright.models.causal_inputs import CausalInputs

ROWS = [
    CausalRow(ids=(1, 5, 6), words=(0, 1, 1), first=1, document=0),
    CausalRow(ids=(1, 7, 8, 9, 2), words=(0, 1, 2, 2, 3), first=3, document=4),
]


def test_they_come_back_as_they_were(tmp_path: Path) -> None:
    CausalInputs(ROWS).save(tmp_path / "rows.npz")
    assert CausalInputs.load(tmp_path / "rows.npz") == CausalInputs(ROWS)


def test_a_batch_is_ids_and_a_mask() -> None:
    inputs = CausalInputs(ROWS)
    assert (inputs.sizes, inputs.firsts) == ([3, 5], [1, 3])
    ids, mask = inputs.batch([0, 1])
    assert torch.equal(ids, torch.tensor([[1, 5, 6, 0, 0], [1, 7, 8, 9, 2]]))
    assert mask.sum(dim=-1).tolist() == [3, 5]
