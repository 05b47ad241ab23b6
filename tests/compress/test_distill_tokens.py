"""A student learns its teacher's next tokens from packed rows; a training that was cut off ends at the same student."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch

from edgewright.compress import distill_tokens as module
from edgewright.compress.distill_tokens import TokenDistillation, TokenDistillationLoss, distill_tokens
from edgewright.compress.token_loss import TokenWeights
from edgewright.compress.token_targets import Recorded, TokenTargets, record_token_targets
from edgewright.models import decoder_capabilities
from edgewright.models.decoder import DecoderModel, everything
from edgewright.models.packing import PackedRows
from edgewright.models.schedule import Schedule
from tests import tiny_decoders
from tests.tiny_rows import rows

TEXTS = rows(40)
PACKED = PackedRows.of(TEXTS, 20)
KEPT = (0, 2)
SCHEDULE = Schedule(learning_rate=3e-3, batch_tokens=60, seed=0, epochs=12)
WEIGHTS = TokenDistillation(tokens=TokenWeights(true=0.3), hidden=1.0, intermediate=1.0)


@pytest.fixture(scope="module")
def targets(tmp_path_factory: pytest.TempPathFactory) -> TokenTargets:
    folder = tmp_path_factory.mktemp("recorded")
    recorded = Recorded(top_k=16, hidden=True, entered=KEPT[1:])
    return record_token_targets(tiny_decoders.decoder("llama"), PACKED, recorded, folder=folder)


def student() -> DecoderModel:
    teacher = tiny_decoders.decoder("llama")
    cuts = everything(teacher.shape)
    return teacher.sliced([cuts[layer] for layer in KEPT])


def divergence(model: DecoderModel) -> float:
    """From the teacher, in nats a counted token."""
    teacher, total, count = tiny_decoders.decoder("llama"), 0.0, 0
    with torch.inference_mode():
        for text in TEXTS:
            ids = torch.tensor([text.ids])
            own, wanted = (each(ids)[0, text.first - 1 : -1].log_softmax(dim=-1) for each in (model, teacher))
            total += float((wanted.exp() * (wanted - own)).sum())
            count += len(own)
    return total / count


def trained(targets: TokenTargets, schedule: Schedule = SCHEDULE, **options: Any) -> DecoderModel:
    model = student()
    weights = options.pop("weights", WEIGHTS)
    distill_tokens(model, targets, PACKED, schedule, weights, layers=KEPT, **options)
    return model


@pytest.mark.parametrize(
    "weights",
    [
        WEIGHTS,
        TokenDistillation(tokens=TokenWeights()),
        TokenDistillation(tokens=TokenWeights(teacher=0.0), hidden=1.0),
    ],
    ids=["all", "tokens", "hidden vectors"],
)
def test_each_part_of_the_loss_brings_a_student_nearer_to_its_teacher(
    targets: TokenTargets, weights: TokenDistillation
) -> None:
    assert divergence(trained(targets, weights=weights)) < 0.7 * divergence(student())


def test_a_training_that_was_cut_off_goes_on_to_the_same_student(targets: TokenTargets, tmp_path: Path) -> None:
    uncut, steps = trained(targets), 0

    def cut_off(_: float, __: float) -> None:
        nonlocal steps
        steps += 1
        if steps == 30:
            raise KeyboardInterrupt

    kept = {"checkpoints": tmp_path, "checkpoint_seconds": 0.0}
    with pytest.raises(KeyboardInterrupt):
        trained(targets, on_progress=cut_off, **kept)
    model = student()
    done = distill_tokens(model, targets, PACKED, SCHEDULE, WEIGHTS, layers=KEPT, **kept)  # type: ignore[arg-type]
    assert done.resumed_from_step
    for name, values in uncut.state_dict().items():
        assert torch.equal(values, model.state_dict()[name]), name


def test_what_a_batch_weighs_does_not_hang_on_which_rows_it_has(targets: TokenTargets) -> None:
    loss = TokenDistillationLoss(student(), targets, PACKED, SCHEDULE, TokenDistillation(tokens=TokenWeights()), KEPT)
    with torch.inference_mode():
        together = float(loss.loss_of(range(len(PACKED))))
        alone = [float(loss.loss_of([index])) for index in range(len(PACKED))]
    assert together == pytest.approx(sum(alone) / len(alone), rel=1e-4)
    assert 0.5 * divergence(student()) < together < divergence(student())  # all but the likeliest are one bucket


def test_hidden_vectors_count_at_the_beginning_alone(targets: TokenTargets) -> None:
    weights = TokenDistillation(tokens=TokenWeights(teacher=0.0), hidden=1.0)
    loss = TokenDistillationLoss(student(), targets, PACKED, SCHEDULE, weights, KEPT)
    found = []
    with torch.inference_mode():
        for share in (0.0, module.HIDDEN_UNTIL / 2, module.HIDDEN_UNTIL, 1.0):
            loss.at(share)
            found.append(float(loss.loss_of([0, 1])))
    assert found[0] > 0
    assert found[1] == pytest.approx(found[0] / 2)
    assert found[2:] == [0.0, 0.0]


def test_vectors_of_another_width_are_left_out(targets: TokenTargets) -> None:
    teacher = tiny_decoders.decoder("llama")
    narrow = teacher.sliced(everything(teacher.shape), width=range(24))
    loss = TokenDistillationLoss(narrow, targets, PACKED, SCHEDULE, WEIGHTS, KEPT)
    assert loss.vectors == ()


def test_a_fresh_student_learns_the_true_tokens_without_a_teachers_weight(targets: TokenTargets) -> None:
    fresh = decoder_capabilities.fresh(student(), seed=0)
    weights = TokenDistillation(tokens=TokenWeights(teacher=0.0, true=1.0))
    before = TokenDistillationLoss(copy.deepcopy(fresh), targets, PACKED, SCHEDULE, weights, KEPT)
    with torch.inference_mode():
        first = float(before.loss_of([0, 1, 2]))
    distill_tokens(fresh, targets, PACKED, SCHEDULE, weights)
    after = TokenDistillationLoss(fresh, targets, PACKED, SCHEDULE, weights, KEPT)
    with torch.inference_mode():
        assert float(after.loss_of([0, 1, 2])) < 0.9 * first
