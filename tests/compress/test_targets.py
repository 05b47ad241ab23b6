"""What a teacher says of each example is recorded word by word, in memory or into a folder."""

import errno
import os
from pathlib import Path

import pytest
import torch

from edgewright.compress.targets import Targets, record_targets
from edgewright.modality.encoded import Encoded
from edgewright.models.inputs import ImageInputs, TextInputs
from edgewright.models.text import outputs
from tests import tiny

TEXTS = tiny.sentences(150)


@pytest.fixture(scope="module")
def rows() -> list[Encoded]:
    return tiny.tokenizer().encode(TEXTS)


@pytest.fixture(scope="module")
def targets(rows: list[Encoded]) -> Targets:
    return record_targets(tiny.teacher().model, TextInputs(rows), entered=(2,), attention=True)


def test_targets_are_the_teachers_outputs_and_the_mean_of_each_words_vectors() -> None:
    rows = tiny.tokenizer().encode(["rain", "walking in the storms", "a book"])
    progress: list[tuple[int, int]] = []
    targets = record_targets(tiny.teacher().model, TextInputs(rows), on_progress=lambda *step: progress.append(step))
    assert progress[-1] == (3, 3)
    assert torch.allclose(targets.outputs, outputs(tiny.teacher().model, rows), atol=0.02)
    with torch.inference_mode():
        hidden = tiny.encoder()(torch.tensor(rows[1].ids))
    assert rows[1].words == (0, 1, 1, 2, 3, 4, 4, 5)
    expected = torch.stack([hidden[0], hidden[1:3].mean(0), hidden[3], hidden[4], hidden[5:7].mean(0), hidden[7]])
    found = targets.hidden[targets.starts[1] : targets.starts[2]]
    assert found.shape == (6, 32)
    assert torch.allclose(found.float(), expected, atol=0.05)


def test_targets_recorded_into_a_folder_are_read_back_the_same(
    rows: list[Encoded], targets: Targets, tmp_path: Path
) -> None:
    record_targets(tiny.teacher().model, TextInputs(rows), entered=(2,), attention=True, folder=tmp_path)
    back = Targets.load(tmp_path)
    for name, tensor in vars(targets).items():
        assert torch.equal(getattr(back, name), tensor), name


def test_a_module_that_has_outputs_alone_is_recorded_into_a_folder_too(tmp_path: Path) -> None:
    images = ImageInputs(torch.zeros((5, 4, 4, 1), dtype=torch.uint8), mean=(0.5,), std=(0.5,))
    teacher = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3)).eval()
    recorded = record_targets(teacher, images, folder=tmp_path)
    assert torch.equal(Targets.load(tmp_path).outputs, recorded.outputs)


def test_a_disk_without_room_for_the_vectors_is_an_error_before_the_teacher_runs(
    rows: list[Encoded], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    progress: list[tuple[int, int]] = []
    with pytest.raises(OSError, match="No space left"):
        record_targets(
            tiny.teacher().model, TextInputs(rows), folder=tmp_path, on_progress=lambda *step: progress.append(step)
        )
    assert progress == []


def test_what_nothing_asks_for_is_not_recorded(rows: list[Encoded]) -> None:
    small = record_targets(tiny.teacher().model, TextInputs(rows[:5]), hidden=False)
    assert (len(small.hidden), len(small.attention), len(small.outputs)) == (0, 0, 5)


def test_what_enters_the_teachers_layers_is_recorded_word_by_word() -> None:
    rows = tiny.tokenizer().encode(["rain", "walking in the storms"])
    targets = record_targets(tiny.teacher().model, TextInputs(rows), entered=(1, 2))
    with torch.inference_mode():
        states = tiny.encoder().all_hidden(torch.tensor(rows[1].ids))
    assert targets.entered.tolist() == [1, 2]
    for recorded, state in zip(targets.intermediate, states[1:3], strict=True):
        found = recorded[targets.starts[1] : targets.starts[2]]
        assert torch.allclose(found[1].float(), state[1:3].mean(0), atol=0.05)
        assert torch.allclose(found[2].float(), state[3], atol=0.05)
