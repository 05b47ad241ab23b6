"""A student learns its teacher's answers, word by word, also where it splits words otherwise."""

import copy
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests import tiny
from toolchain.compress import distill as module
from toolchain.compress.distill import Targets, distill, partners_of, record_targets
from toolchain.compress.importance import activation_importance
from toolchain.compress.prune import prune
from toolchain.compress.vocabulary import trim
from toolchain.errors import TrainingError
from toolchain.models import teacher as teachers
from toolchain.models.encoder import Encoder, EncoderShape
from toolchain.models.text import Head, HeadShape, TextModel, outputs
from toolchain.models.tokenizer import Encoded
from toolchain.models.training import Schedule
from toolchain.recipe import ModelSource

TEXTS = tiny.sentences(150)


def student() -> TextModel:
    """The teacher with one of its layers gone, and half of the neurons."""
    teacher = tiny.model_copy()
    scores = activation_importance(teacher.encoder, tiny.rows(20))
    return TextModel(prune(teacher.encoder, scores, layers=2, heads=3, neurons=32).encoder, teacher.head)


def schedule(**changes: float) -> Schedule:
    return Schedule(**{"learning_rate": 2e-3, "batch_tokens": 256, "seed": 0, "epochs": 12, **changes})  # type: ignore[arg-type]


def cosine(model: TextModel, rows: list[Encoded], targets: Tensor) -> float:
    return float(torch.nn.functional.cosine_similarity(outputs(model, rows), targets).mean())


@pytest.fixture(scope="module")
def rows() -> list[Encoded]:
    return tiny.tokenizer().encode(TEXTS)


@pytest.fixture(scope="module")
def targets(rows: list[Encoded]) -> Targets:
    return record_targets(tiny.teacher().model, rows)


def test_targets_are_the_teachers_outputs_and_the_mean_of_each_words_vectors() -> None:
    rows = tiny.tokenizer().encode(["rain", "walking in the storms", "a book"])
    told: list[tuple[int, int]] = []
    targets = record_targets(tiny.teacher().model, rows, told=lambda *heard: told.append(heard))
    assert told[-1] == (3, 3)
    assert torch.allclose(targets.outputs, outputs(tiny.teacher().model, rows), atol=0.02)
    with torch.inference_mode():
        hidden = tiny.encoder()(torch.tensor(rows[1].ids))
    assert rows[1].words == (0, 1, 1, 2, 3, 4, 4, 5)
    expected = torch.stack([hidden[0], hidden[1:3].mean(0), hidden[3], hidden[4], hidden[5:7].mean(0), hidden[7]])
    assert targets.of_words(1).shape == (6, 32)
    assert torch.allclose(targets.of_words(1).float(), expected, atol=0.05)


def test_targets_come_back_from_disk_as_they_were(targets: Targets, tmp_path: Path) -> None:
    targets.save(tmp_path / "targets.safetensors")
    back = Targets.load(tmp_path / "targets.safetensors")
    assert torch.equal(back.outputs, targets.outputs)
    assert torch.equal(back.words, targets.words)
    assert torch.equal(back.of_words(7), targets.of_words(7))
    assert int(back.starts[-1]) == len(back.words)


def test_the_loss_falls_and_unseen_texts_come_closer_to_the_teacher(rows: list[Encoded], targets: Targets) -> None:
    learner = student()
    unseen = tiny.rows(30, seed=1)
    wanted = outputs(tiny.teacher().model, unseen)
    before = cosine(learner, unseen, wanted)
    told: list[float] = []
    done = distill(learner, targets, rows, schedule(), told=lambda share, loss: told.append(loss))
    assert done.losses[-1] < 0.5 * done.losses[0]
    assert cosine(learner, unseen, wanted) > before + 0.25 * (1 - before)
    assert len(told) == done.steps
    assert not learner.training


def test_a_student_with_another_width_learns_from_the_outputs_alone(rows: list[Encoded]) -> None:
    torch.manual_seed(0)
    shape = tiny.encoder().shape
    narrow = EncoderShape(**{**vars(shape), "width": 16, "head_width": 4})
    learner = TextModel(Encoder(narrow), Head(HeadShape(pooling="mean"), 16))
    targets = Targets(
        outputs=torch.nn.functional.normalize(torch.randn(len(rows), 16), dim=-1),
        words=torch.randn(3, 32).half(),
        starts=torch.zeros(len(rows) + 1, dtype=torch.long),
    )
    done = distill(learner, targets, rows, schedule(epochs=3))
    assert all(0 < loss < 2.5 * module.OUTPUT_WEIGHT for loss in done.losses)


