"""Texts that share a row are predicted as if each stood alone, and rows have next to no padding."""

import random
from typing import Any

import pytest
import torch

from edgewright.models import families
from edgewright.models.capabilities import PREDICTS_TOKENS
from edgewright.models.decoder import DecoderModel
from edgewright.models.packing import PackedBatch, PackedRows, packed
from tests import tiny_decoders
from tests.tiny_rows import Row, rows

VARIANTS = ["llama", "llama with one table", "qwen2 with windows in some layers", "qwen3", "gpt2"]


def logits_of(model: DecoderModel, batch: PackedBatch) -> torch.Tensor:
    tokens = families.required(model, PREDICTS_TOKENS, setting="")
    with torch.inference_mode():
        states = tokens.packed_states(model, batch.ids, batch.places, batch.texts)
        return tokens.token_logits(model, states[-1].flatten(0, 1)[batch.predicting])


def one_by_one(model: DecoderModel, texts: list[Row], order: tuple[int, ...]) -> torch.Tensor:
    with torch.inference_mode():
        found = [model(torch.tensor([texts[index].ids]))[0, texts[index].first - 1 : -1] for index in order]
    return torch.cat(found)


@pytest.mark.parametrize("variant", VARIANTS)
def test_logits_of_packed_texts_are_those_of_each_alone(variant: str) -> None:
    model, texts = tiny_decoders.decoder(variant), rows(11)
    packing = PackedRows.of(texts, 20)
    assert len(packing) < 8  # several texts do share a row
    batch = packing.batch(range(len(packing)))
    together = logits_of(model, batch)
    assert torch.allclose(together, one_by_one(model, texts, batch.examples), atol=2e-5)


def test_a_token_of_another_text_in_the_row_changes_nothing() -> None:
    model, texts = tiny_decoders.decoder("llama"), [Row(ids=(3, 4, 5, 6)), Row(ids=(7, 8, 9))]
    batch = PackedRows.of(texts, 7).batch([0])
    assert batch.ids.shape == (1, 7)
    before = logits_of(model, batch)
    batch.ids[0, 0] = 11  # of the first text
    after = logits_of(model, batch)
    assert torch.equal(before[3:], after[3:])
    assert not torch.equal(before[:3], after[:3])


def test_every_text_is_in_one_row_and_rows_are_full() -> None:
    chance = random.Random(0)
    sizes = [chance.randint(5, 160) for _ in range(800)]
    found = packed(sizes, 256)
    assert sorted(index for row in found for index in row) == list(range(800))
    filled = [sum(sizes[index] for index in row) for row in found]
    assert max(filled) <= 256
    assert sum(filled) / (256 * len(found)) > 0.98
    assert packed(sizes, 256) == found
    assert packed([], 8) == ()


def test_a_text_longer_than_a_row_has_one_of_its_own() -> None:
    packing = PackedRows.of([Row(ids=tuple(range(1, 10))), Row(ids=(1, 2))], 4)
    assert packing.rows == ((0,), (1,))
    batch = packing.batch([0, 1])
    assert batch.ids.shape == (2, 9)
    assert batch.following.tolist() == [2, 3, 4, 5, 6, 7, 8, 9, 2]


def test_counted_tokens_are_those_that_follow_the_prompt() -> None:
    texts = [Row(ids=(5, 6, 7, 8), first=2), Row(ids=(9, 10, 11), first=1)]
    packing = PackedRows.of(texts, 7)
    batch = packing.batch([0], rows=3)
    assert batch.ids.tolist() == [[5, 6, 7, 8, 9, 10, 11], [0] * 7, [0] * 7]
    assert batch.places.tolist()[0] == [0, 1, 2, 3, 0, 1, 2]
    assert batch.texts.tolist()[0] == [1, 1, 1, 1, 2, 2, 2]
    assert batch.predicting.tolist() == [1, 2, 4, 5]
    assert batch.following.tolist() == [7, 8, 10, 11]
    assert packing.starts.tolist() == [0, 2, 4]
    assert packing.recorded_places(batch).tolist() == [0, 1, 2, 3]


def test_empty_rows_beside_texts_change_nothing() -> None:
    model: Any = tiny_decoders.decoder("llama")
    packing = PackedRows.of(rows(6), 20)
    alone, beside = packing.batch([1]), packing.batch([1], rows=4)
    assert torch.allclose(logits_of(model, alone), logits_of(model, beside), atol=1e-6)
