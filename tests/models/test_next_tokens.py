"""What a model says of the tokens that count: the same numbers as its whole logits give, in whatever batches."""

import pytest
import torch

from edgewright.modality.causal_rows import CausalRow
from edgewright.models import next_tokens as module
from edgewright.models.next_tokens import likeliest_tokens, next_tokens
from tests import tiny_decoders


def row(length: int, first: int, seed: int) -> CausalRow:
    ids = tuple(tiny_decoders.ids_of(1, length, seed=seed)[0].tolist())
    return CausalRow(ids=ids, words=tuple(range(length)), first=first)


ROWS = [row(12, 1, 1), row(30, 9, 2), row(5, 4, 3), row(30, 1, 4), row(2, 2, 5)]


@pytest.mark.parametrize("variant", ["llama", "llama with one table", "gpt2"])
def test_they_are_those_of_whole_logits(variant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, done = tiny_decoders.decoder(variant), list[int]()
    monkeypatch.setattr(module, "SCORES", 7 * tiny_decoders.VOCABULARY)
    monkeypatch.setattr(module, "BATCH_TOKENS", 64)
    found = next_tokens(model, ROWS, on_progress=done.append)
    assert done[-1] == len(ROWS)
    wanted = []
    with torch.inference_mode():
        for each in ROWS:
            logs = model(torch.tensor([each.ids]))[0].log_softmax(dim=-1)
            for place in range(each.first, len(each.ids)):
                said = logs[place - 1]
                wanted.append([float(said[each.ids[place]]), float(said.argmax())])
    assert found.shape == (len(wanted), 2)
    assert torch.allclose(found, torch.tensor(wanted), atol=1e-4)


def test_of_no_rows_there_is_nothing() -> None:
    assert next_tokens(tiny_decoders.decoder("llama"), []).shape == (0, 2)


def test_the_likeliest_tokens_are_those_of_whole_logits(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_decoders.decoder("llama")
    monkeypatch.setattr(module, "SCORES", 7 * tiny_decoders.VOCABULARY)
    found = likeliest_tokens(model, ROWS, count=5)
    at = 0
    with torch.inference_mode():
        for each in ROWS:
            shares = model(torch.tensor([each.ids]))[0].softmax(dim=-1)[each.first - 1 : -1]
            own = found[at : at + len(each.counted)]
            assert torch.allclose(own[:, 0], shares.amax(dim=-1), atol=1e-5)
            assert torch.equal(own[:, 1:].long(), shares.topk(5, dim=-1).indices)
            at += len(each.counted)
    assert at == len(found)
    assert torch.equal(found[:, 1], next_tokens(model, ROWS)[:, 1])
