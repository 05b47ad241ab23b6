"""Alone a process agrees with itself, and trackers that cannot log are refused before anything is trained."""

from pathlib import Path

import pytest
import torch
from torch import nn

from edgewright.errors import EnvironmentFaultError, InputError, UnknownNameError
from edgewright.models import processes
from edgewright.models.processes import Processes


@pytest.fixture(scope="module")
def alone() -> Processes:
    return Processes()


def test_a_process_by_itself_is_the_first_of_one(alone: Processes) -> None:
    assert (alone.count, alone.index, alone.first, alone.tracks) == (1, 0, True, False)


def test_its_averages_and_agreements_are_its_own(alone: Processes) -> None:
    layer = nn.Linear(2, 1)
    loss = layer(torch.ones(1, 2)).sum()
    alone.backward(loss)
    before = layer.weight.grad
    mean = alone.average(list(layer.parameters()), loss)
    assert torch.equal(mean, loss.detach())
    assert not mean.requires_grad
    assert layer.weight.grad is before
    assert alone.agreed(1.5, -2.0) == (1.5, -2.0)
    assert alone.gathered(torch.tensor([1.0, 2.0])).tolist() == [[1.0, 2.0]]


def test_weights_that_are_aligned_with_nobody_stay(alone: Processes) -> None:
    layer = nn.Linear(2, 1)
    weights = layer.weight.detach().clone()
    alone.align(layer)
    assert torch.equal(layer.weight, weights)


def test_a_tracker_that_is_not_known_is_told_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="tensorboard"):
        Processes(["tensorbord"], tmp_path)


def test_a_tracker_without_its_package_or_its_folder_is_told_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "find_spec", lambda name: None if name == "wandb" else object())
    with pytest.raises(EnvironmentFaultError, match="pip install wandb"):
        Processes(["wandb"], tmp_path)
    with pytest.raises(InputError, match="mlflow and tensorboard need a folder to log to; give tracker_folder"):
        Processes(["mlflow", "tensorboard"])


def test_without_accelerate_nothing_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "find_spec", lambda name: None)
    with pytest.raises(EnvironmentFaultError, match="pip install accelerate"):
        Processes()
