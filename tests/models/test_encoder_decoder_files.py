"""Encoder-decoders are written and read back bit for bit, and what is damaged is told."""

from pathlib import Path

import pytest
import torch

from edgewright.errors import BadModelError
from edgewright.models import families
from edgewright.models.encoder_decoder_files import WEIGHTS
from edgewright.models.encoder_decoder_shape import StackCut
from tests import tiny_t5


@pytest.mark.parametrize("variant", tiny_t5.VARIANTS)
@torch.inference_mode()
def test_what_is_saved_is_read_back(variant: str, tmp_path: Path) -> None:
    model, ids = tiny_t5.model_of(variant), tiny_t5.ids_of(2, 9)
    if variant == "flan-t5":
        model = model.sliced(
            [StackCut(layer=1, heads=(1, 3), neurons=(4, 5))],
            [StackCut(layer=0, heads=(2,), neurons=(), cross_heads=(0,))],
        )
    families.save(model, tmp_path)
    again = families.load(tmp_path)
    assert again.shape == model.shape
    assert not again.training
    assert torch.equal(again(ids, None, ids), model(ids, None, ids))
    assert (tmp_path / WEIGHTS).stat().st_size < 4 * model.parameters_count + 8000  # a table read twice is there once


@pytest.mark.parametrize("name", ["shape.json", WEIGHTS])
def test_a_damaged_or_missing_file_is_told(name: str, tmp_path: Path) -> None:
    families.save(tiny_t5.model_of("t5"), tmp_path)
    (tmp_path / name).write_bytes(b"{}")
    with pytest.raises(BadModelError):
        families.load(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(BadModelError):
        families.load(tmp_path)
