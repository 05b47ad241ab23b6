"""Checkpoints: whole or absent, exact, and only for the training that wrote them."""

import random
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from edgewright.errors import BadDataError, InputError
from edgewright.models import checkpoints as files
from edgewright.models.checkpoints import Checkpoints, Place, fingerprint


def test_place_and_tensors_come_back_exactly(tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path / "new", "a" * 64, 60)
    assert kept.read() is None
    place = Place(epoch=1, batch=2, steps=7, seconds=0.1 + 0.2, loss_sums=[1 / 3], loss_counts=[4], best=-0.7)
    kept.write(place, {"model/x": torch.rand(3), "optimizer/0/step": torch.tensor(7.0)})
    found = kept.read()
    assert found is not None
    assert found[0] == place
    assert found[1]["optimizer/0/step"].shape == ()


def test_a_write_that_is_cut_short_leaves_the_last_good_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Checkpoints(tmp_path, "a" * 64, 60)
    kept.write(Place(steps=1), {"x": torch.ones(2)})

    def half(tensors: Any, path: Path, metadata: Any) -> None:
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(files, "save_file", half)
    with pytest.raises(KeyboardInterrupt):
        kept.write(Place(steps=2), {"x": torch.zeros(2)})
    found = kept.read()
    assert found is not None
    assert found[0].steps == 1
    assert list(tmp_path.iterdir()) == [kept.path]


def test_what_a_kill_left_half_written_is_not_read(tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path, "a" * 64, 60)
    kept.path.with_suffix(".part").write_bytes(b"half")
    assert kept.read() is None


def test_a_damaged_checkpoint_and_a_folder_that_cannot_be_written_are_told(tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path, "a" * 64, 60)
    kept.path.write_bytes(b"no checkpoint")
    with pytest.raises(BadDataError, match="remove it to train from the start"):
        kept.read()
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="choose another folder"):
        Checkpoints(tmp_path / "file" / "folder", "a" * 64, 60).write(Place(), {"x": torch.ones(1)})


def test_writing_takes_a_small_share_of_the_time_however_short_epochs_are(tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path, "a" * 64, 60)
    assert kept.due(epoch_ended=True)
    assert not kept.due(epoch_ended=False)
    kept.write(Place(), {"x": torch.ones(1)})
    assert not kept.due(epoch_ended=True)


def test_the_fingerprint_tells_models_data_and_setups_apart() -> None:
    model = nn.Linear(2, 3)
    prints = {
        fingerprint(model, [1, 2], "setup"),
        fingerprint(nn.Linear(2, 4), [1, 2], "setup"),
        fingerprint(nn.Sequential(model), [1, 2], "setup"),
        fingerprint(nn.Linear(2, 3).half(), [1, 2], "setup"),
        fingerprint(model, [12], "setup"),
        fingerprint(model, [1, 2], "another"),
    }
    assert len(prints) == 6
    assert fingerprint(nn.Linear(2, 3), [1, 2], "setup") in prints


def test_tied_weights_are_kept_once_and_put_back() -> None:
    model = nn.ModuleDict({"a": nn.Linear(2, 2), "b": nn.Linear(2, 2)})
    model["b"].weight = model["a"].weight
    state = files.snapshot(model)
    assert sorted(state) == ["a.bias", "a.weight", "b.bias"]
    with torch.no_grad():
        model["b"].weight.zero_()
    files.restore(model, state)
    assert model["b"].weight.abs().sum() > 0


def test_random_numbers_go_on_where_they_were() -> None:
    device = torch.device("cpu")
    random.gauss()  # leaves a second value behind
    state = files.random_state(device)
    numbers = random.gauss(), random.random(), torch.rand(2).tolist()
    files.restore_random_state(state, device)
    assert (random.gauss(), random.random(), torch.rand(2).tolist()) == numbers
