"""Where a model computes, with and without a GPU."""

import pytest
import torch
from torch import nn

from edgewright.models import compute_device as devices
from edgewright.models.compute_device import device_of, keep_to_quota, on_accelerator, only_processor

GPU = torch.device("cuda", 0)


class Told(nn.Linear):
    """A layer that says where it was asked to move, and stays."""

    def __init__(self) -> None:
        super().__init__(2, 2)
        self.moves: list[torch.device] = []

    def to(self, place: torch.device) -> "Told":  # type: ignore[override]
        """Move."""
        self.moves.append(place)
        return self


def test_a_model_says_where_its_batches_belong() -> None:
    assert device_of(nn.Linear(2, 2)) == torch.device("cpu")
    assert device_of(nn.Linear(2, 2, device="meta")) == torch.device("meta")
    assert device_of(nn.Identity()) == torch.device("cpu")


def test_a_model_moves_to_the_gpu_and_home_again_even_when_the_work_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ACCELERATE_USE_CPU", raising=False)
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: GPU)
    model = Told()

    with pytest.raises(ArithmeticError), on_accelerator(model):
        raise ArithmeticError

    assert model.moves == [GPU, torch.device("cpu")]


def test_a_gpu_that_the_launcher_forbids_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: GPU)
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    model = Told()

    with on_accelerator(model) as place:
        assert place == torch.device("cpu")

    assert only_processor()
    assert set(model.moves) == {torch.device("cpu")}


def test_weights_that_were_away_can_be_trained_again() -> None:
    model = nn.Linear(2, 2)

    with on_accelerator(model) as place, torch.inference_mode():
        model(torch.ones(1, 2, device=place))

    model(torch.ones(1, 2)).sum().backward()
    assert model.weight.grad is not None


@pytest.mark.parametrize(("quota", "threads"), [("150000 100000", 1), ("2500000 1000000", 2), ("max 100000", 3)])
def test_pytorch_gets_no_more_threads_than_a_quota_feeds(
    quota: str, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        devices, "read_facts", lambda _, facts: {name: fact.parse(quota) for name, fact in facts.items()}
    )
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        assert keep_to_quota() == threads == torch.get_num_threads()
    finally:
        torch.set_num_threads(before)