def test_words_line_up_when_the_student_splits_them_otherwise() -> None:
    texts = ["the rain in the garden", "thunder after the storm"]
    small = trim(tiny.tokenizer(), ["the rain in"], size=None)
    teacher_rows, student_rows = tiny.tokenizer().encode(texts), small.tokenizer.encode(texts)
    assert [row.words[-1] for row in teacher_rows] == [row.words[-1] for row in student_rows]
    assert len(student_rows[1].ids) > len(teacher_rows[1].ids)
    targets = record_targets(tiny.teacher().model, teacher_rows)
    mask = torch.zeros(2, 32)
    hidden = torch.full((2, 32, 32), 1e6)  # what stands on padding must not matter
    for row, encoded in enumerate(student_rows):
        mask[row, : len(encoded.ids)] = 1
        for place, word in enumerate(encoded.words):
            hidden[row, place] = targets.of_words(row)[word].float()
    assert module._word_error(hidden, mask, targets, student_rows, [0, 1]) == pytest.approx(0, abs=1e-6)


def test_words_that_only_one_side_reads_before_its_cut_are_left_out() -> None:
    text = "thunder snow"
    small = trim(tiny.tokenizer(), ["a"], size=None).tokenizer
    (teacher_row,) = tiny.tokenizer().encode([text])
    (whole_row,) = small.encode([text])
    cut = Encoded(ids=whole_row.ids[:5], words=whole_row.words[:5])  # inside "thunder"
    assert cut.words[-1] < teacher_row.words[-1]
    targets = record_targets(tiny.teacher().model, [teacher_row])
    hidden = torch.full((1, 5, 32), 1e6)
    hidden[0, 0] = targets.of_words(0)[0].float()
    assert module._word_error(hidden, torch.ones(1, 5), targets, [cut], [0]) == pytest.approx(0, abs=1e-6)


def test_a_student_of_classes_learns_its_teachers_shares(rows: list[Encoded]) -> None:
    source = ModelSource(folder=tiny.bert_folder())
    torch.manual_seed(3)
    teacher = teachers.load(source, labels=tiny.LABELS, max_length=tiny.MAX_LENGTH).model
    teacher.head.classifier.weight.data *= 10
    targets = record_targets(teacher, rows)
    learner = copy.deepcopy(teacher)
    torch.nn.init.normal_(learner.head.classifier.weight, std=0.5)
    wanted = outputs(teacher, rows).argmax(dim=-1)
    before = float((outputs(learner, rows).argmax(dim=-1) == wanted).float().mean())
    done = distill(learner, targets, rows, schedule(epochs=6))
    assert done.losses[-1] < done.losses[0]
    assert float((outputs(learner, rows).argmax(dim=-1) == wanted).float().mean()) > max(before, 0.8)


def test_each_text_knows_its_partner_where_both_are_taught() -> None:
    texts = ["question", "other", "answer", "alone"]
    pairs = [("question", "answer"), ("other", "not taught"), ("nor this", "alone")]
    assert partners_of(texts, pairs).tolist() == [2, -1, 0, -1]
    assert partners_of([], pairs).tolist() == []


def test_pairs_bring_a_text_nearer_to_its_partner_than_to_others(rows: list[Encoded], targets: Targets) -> None:
    half = len(TEXTS) // 2
    partners = partners_of(TEXTS, zip(TEXTS[:half], TEXTS[half:], strict=True))

    def share_found(pair_weight: float) -> float:
        learner = student()
        distill(learner, targets, rows, schedule(epochs=20), partners=partners, pair_weight=pair_weight)
        similarities = outputs(learner, rows[:half]) @ targets.outputs[half:].T
        return float((similarities.argmax(dim=1) == torch.arange(half)).float().mean())

    assert share_found(5.0) > share_found(0.0) + 0.1


def test_texts_without_partners_are_taught_as_if_nothing_were_known_of_pairs(
    rows: list[Encoded], targets: Targets
) -> None:
    first, second = student(), student()
    distill(first, targets, rows, schedule(epochs=1), partners=torch.full((len(rows),), -1), pair_weight=5.0)
    distill(second, targets, rows, schedule(epochs=1))
    assert torch.equal(outputs(first, rows), outputs(second, rows))


def test_training_that_diverges_names_the_step_and_the_setting(rows: list[Encoded], targets: Targets) -> None:
    with pytest.raises(
        TrainingError, match=r"the loss is (nan|inf) at step \d+ .*lower stages\.distill\.learning_rate"
    ):
        distill(student(), targets, rows, schedule(learning_rate=1e30))


def test_the_loss_of_a_student_that_is_its_teacher_is_all_but_nothing(rows: list[Encoded], targets: Targets) -> None:
    _, loss = module._loss(tiny.teacher().model, targets, rows, list(range(20)), torch.tensor(1.0))
    assert loss.item() == pytest.approx(0, abs=0.05)
    assert math.isfinite(loss.item())
