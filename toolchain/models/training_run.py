"""One training under way: its steps, what is looked at between them, and how it ends.

In:  a model, the lengths of its examples, a loss, and a `Schedule`.
Out: the model trained in place, and what a training that was cut off needs to go on.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

from edgewright.base.progress import OnProgress
from edgewright.errors import InputError, TrainingError, TrainingLimitError
from edgewright.models import checkpoints as files
from edgewright.models.checkpoints import Checkpoints, Place
from edgewright.models.processes import Processes
from edgewright.models.schedule import CURVE_POINTS, Loss, Schedule, Step, Trained
from edgewright.models.training_order import epoch_steps, rate_at, share_done

LARGEST_GRADIENT_NORM = 1.0
STEPS_BETWEEN_LOOKS = 16  # on a GPU: to read a loss is to wait for it
STEPS_BETWEEN_LOGS = 10


class TrainingRun:
    """One training under way."""

    def __init__(
        self,
        model: nn.Module,
        lengths: Sequence[int],
        loss_of: Loss,
        schedule: Schedule,
        processes: Processes,
        kept: Checkpoints | None,
        validate: Callable[[], float] | None,
        on_progress: OnProgress | None,
        setting: str,
        *,
        on_share: Callable[[float], None] | None = None,
    ) -> None:
        self.model, self.lengths, self.loss_of, self.schedule = model, lengths, loss_of, schedule
        self.processes, self.kept, self.validate = processes, kept, validate
        self.on_progress, self.setting, self.on_share = on_progress, setting, on_share
        self.parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.groups = epoch_steps(lengths, schedule, 0, processes=processes.count)
        self.between_looks = 1 if processes.device.type == "cpu" else STEPS_BETWEEN_LOOKS
        torch.manual_seed(schedule.seed + processes.index)
        processes.align(model)
        self.optimizer = processes.optimizer(
            torch.optim.AdamW(
                self.parameters, lr=schedule.learning_rate, betas=(0.9, 0.98), weight_decay=0.01, fused=True
            )
        )
        self.unread: list[Step] = []
        self.best: dict[str, Tensor] = {}
        self.place = Place(loss_sums=[0.0] * CURVE_POINTS, loss_counts=[0] * CURVE_POINTS)
        self.resumed_from = self._resume()
        self.before_s = self.place.seconds
        self.started = time.perf_counter() - self.before_s
        self.logged = (self.place.steps, self.place.tokens, self.place.seconds, sum(self.place.loss_sums))

    def through(self) -> Trained:
        """From where it is to its end."""
        place = self.place
        for share, group in self._ahead():
            self._step(share, group)
            epoch_ended = place.batch == 0
            if epoch_ended or place.steps % self.between_looks == 0:
                self._look(epoch_ended)
                self._keep_limit()
        self._end()
        return Trained(
            steps=place.steps,
            tokens=place.tokens,
            seconds=place.seconds,
            losses=tuple(
                total / count for total, count in zip(place.loss_sums, place.loss_counts, strict=True) if count
            ),
            validations=tuple((tokens, value) for tokens, value in place.validations),
            best_validation=place.best,
            stopped_early=place.stopped,
            resumed_from_step=self.resumed_from,
        )

    def _ahead(self) -> Iterator[tuple[float, list[list[int]]]]:
        """(share of the training done, a batch for each process) from `place` on until the work is done."""
        grouped = 0
        while not self.place.stopped:
            if grouped != self.place.epoch:
                grouped = self.place.epoch
                self.groups = epoch_steps(self.lengths, self.schedule, grouped, processes=self.processes.count)
            share = self._share()
            if share >= 1.0:
                return
            yield share, self.groups[self.place.batch]

    def _share(self) -> float:
        return share_done(self.place, self.schedule, steps=len(self.groups))

    def _step(self, share: float, group: list[list[int]]) -> None:
        place, processes = self.place, self.processes
        rate = rate_at(share, self.schedule)
        if self.on_share:
            self.on_share(share)
        for settings in self.optimizer.param_groups:
            settings["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        loss = processes.average(self.parameters, self._backward(group))
        norm = processes.clip(self.parameters, LARGEST_GRADIENT_NORM)
        step = Step(place.steps, share, rate, loss, norm)
        self.unread.append(step)
        if self.between_looks == 1:
            self._check(step, loss.item(), norm.item())
        self.optimizer.step()
        place.steps += 1
        place.tokens += sum(self.lengths[index] for batch in group for index in batch)
        place.batch += 1
        if place.batch == len(self.groups):
            place.epoch, place.batch = place.epoch + 1, 0

    def _backward(self, group: list[list[int]]) -> Tensor:
        """This process's part of the group's loss, with its gradients; 0 where there is no batch left for it."""
        if self.processes.index >= len(group):
            return torch.zeros((), device=self.processes.device)
        batch = group[self.processes.index]
        with self.processes.arithmetic():
            loss = self.loss_of(batch)
        if self.processes.count > 1:  # so that the mean over processes is one over examples
            loss = loss * (len(batch) * self.processes.count / sum(map(len, group)))
        self.processes.backward(loss)
        return loss

    def _check(self, step: Step, loss: float, norm: float) -> None:
        """Raise if the step must not be, or should not have been, taken."""
        if not math.isfinite(loss):
            what = f"the loss is {loss}"
        elif not math.isfinite(norm) and self.processes.scaler is None:  # a scaler skips such a step by itself
            what = f"the gradient's norm is {norm}"
        else:
            return
        raise self._diverged(f"{what} at step {step.number} with learning rate {step.rate:.2g}")

    def _diverged(self, what: str) -> TrainingError:
        """The error to raise, with the last good state back in the model."""
        if self.kept and (found := self.kept.read()):
            place, tensors = found
            files.restore(self.model, files.part_of(tensors, "model/"))
            state = f"the weights of step {place.steps}, the last good ones, stay in {self.kept.path}"
        elif self.best:
            files.restore(self.model, self.best)
            state = f"the weights of the best validation, {self.place.best:.4g}, are back in the model"
        else:
            state = "no good weights were kept, as there was no checkpoint yet"
        return TrainingError(f"{what}; lower {self.setting}; {state}")

    def _look(self, epoch_ended: bool) -> None:
        """Read what the steps since the last look did, and do what is due by the clock or at an epoch's end."""
        due = self.kept is not None and self.kept.due(epoch_ended=epoch_ended)
        self.place.seconds, due_for_all = self.processes.agreed(time.perf_counter() - self.started, float(due))
        self._read()
        if self._is_validation_due(epoch_ended):
            self._validate()
            patience = self.schedule.patience
            self.place.stopped = patience is not None and self.place.stale >= patience and self._share() < 1.0
        if due_for_all:
            self._checkpoint()

    def _keep_limit(self) -> None:
        """Give up, with a checkpoint, where this run has taken too long and is not done."""
        limit_s, spent_s = self.schedule.limit_s, self.place.seconds - self.before_s
        share = self._share()
        if limit_s is None or spent_s <= limit_s or share >= 1.0 or self.place.stopped:
            return
        self._checkpoint()
        raise TrainingLimitError(
            self.setting.rpartition(".")[0], limit_s=limit_s, share=share, kept=self.kept.path if self.kept else None
        )

    def _read(self) -> None:
        """Check the losses not read yet, and pass them on."""
        if not self.unread:
            return
        rows = torch.stack([torch.stack([step.loss.float(), step.norm.float()]) for step in self.unread]).tolist()
        for step, (loss, norm) in zip(self.unread, rows, strict=True):
            self._check(step, loss, norm)
            point = min(int(step.share * CURVE_POINTS), CURVE_POINTS - 1)
            self.place.loss_sums[point] += loss
            self.place.loss_counts[point] += 1
            if self.on_progress and self.processes.first:
                self.on_progress(step.share, loss)
        rate = self.unread[-1].rate
        self.unread.clear()
        if self.processes.tracks:
            self._log(rate)

    def _log(self, rate: float) -> None:
        place = self.place
        steps, tokens, seconds, losses = self.logged
        if place.steps - steps < STEPS_BETWEEN_LOGS and self._share() < 1.0:
            return
        self.logged = (place.steps, place.tokens, place.seconds, sum(place.loss_sums))
        values = {
            "loss": (self.logged[3] - losses) / (place.steps - steps),
            "learning_rate": rate,
            "tokens_per_second": (place.tokens - tokens) / max(place.seconds - seconds, 1e-9),
        }
        self.processes.log(values, place.steps)

    def _is_validation_due(self, epoch_ended: bool) -> bool:
        if self.validate is None:
            return False
        if self.schedule.validate_every is None:
            return epoch_ended
        marks = int(self._share() / self.schedule.validate_every)
        passed, self.place.marks = self.place.marks, marks
        return marks > passed

    def _validate(self) -> None:
        """Score the model, and keep its weights if it is the best so far; the training's random numbers go on after."""
        if self.validate is None:
            return
        place, device = self.place, self.processes.device
        random_state = files.random_state(device)
        self.model.eval()
        (value,) = self.processes.agreed(self.validate())
        self.model.train()
        files.restore_random_state(random_state, device)
        place.validated = place.steps
        place.validations.append((place.tokens, value))
        if value > (-math.inf if place.best is None else place.best):
            place.best, place.stale, self.best = value, 0, files.snapshot(self.model)
        else:
            place.stale += 1
        if self.processes.tracks:
            self.processes.log({"validation": value}, place.steps)

    def _end(self) -> None:
        """Leave the best weights in the model, and a checkpoint from which a training started again ends at once."""
        if self.unread:
            (self.place.seconds,) = self.processes.agreed(time.perf_counter() - self.started)
        self._read()
        if self.validate and self.place.validated != self.place.steps:
            self._validate()
        self._check_weights()
        if self.kept and self.place.steps != self.resumed_from:
            self._checkpoint()
        if self.best:
            files.restore(self.model, self.best)
        self.processes.align(self.model)

    def _check_weights(self) -> None:
        if not all(bool(parameter.isfinite().all()) for parameter in self.parameters):
            raise self._diverged(f"the weights are no longer finite after {self.place.steps} steps")

    def _checkpoint(self) -> None:
        """Write one, by the first process for all."""
        if self.kept is None:
            return
        self._check_weights()
        random_states = self.processes.gathered(files.random_state(self.processes.device))
        if self.processes.scaler is not None:
            self.place.scaler = self.processes.scaler.state_dict()
        if self.processes.first:
            tensors = {
                **files.under("model/", files.snapshot(self.model)),
                **files.under("optimizer/", files.optimizer_tensors(self.optimizer)),
                **files.under("best/", self.best),
                "random": random_states,
            }
            self.kept.write(self.place, tensors)

    def _resume(self) -> int | None:
        """Go to where the last checkpoint is; its step, or None if there is none."""
        if self.kept is None:
            return None
        found = self.kept.read()
        steps = found[0].steps if found else -1
        if self.processes.agreed(steps) != (steps,):
            raise InputError(f"not every machine sees the checkpoint {self.kept.path}; give a folder that they share")
        if found is None:
            return None
        self.place, tensors = found
        files.restore(self.model, files.part_of(tensors, "model/"))
        files.restore_optimizer(self.optimizer, files.part_of(tensors, "optimizer/"))
        self.best = files.part_of(tensors, "best/")
        if self.processes.scaler is not None and self.place.scaler:
            self.processes.scaler.load_state_dict(self.place.scaler)
        files.restore_random_state(tensors["random"][self.processes.index], self.processes.device)
        return steps
