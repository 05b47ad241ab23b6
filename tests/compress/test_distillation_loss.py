"""Each part of the loss is the error it is said to be, and their weights add up."""

from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from edgewright.compress.distillation_loss import PAIR_TEMPERATURE, DistillationLoss, Weights
from edgewright.compress.targets import Targets, record_targets
from edgewright.models.inputs import ImageInputs, TextInputs
from edgewright.models.model import TransformerModel
from edgewright.models.transformer_shape import LayerCut
from tests import tiny

PARTS = ("output", "hidden", "intermediate", "relation", "similarity", "pair")
COUNT = 12
BATCH = list(range(COUNT))


@cache
def inputs() -> TextInputs:
    return TextInputs(tiny.rows(COUNT))


@cache
def targets() -> Targets:
    return record_targets(tiny.teacher().model, inputs(), entered=(2,), attention=True)


def student() -> TransformerModel:
    """The teacher without one layer."""
    teacher = tiny.model_copy()
    cuts = [LayerCut(layer=layer, heads=(0, 1, 2, 3), neurons=tuple(range(64))) for layer in (0, 2)]
    return TransformerModel(teacher.encoder.sliced(cuts), teacher.head).eval()


def apart(found: Tensor, wanted: Tensor) -> Tensor:
    return functional.mse_loss(found, wanted)


def loss(weights: Weights, *, model: Any = None, recorded: Targets | None = None, **more: Any) -> float:
    settings = {"partners": None, "seed": 0, "followed": [(1, 0)], **more}
    made = DistillationLoss(model or student(), recorded or targets(), inputs(), apart, weights, **settings)
    with torch.no_grad():
        return float(made.loss_of(BATCH))


def only(**weights: float) -> Weights:
    return Weights(**{**dict.fromkeys(PARTS, 0.0), **weights})


def test_weights_multiply_parts_that_add_up() -> None:
    weights = {"output": 2.0, "hidden": 3.0, "intermediate": 0.5, "relation": 4.0, "similarity": 0.25}
    parts = [weight * loss(only(**{part: 1.0})) for part, weight in weights.items()]
    assert all(part > 0 for part in parts)
    assert loss(only(**weights)) == pytest.approx(sum(parts), rel=1e-4)
    assert loss(only()) == 0.0


def test_the_hidden_error_is_a_squared_one_in_units_of_the_teachers_spread() -> None:
    own = record_targets(student(), inputs())
    spread = targets().hidden.float().var(dim=0).mean()
    expected = functional.mse_loss(own.hidden.float(), targets().hidden.float()) / spread
    assert loss(only(hidden=1.0)) == pytest.approx(float(expected), rel=0.02)


def test_the_output_error_is_the_callers_own() -> None:
    expected = float(apart(record_targets(student(), inputs()).outputs, targets().outputs))
    assert loss(only(output=1.0)) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("part", ["output", "hidden", "relation", "similarity"])
def test_no_fault_is_found_with_the_teacher_itself(part: str) -> None:
    assert loss(only(**{part: 1.0}), model=tiny.model_copy()) < 0.01 * loss(only(**{part: 1.0}))


def test_a_partner_is_to_be_found_among_the_others_that_are_no_partners() -> None:
    partners = torch.full((COUNT,), -1)
    partners[0], partners[1] = 1, 0
    own = functional.normalize(record_targets(student(), inputs()).outputs, dim=-1)
    known = functional.normalize(targets().outputs, dim=-1)
    losses = []
    for one, partner in ((0, 1), (1, 0)):
        others = [row for row in range(COUNT) if row not in (0, 1)]
        scores = torch.cat([known[[partner]], known[others]]) @ own[one] / PAIR_TEMPERATURE
        losses.append(-float(scores.log_softmax(dim=0)[0]))
    assert loss(only(pair=1.0), partners=partners) == pytest.approx(sum(losses) / 2, rel=0.03, abs=0.02)


def test_a_batch_without_partners_learns_nothing_of_pairs() -> None:
    assert loss(only(pair=1.0), partners=torch.full((COUNT,), -1)) == 0.0
    assert loss(only(pair=1.0)) == 0.0


def test_a_model_without_hidden_states_is_trained_by_its_outputs_alone() -> None:
    images = ImageInputs(torch.rand(COUNT, 4, 4, 1, generator=torch.Generator().manual_seed(0)))
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
    recorded = record_targets(net, images)
    other = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
    made = DistillationLoss(
        other, recorded, images, apart, only(output=10.0, similarity=1.0), [], partners=None, seed=0
    )
    wanted = 10 * apart(other(*images.batch([2, 5])), recorded.outputs[[2, 5]])
    torch.testing.assert_close(made.loss_of([2, 5]), wanted)


def test_gradients_reach_the_student_and_not_what_was_recorded() -> None:
    model = student()
    model.requires_grad_(True)
    made = DistillationLoss(
        model, targets(), inputs(), apart, Weights(relation=1.0, similarity=1.0), [], partners=None, seed=0
    )
    made.loss_of(BATCH).backward()
    gradients = [each.grad for each in model.encoder.layers[0].parameters()]
    assert any(each is not None and bool(each.any()) for each in gradients)
    assert not targets().outputs.requires_grad
