"""Decoders are written and read back bit for bit, and what is damaged is told."""

from pathlib import Path

import pytest
import torch

from edgewright.errors import BadModelError
from edgewright.models import families
from edgewright.models.transformer_shape import LayerCut
from tests import tiny_decoders


@pytest.mark.parametrize("variant", tiny_decoders.VARIANTS)
def test_what_is_saved_is_read_back(variant: str, tmp_path: Path) -> None:
    model = tiny_decoders.decoder(variant).with_positions(40)
    families.save(model, tmp_path)
    again, ids = families.load(tmp_path), tiny_decoders.ids_of(2, 40)
    assert again.shape == model.shape
    assert not again.training
    with torch.inference_mode():
        assert torch.equal(again(ids), model(ids))


def test_a_cut_model_is_read_back_and_a_table_that_is_read_twice_is_written_once(tmp_path: Path) -> None:
    model = tiny_decoders.decoder("llama with one table")
    cut = model.sliced([LayerCut(layer=0, heads=(), neurons=(1, 2)), LayerCut(layer=2, heads=(1,), neurons=())])
    families.save(cut, tmp_path)
    with torch.inference_mode():
        assert torch.equal(families.load(tmp_path)(tiny_decoders.ids_of(1, 9)), cut(tiny_decoders.ids_of(1, 9)))
    assert (tmp_path / "decoder.safetensors").stat().st_size < 4 * cut.parameters_count + 4000


@pytest.mark.parametrize("name", ["shape.json", "decoder.safetensors"])
def test_a_damaged_or_missing_file_is_told(name: str, tmp_path: Path) -> None:
    families.save(tiny_decoders.decoder("gpt2"), tmp_path)
    (tmp_path / name).write_bytes(b"{}")
    with pytest.raises(BadModelError):
        families.load(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(BadModelError):
        families.load(tmp_path)
