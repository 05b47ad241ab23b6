"""The training loop: it learns, it ends on time, and it stops when it diverges."""

import time

import pytest
import torch
from torch import nn

from toolchain.errors import BadDataError, TrainingError
from toolchain.models.training import Schedule, train


class Line(nn.Module):
    """One weight to be brought to 3."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return self.weight * values


def schedule(**changes: float | int | None) -> Schedule:
    return Schedule(**{"learning_rate": 0.1, "batch_tokens": 40, "seed": 0, "epochs": 20, **changes})


def loss_of(model: Line, seen: list[list[int]] | None = None):  # type: ignore[no-untyped-def]
    def loss(batch: list[int]) -> torch.Tensor:
        if seen is not None:
            seen.append(batch)
        values = torch.tensor([float(index + 1) for index in batch])
        return (model(values) - 3 * values).square().mean()

    return loss


def test_the_loss_falls_and_every_text_is_seen_in_every_epoch() -> None:
    model, seen = Line(), []
    told: list[tuple[float, float]] = []
    done = train(
        model,
        [10] * 16,
        loss_of(model, seen),
        schedule(),
        setting="x",
        told=lambda *heard: told.append(heard),
    )
    assert done.steps == len(seen) == len(told) == 20 * 4
    assert done.tokens == 20 * 160
    assert sorted(index for batch in seen[:4] for index in batch) == list(range(16))
    assert len(done.losses) == 20
    assert done.losses[-1] < 0.1 * done.losses[0]
    assert [share for share, _ in told] == sorted(share for share, _ in told)
    assert not model.training


def test_the_same_seed_gives_the_same_weights_and_another_another_order() -> None:
    def trained(seed: int) -> tuple[float, list[list[int]]]:
        model, seen = Line(), []
        train(model, [10] * 16, loss_of(model, seen), schedule(seed=seed, epochs=2), setting="x")
        return model.weight.item(), seen

    assert trained(1) == trained(1)
    assert trained(1)[1] != trained(2)[1]


def test_a_time_limit_ends_training() -> None:
    model = Line()
    started = time.monotonic()
    done = train(model, [10] * 16, loss_of(model), schedule(epochs=None, seconds=0.3), setting="x")
    assert done.steps > 4
    assert 0.2 < time.monotonic() - started < 5


def test_a_loss_that_is_no_number_names_the_step_the_rate_and_the_setting() -> None:
    model = Line()
    with pytest.raises(TrainingError, match=r"at step 1 with learning rate .*e\+2\d; lower stages\.x\.learning_rate"):
        train(model, [10] * 16, loss_of(model), schedule(learning_rate=1e30), setting="stages.x.learning_rate")


def test_weights_that_are_no_numbers_after_the_last_step_are_told_too() -> None:
    model = Line()
    with pytest.raises(TrainingError, match=r"lower stages\.x\.learning_rate"):
        train(
            model,
            [10],
            loss_of(model),
            schedule(learning_rate=float("inf"), epochs=1),
            setting="stages.x.learning_rate",
        )


def test_no_text_at_all_is_bad_data() -> None:
    model = Line()
    with pytest.raises(BadDataError, match="no text to train on"):
        train(model, [], loss_of(model), schedule(), setting="x")
