"""Whole text models: heads, batches, and the form that is exported."""

from pathlib import Path

import pytest
import torch

from edgewright.errors import BadModelError
from edgewright.models import model as models
from edgewright.models import text as texts
from edgewright.models.model import Head, HeadShape, TransformerModel, mean_over_tokens
from edgewright.models.text import TextModule, batches, padded
from tests import tiny


def test_the_mean_leaves_padding_out() -> None:
    hidden = torch.tensor([[[1.0, 2.0], [3.0, 4.0], [100.0, 100.0]]])
    assert mean_over_tokens(hidden, torch.tensor([[1.0, 1.0, 0.0]])).tolist() == [[2.0, 3.0]]


def test_an_embedding_has_length_one_unless_it_is_not_normalised() -> None:
    hidden = torch.randn(2, 5, 32)
    assert torch.allclose(Head(HeadShape(pooling="mean"), 32)(hidden).norm(dim=-1), torch.ones(2))
    plain = Head(HeadShape(pooling="mean", normalised=False), 32)(hidden)
    assert torch.allclose(plain, hidden.mean(dim=1))


def test_the_first_token_is_pooled_where_the_shape_says_so() -> None:
    hidden = torch.randn(2, 5, 32)
    assert torch.equal(Head(HeadShape(pooling="first", normalised=False), 32)(hidden), hidden[:, 0])


@pytest.mark.parametrize("classes", [0, 3])
@torch.inference_mode()
def test_a_model_comes_back_from_disk_as_it_was(tmp_path: Path, classes: int) -> None:
    shape = HeadShape(pooling="first", classes=classes, normalised=False)
    model = TransformerModel(tiny.encoder(), Head(shape, 32)).eval()
    models.save(model, tmp_path)
    back = models.load(tmp_path)
    assert back.head.shape == shape
    assert back.parameters_count == model.parameters_count
    ids, mask = padded(tiny.rows(4))
    assert torch.equal(back(ids, mask), model(ids, mask))


@pytest.mark.parametrize("file", ["head.json", "head.safetensors", "shape.json", "encoder.safetensors"])
def test_a_saved_model_with_a_file_cut_in_half_is_a_bad_model(tmp_path: Path, file: str) -> None:
    models.save(TransformerModel(tiny.encoder(), Head(HeadShape(pooling="first", classes=2), 32)), tmp_path)
    data = (tmp_path / file).read_bytes()
    (tmp_path / file).write_bytes(data[: len(data) // 2])
    with pytest.raises(BadModelError):
        models.load(tmp_path)


def test_batches_hold_every_text_once_and_stay_within_their_tokens() -> None:
    lengths = [5, 30, 2, 8, 8, 100, 1, 9]
    grouped = batches(lengths, 32)
    assert sorted(index for batch in grouped for index in batch) == list(range(8))
    assert [5] in grouped  # longer than a batch may be, so alone
    assert all(len(batch) * max(lengths[index] for index in batch) <= 32 for batch in grouped if batch != [5])


def test_outputs_come_in_the_order_asked_for_and_progress_reaches_the_end() -> None:
    rows = tiny.rows(40)
    told: list[int] = []
    found = texts.outputs(tiny.teacher().model, rows, on_progress=told.append)
    assert told[-1] == len(rows)
    for row in (0, 17, 39):
        alone = texts.outputs(tiny.teacher().model, [rows[row]])[0]
        assert torch.allclose(found[row], alone, atol=1e-5)


@torch.inference_mode()
@pytest.mark.parametrize("pooling", ["mean", "first"])
def test_what_is_exported_gives_the_same_with_and_without_padding(pooling: str) -> None:
    model = TransformerModel(tiny.encoder(), Head(HeadShape(pooling=pooling), 32)).eval()
    (row,) = tiny.rows(1)
    expected = texts.outputs(model, [row])
    exact = TextModule(model, padded=False)(torch.tensor([row.ids]))
    filled = TextModule(model, padded=True)(torch.tensor([[*row.ids, 0, 0, 0, 0]], dtype=torch.int32))
    assert exact.shape == filled.shape == (1, 32)
    assert torch.allclose(exact, expected, atol=1e-5)
    assert torch.allclose(filled, expected, atol=1e-5)
