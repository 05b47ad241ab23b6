"""A training under way: what is looked at between its steps, what it falls back to, and how it ends."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from edgewright.errors import (
    TrainingError,
)
from edgewright.models import training_run
from edgewright.models.training import train
from tests.models.lines import Line, loss_of, schedule


def test_texts_that_do_not_fill_a_batch_are_one_batch_an_epoch() -> None:
    model, seen = Line(), []
    done = train(model, [10] * 3, loss_of(model, seen), schedule(epochs=5), setting="x")
    assert done.steps == 5
    assert [sorted(batch) for batch in seen] == [[0, 1, 2]] * 5


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


def test_divergence_puts_the_last_checkpoint_back_into_the_model_and_keeps_it(tmp_path: Path) -> None:
    model, weights = Line(), [0.0]

    def remember(share: float, loss: float) -> None:
        weights.append(model.weight.item())

    with pytest.raises(
        TrainingError, match=r"loss is nan at step 30 .*; lower x; the weights of step (\d+), the last"
    ) as raised:
        train(
            model,
            [10] * 16,
            loss_of(model, nan_at=30),
            schedule(),
            setting="x",
            on_progress=remember,
            checkpoints=tmp_path,
            checkpoint_seconds=0,
        )
    (file,) = tmp_path.iterdir()
    step = int(str(raised.value).partition("weights of step ")[2].partition(",")[0])
    assert str(file) in str(raised.value)
    assert load_file(file)["model/weight"].item() == model.weight.item() == weights[step]


def test_a_gpu_that_is_not_waited_for_at_each_step_still_names_the_right_step(monkeypatch: pytest.MonkeyPatch) -> None:

    run = training_run.TrainingRun.__init__

    def seldom(self: Any, *arguments: Any, **options: Any) -> None:
        run(self, *arguments, **options)
        self.between_looks = 16

    monkeypatch.setattr(training_run.TrainingRun, "__init__", seldom)
    model, told = Line(), []
    lengths = [10] * 160
    with pytest.raises(TrainingError, match=r"nan at step 18 .*no good weights were kept"):
        train(model, lengths, loss_of(model, nan_at=18), schedule(), setting="x", on_progress=lambda *_: told.append(1))
    assert len(told) == 18
    again = Line()
    done = train(again, lengths, loss_of(again), schedule(epochs=1), setting="x")
    assert done.steps == 40
    assert done.losses


def test_training_ends_early_without_progress_and_leaves_the_best_weights() -> None:
    model, weights = Line(), []
    scores = iter([1.0, 5.0, 4.0, float("nan"), 4.5, 9.0])

    def validate() -> float:
        assert not model.training
        weights.append(model.weight.item())
        return next(scores)

    done = train(model, [10] * 16, loss_of(model), schedule(patience=3), setting="x", validate=validate)
    assert (done.best_validation, done.stopped_early, done.steps) == (5.0, True, 5 * 4)
    assert [tokens for tokens, _ in done.validations] == [160, 320, 480, 640, 800]
    assert [value for _, value in done.validations if value == value] == [1.0, 5.0, 4.0, 4.5]
    assert model.weight.item() == weights[1]
    assert len(set(weights)) == 5


def test_validation_by_share_of_the_training_and_once_at_its_end() -> None:
    model, calls = Line(), []
    steps: list[int] = []

    def validate() -> float:
        calls.append(len(steps))
        torch.rand(3)  # changes nothing for the training
        return float(len(calls))

    done = train(
        model,
        [10] * 16,
        loss_of(model),
        schedule(epochs=10, validate_every=0.3),
        setting="x",
        validate=validate,
        on_progress=lambda *_: steps.append(1),
    )
    assert calls == [12, 24, 36, 40]
    assert done.best_validation == 4.0
    assert not done.stopped_early


def test_the_rate_warms_up_and_falls_to_nothing() -> None:
    rates: list[float] = []
    run = training_run.TrainingRun._step

    def stepped(self: Any, share: float, group: Any) -> None:
        run(self, share, group)
        rates.append(self.optimizer.param_groups[0]["lr"])

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(training_run.TrainingRun, "_step", stepped)
        model = Line()
        train(model, [10] * 16, loss_of(model), schedule(), setting="x")
    highest = rates.index(max(rates))
    assert rates[0] == pytest.approx(0.001)
    assert highest == 4  # a twentieth of eighty steps
    assert rates[: highest + 1] == sorted(rates[: highest + 1])
    assert rates[highest:] == sorted(rates[highest:], reverse=True)
    assert rates[-1] < 0.002


def test_without_a_checkpoint_the_weights_of_the_best_validation_come_back_from_a_divergence() -> None:
    model, weights = Line(), []

    def validate() -> float:
        weights.append(model.weight.item())
        return float(len(weights))

    with pytest.raises(TrainingError, match=r"nan at step 10 .*the weights of the best validation, 2, are back"):
        train(model, [10] * 16, loss_of(model, nan_at=10), schedule(), setting="x", validate=validate)
    assert model.weight.item() == weights[1]
