"""The training loop: it learns, ends when its work is done, stops when it diverges and resumes exactly."""

import json
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from edgewright.errors import (
    BadDataError,
    EnvironmentFaultError,
    InputError,
    TrainingLimitError,
    UnknownNameError,
)
from edgewright.models.training import train
from tests.models import training_program
from tests.models.lines import Line, loss_of, schedule

ROOT = Path(__file__).parents[2]
PROGRAM = Path(training_program.__file__)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As the program has it: sums over two threads round otherwise."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def run_program(out: Path, *launcher: str, **settings: Any) -> subprocess.CompletedProcess[str]:
    """One process on what there is, which is what the test's own is on; two share no GPU."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    environment |= {"CUDA_VISIBLE_DEVICES": ""} if launcher else {}
    argv = [sys.executable, *launcher, str(PROGRAM), json.dumps({"out": str(out), **settings})]
    return subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)


def assert_same(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> None:
    assert found.keys() == wanted.keys()
    assert [name for name in wanted if not torch.equal(found[name], wanted[name])] == []


def test_the_loss_falls_and_every_text_is_seen_in_every_epoch() -> None:
    model, seen = Line(), []
    told: list[tuple[float, float]] = []
    done = train(
        model,
        [10] * 16,
        loss_of(model, seen),
        schedule(),
        setting="x",
        on_progress=lambda *heard: told.append(heard),
    )
    assert done.steps == len(seen) == len(told) == 20 * 4
    assert done.tokens == 20 * 160
    assert sorted(index for batch in seen[:4] for index in batch) == list(range(16))
    assert len(done.losses) == 20
    assert done.losses[-1] < 0.1 * done.losses[0]
    assert [share for share, _ in told] == sorted(share for share, _ in told)
    assert not model.training
    assert (done.best_validation, done.stopped_early, done.resumed_from_step) == (None, False, None)


def test_the_same_seed_gives_the_same_weights_and_another_another_order() -> None:
    def trained(seed: int) -> tuple[float, list[list[int]]]:
        model, seen = Line(), []
        train(model, [10] * 16, loss_of(model, seen), schedule(seed=seed, epochs=2), setting="x")
        return model.weight.item(), seen

    assert trained(1) == trained(1)
    assert trained(1)[1] != trained(2)[1]


def test_pythons_own_random_numbers_are_not_reseeded() -> None:
    random.seed(11)
    before = random.getstate()
    model = Line()
    train(model, [10] * 16, loss_of(model), schedule(epochs=2), setting="x", validate=lambda: 0.0)
    assert random.getstate() == before


@pytest.mark.parametrize(
    ("work", "steps"),
    [
        ({"epochs": None, "tokens": 400}, 10),  # 40 tokens a step, 4 steps an epoch
        ({"epochs": None, "tokens": 401}, 11),
        ({"epochs": 2, "tokens": 400}, 8),
        ({"epochs": 3, "tokens": 400}, 10),
        ({"epochs": 1.5}, 6),
        ({"epochs": 1 / 3}, 2),
    ],
)
def test_training_ends_when_its_work_is_done_by_tokens_or_by_epochs(work: dict[str, Any], steps: int) -> None:
    model = Line()
    told: list[float] = []
    done = train(
        model, [10] * 16, loss_of(model), schedule(**work), setting="x", on_progress=lambda share, _: told.append(share)
    )
    assert (done.steps, done.tokens) == (steps, steps * 40)
    assert told[0] == 0.0
    assert max(told) < 1.0


def test_a_training_without_an_end_is_refused() -> None:
    with pytest.raises(InputError, match="needs epochs or tokens"):
        schedule(epochs=None)


@pytest.mark.parametrize("work", [{"epochs": 4}, {"epochs": None, "tokens": 3 * 480}])
def test_slow_steps_and_a_clock_that_leaps_change_no_weight(
    work: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {**work, "dropout": 0.3, "validate": True}
    quiet, done = training_program.trained(**settings)
    slow, slowly = training_program.trained(**settings, step_seconds=0.005, checkpoints=str(tmp_path / "slow"))
    monkeypatch.setattr(time, "perf_counter", leaping())
    leapt, wildly = training_program.trained(**settings, checkpoints=str(tmp_path / "leapt"))
    for model, other in ((slow, slowly), (leapt, wildly)):
        assert_same(model.state_dict(), quiet.state_dict())
        assert (other.steps, other.tokens, other.losses) == (done.steps, done.tokens, done.losses)
        assert other.best_validation == done.best_validation
    assert wildly.seconds > 1000 > done.seconds


def leaping() -> Callable[[], float]:
    """A clock on which anything from nothing to half an hour passes between two looks."""
    chance, now = random.Random(4), [0.0]

    def clock() -> float:
        now[0] += chance.choice((0.0, 0.001, 1.0, 60.0, 1800.0))
        return now[0]

    return clock


def test_a_limit_that_is_passed_ends_in_a_fault_from_whose_checkpoint_the_training_goes_on_to_the_same_weights(
    tmp_path: Path,
) -> None:
    settings = {"dropout": 0.3, "validate": True, "setting": "stages.distill.learning_rate"}
    whole, wanted = training_program.trained(**settings)
    place = str(tmp_path)
    with pytest.raises(TrainingLimitError) as raised:
        training_program.trained(**settings, limit_s=0.06, step_seconds=0.01, checkpoints=place)
    said = str(raised.value)
    assert "longer than stages.distill.minutes = 0.001 allows" in said
    assert "the same command goes on from its checkpoint; raise the limit or leave it out" in said
    assert raised.value.exit_code == 4
    assert 0 < raised.value.share < 0.5
    assert [file.suffix for file in tmp_path.iterdir()] == [".safetensors"]
    # The limit is of one run: a second one goes on, here until it is through, and another limit is no other training.
    resumed, done = training_program.trained(**settings, limit_s=60.0, checkpoints=place)
    assert done.resumed_from_step == round(raised.value.share * 48)
    assert (done.steps, done.losses) == (wanted.steps, wanted.losses)
    assert_same(resumed.state_dict(), whole.state_dict())


@pytest.mark.parametrize("slow_step", [78, 79])
def test_a_training_that_is_through_is_not_given_up_however_long_it_took(
    slow_step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, now, steps = Line(), [0.0], [0]

    def loss(batch: list[int]) -> torch.Tensor:
        now[0] += 100.0 if steps[0] == slow_step else 0.0
        steps[0] += 1
        return loss_of(model)(batch)

    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    if slow_step == 79:  # the last of them
        assert train(model, [10] * 16, loss, schedule(limit_s=60), setting="x").steps == 80
        return
    with pytest.raises(TrainingLimitError, match=r"with 99 % of its work done; no checkpoint was kept"):
        train(model, [10] * 16, loss, schedule(limit_s=60), setting="x")


def test_no_text_at_all_is_bad_data() -> None:
    model = Line()
    with pytest.raises(BadDataError, match="no text to train on"):
        train(model, [], loss_of(model), schedule(), setting="x")


@pytest.mark.parametrize("validate", [False, True])
def test_a_killed_training_started_again_ends_with_the_same_weights_bit_by_bit(tmp_path: Path, validate: bool) -> None:
    settings = {"dropout": 0.3, "validate": validate, "step_seconds": 0.01}
    place = str(tmp_path / "checkpoints")
    killed = run_program(tmp_path / "killed", **settings, checkpoints=place, kill_at=29)
    assert killed.returncode == -9, killed.stderr
    random.seed(99)
    model, done = training_program.trained(**settings, checkpoints=place)
    whole, _ = training_program.trained(**settings)
    assert done.resumed_from_step is not None
    assert 0 < done.resumed_from_step < 29
    assert (done.steps, done.tokens) == (48, 4 * 480)
    assert_same(model.state_dict(), whole.state_dict())
    again, done = training_program.trained(**settings, checkpoints=place)
    assert (done.resumed_from_step, done.steps) == (48, 48)
    assert_same(again.state_dict(), whole.state_dict())


def test_the_seconds_before_an_interrupt_count_and_its_checkpoint_stays(tmp_path: Path) -> None:
    model, heard = Line(), []

    def interrupt(share: float, loss: float) -> None:
        heard.append(share)
        time.sleep(0.01)
        if share > 0.5:
            raise KeyboardInterrupt

    def run(told: Callable[[float, float], None]) -> Any:
        return train(
            model,
            [10] * 16,
            loss_of(model),
            schedule(),
            setting="x",
            on_progress=told,
            checkpoints=tmp_path,
            checkpoint_seconds=0,
        )

    with pytest.raises(KeyboardInterrupt):
        run(interrupt)
    assert [file.suffix for file in tmp_path.iterdir()] == [".safetensors"]
    shares: list[float] = []
    done = run(lambda share, _: shares.append(share))
    assert done.resumed_from_step > 0
    assert shares[0] > 0.0
    assert 0.01 * (done.resumed_from_step - 1) <= done.seconds < 5


def test_the_checkpoint_of_another_training_is_left_alone(tmp_path: Path) -> None:
    def run(*, lengths: int = 16, key: str = "", **changes: Any) -> int | None:
        model = Line()
        return train(
            model,
            [10] * lengths,
            loss_of(model),
            schedule(epochs=2, **changes),
            setting="x",
            checkpoints=tmp_path,
            key=key,
        ).resumed_from_step

    assert run() is None
    assert run() == 8
    assert run(lengths=12) is None
    assert run(learning_rate=0.2) is None
    assert run(key="other data") is None
    assert run() == 8
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.slow
@pytest.mark.parametrize("machines", [1, 2])
def test_two_processes_end_with_the_weights_of_one_with_twice_the_batch(machines: int, tmp_path: Path) -> None:
    """The last of an epoch's three batches comes alone: the second process has nothing to add then.

    Started by what `accelerate launch --multi_gpu` calls, on each machine; on a CPU accelerate's own launcher wants
    MPI. Of two machines each has one process, and both are this one: they share nothing but the folder.
    """
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    launcher = (
        "-m", "torch.distributed.run", f"--nnodes={machines}", f"--nproc_per_node={2 // machines}",
        "--master_addr=127.0.0.1", f"--master_port={port}",
    )  # fmt: skip
    settings: dict[str, Any] = {"frozen_statistics": True, "validate": True, "batch_tokens": 200, "epochs": 10}
    settings["checkpoints"] = str(tmp_path / "checkpoints")

    def run(name: str) -> str:
        """On all machines at once; what all of them say."""
        with ThreadPoolExecutor() as pool:
            started = [
                pool.submit(run_program, tmp_path / name, *launcher, f"--node_rank={rank}", **settings)
                for rank in range(machines)
            ]
        ended = [each.result() for each in started]
        assert not any(each.returncode for each in ended), ended
        return "".join(each.stdout for each in ended)

    said = run("two")
    first, second = load_file(tmp_path / "two-0"), load_file(tmp_path / "two-1")
    assert_same(first, second)
    assert len(list((tmp_path / "checkpoints").iterdir())) == 1
    model, done = training_program.trained(frozen_statistics=True, validate=True, batch_tokens=400, epochs=10)
    assert f'"steps": {done.steps}, "tokens": {done.tokens}' in said
    for name, wanted in model.state_dict().items():
        torch.testing.assert_close(first[name], wanted, rtol=1e-4, atol=1e-5)
    again = run("again")
    assert again.count(f'"resumed": {done.steps}') == 2
    assert_same(load_file(tmp_path / "again-1"), second)


def test_tensorboard_gets_loss_rate_speed_and_validation(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    model = Line()
    train(
        model,
        [10] * 16,
        loss_of(model),
        schedule(epochs=10),
        setting="x",
        validate=lambda: 0.5,
        trackers=["tensorboard"],
        tracker_folder=tmp_path / "log",
    )
    (file,) = (tmp_path / "log").rglob("events.out.*")
    events = EventAccumulator(str(file)).Reload()
    assert set(events.Tags()["scalars"]) == {"loss", "learning_rate", "tokens_per_second", "validation"}
    losses = events.Scalars("loss")
    steps = [each.step for each in losses]
    assert steps == [10, 20, 30, 40] or (torch.accelerator.is_available() and steps[-1] == 40)  # a GPU is asked less
    assert losses[-1].value < losses[0].value
    assert events.Scalars("tokens_per_second")[0].value > 0


@pytest.mark.parametrize("tracker", ["mlflow", "wandb"])
def test_other_trackers_write_into_the_folder_they_are_given_and_nowhere_else(
    tracker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither is among what tests install: their dependencies do not go with the exporters'."""
    pytest.importorskip(tracker)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    model, log = Line(), tmp_path / "log"
    train(model, [10] * 16, loss_of(model), schedule(epochs=2), setting="x", trackers=[tracker], tracker_folder=log)
    assert any(each.is_file() and each.stat().st_size for each in log.rglob("*"))
    assert not list(elsewhere.iterdir())


def test_a_tracker_that_is_unknown_missing_or_without_a_folder_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Line()

    def run(*trackers: str, folder: Path | None = None) -> None:
        train(model, [10], loss_of(model), schedule(), setting="x", trackers=trackers, tracker_folder=folder)

    with pytest.raises(UnknownNameError, match="did you mean tensorboard"):
        run("tensorbord")
    monkeypatch.setattr("edgewright.models.processes.find_spec", lambda name: None)
    with pytest.raises(EnvironmentFaultError, match="pip install wandb"):
        run("wandb")
    monkeypatch.setattr("edgewright.models.processes.find_spec", lambda name: object())
    with pytest.raises(InputError, match="tracker_folder"):
        run("tensorboard")
