"""A teacher's likeliest tokens are recorded in under a kilobyte each, and a recording that was cut off goes on."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from edgewright.compress import token_targets as module
from edgewright.compress.token_targets import Recorded, TokenTargets, record_token_targets
from edgewright.errors import InputError
from edgewright.models.packing import PackedRows
from tests import tiny, tiny_decoders
from tests.tiny_rows import rows

TEXTS = rows(30)
PACKED = PackedRows.of(TEXTS, 20)


def recorded(folder: Path, **settings: Any) -> TokenTargets:
    folder.mkdir(exist_ok=True)
    return record_token_targets(tiny_decoders.decoder("llama"), PACKED, Recorded(**settings), folder=folder)


def same(one: TokenTargets, other: TokenTargets) -> bool:
    names = ("tokens", "log_probabilities", "rest", "hidden", "intermediate")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)


def test_each_counted_token_has_the_teachers_likeliest_and_the_mass_of_the_rest(tmp_path: Path) -> None:
    model = tiny_decoders.decoder("llama")
    targets = recorded(tmp_path, top_k=6)
    with torch.inference_mode():
        alone = [model(torch.tensor([text.ids]))[0, text.first - 1 : -1] for text in TEXTS]
    shares = torch.cat(alone).softmax(dim=-1)
    top, tokens = shares.topk(6, dim=-1)
    assert len(targets) == len(shares) == int(PACKED.starts[-1])
    assert (torch.from_numpy(targets.tokens.astype(np.int64)) == tokens).float().mean() > 0.99  # ties may change places
    assert np.allclose(np.exp(targets.log_probabilities.astype(np.float32)), top, rtol=2e-3)
    assert np.allclose(np.exp(targets.rest.astype(np.float32)), 1 - top.sum(dim=-1), rtol=2e-3, atol=1e-6)
    places = torch.tensor([4, 0])
    read, known = targets.likeliest(places, torch.device("cpu"))
    assert torch.equal(read, torch.from_numpy(targets.tokens[[4, 0]].astype(np.int64)))
    assert torch.allclose(known.sum(dim=-1), torch.ones(2))


def test_a_token_takes_under_a_kilobyte(tmp_path: Path) -> None:
    targets = recorded(tmp_path, top_k=64)
    size = sum(getattr(targets, name)[0].nbytes for name in ("tokens", "log_probabilities", "rest"))
    assert size == 64 * 4 + 2
    assert targets.tokens.dtype == np.uint16
    assert targets.hidden.size == targets.intermediate.size == 0


def test_no_more_is_recorded_than_the_vocabulary_has(tmp_path: Path) -> None:
    targets = recorded(tmp_path, top_k=10_000)
    assert targets.tokens.shape[1] == tiny_decoders.VOCABULARY
    assert float(targets.rest.max()) < -7  # next to nothing is left


def test_hidden_vectors_are_those_that_predict_the_counted_tokens(tmp_path: Path) -> None:
    model = tiny_decoders.decoder("llama")
    targets = recorded(tmp_path, hidden=True, entered=(2,))
    with torch.inference_mode():
        states = [model.hidden(torch.tensor([text.ids])) for text in TEXTS]
        closed = [model.closed(each[-1])[0, text.first - 1 : -1] for each, text in zip(states, TEXTS, strict=True)]
    entered = [each[2][0, text.first - 1 : -1] for each, text in zip(states, TEXTS, strict=True)]
    assert np.allclose(targets.hidden, torch.cat(closed), rtol=1e-3, atol=1e-3)
    assert np.allclose(targets.intermediate[0], torch.cat(entered), rtol=1e-3, atol=1e-3)
    assert targets.entered == (2,)


def test_a_recording_that_was_cut_off_goes_on_to_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RECORDED_TOKENS", 40)
    uncut, unfinished = recorded(tmp_path / "uncut", hidden=True), tmp_path / "unfinished"
    batches: list[int] = []

    def cut_off(done: int, _: int) -> None:
        batches.append(done)
        if len(batches) == 3:
            raise KeyboardInterrupt

    def start(key: str, on_progress: Any = None) -> TokenTargets:
        (tmp_path / "made").mkdir(exist_ok=True)
        return record_token_targets(
            tiny_decoders.decoder("llama"), PACKED, Recorded(hidden=True), folder=tmp_path / "made",
            unfinished=unfinished, key=key, on_progress=on_progress,
        )  # fmt: skip

    with pytest.raises(KeyboardInterrupt):
        start("one", cut_off)
    left: list[int] = []
    assert same(start("one", lambda done, _: left.append(done)), uncut)
    assert left[0] == batches[-1] + 2
    assert not list(unfinished.iterdir())
    batches.clear()
    with pytest.raises(KeyboardInterrupt):
        start("one", cut_off)
    left.clear()
    start("another", lambda done, _: left.append(done))  # another teacher's: from the beginning
    assert left[0] == 2


def test_scores_are_made_in_lots_that_memory_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uncut = recorded(tmp_path / "one")
    monkeypatch.setattr(module, "LARGEST_LOGITS", 3 * tiny_decoders.VOCABULARY)
    assert same(recorded(tmp_path / "lots"), uncut)


def test_a_model_that_predicts_no_tokens_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no tokens that it predicts"):
        record_token_targets(tiny.teacher().model, PACKED, Recorded(), folder=tmp_path)
