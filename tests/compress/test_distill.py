"""A student learns its teacher's answers, unit by unit, also where it splits words otherwise or is of another width."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from edgewright.compress.distill import distill, partners_of
from edgewright.compress.distillation_loss import Weights
from edgewright.compress.targets import Targets, record_targets
from edgewright.compress.vocabulary import trim
from edgewright.errors import TrainingError
from edgewright.modality.encoded import Encoded
from edgewright.models.encoder import Encoder, EncoderShape
from edgewright.models.inputs import ImageInputs, TextInputs
from edgewright.models.model import Head, HeadShape, TransformerModel
from edgewright.models.schedule import Schedule, Trained
from edgewright.models.text import outputs
from edgewright.models.transformer_shape import LayerCut, LayerShape
from edgewright.models.vision import VisionEncoder, VisionShape
from tests import tiny

TEXTS = tiny.sentences(150)
HIDDEN_ALONE = Weights(output=0.0, hidden=1.0)
PARTS = ("output", "hidden", "intermediate", "relation", "similarity")
STUDENTS_LAYERS = (0, 2)  # of the teacher's three


def by_cosine(found: Tensor, wanted: Tensor) -> Tensor:
    return (1 - functional.cosine_similarity(found, wanted)).mean()


def by_shares(found: Tensor, wanted: Tensor) -> Tensor:
    return functional.kl_div(found.log_softmax(-1), wanted.softmax(-1), reduction="batchmean")


def student() -> TransformerModel:
    """The teacher with one of its layers gone, a head of each of the others, and half of their neurons."""
    teacher = tiny.model_copy()
    cuts = [LayerCut(layer=layer, heads=(0, 1, 2), neurons=tuple(range(0, 64, 2))) for layer in STUDENTS_LAYERS]
    return TransformerModel(teacher.encoder.sliced(cuts), teacher.head).eval()


def narrow(width: int = 16) -> TransformerModel:
    """A student of its own shape whose embeddings are projected to the teacher's width."""
    torch.manual_seed(0)
    layers = (LayerShape(heads=2, head_width=8, neurons=32),)
    shape = EncoderShape(vocabulary=len(tiny.pieces()), positions=32, width=width, layers=layers)
    return TransformerModel(Encoder(shape), Head(HeadShape(pooling="mean", projected=32), width)).eval()


def schedule(**changes: float) -> Schedule:
    return Schedule(**{"learning_rate": 2e-3, "batch_tokens": 256, "seed": 0, "epochs": 12, **changes})  # type: ignore[arg-type]


def taught(
    model: TransformerModel,
    targets: Targets,
    rows: list[Encoded],
    plan: Schedule | None = None,
    *,
    weights: Weights | None = None,
    **more: Any,
) -> Trained:
    return distill(
        model,
        targets,
        TextInputs(rows),
        plan or schedule(),
        imitation=by_shares if model.head.shape.classes else by_cosine,
        weights=weights or Weights(),
        **more,
    )


def loss_before_training(
    model: TransformerModel, targets: Targets, rows: list[Encoded], weights: Weights, **more: Any
) -> float:
    """The first step's loss on one batch of everything."""
    return taught(model, targets, rows, schedule(epochs=1, batch_tokens=10_000), weights=weights, **more).losses[0]


def only(part: str) -> Weights:
    """A loss of one part."""
    return Weights(**{**dict.fromkeys(PARTS, 0.0), part: 1.0})


def cosine(model: TransformerModel, rows: list[Encoded], targets: Tensor) -> float:
    return float(functional.cosine_similarity(outputs(model, rows), targets).mean())


@pytest.fixture(scope="module")
def rows() -> list[Encoded]:
    return tiny.tokenizer().encode(TEXTS)


@pytest.fixture(scope="module")
def targets(rows: list[Encoded]) -> Targets:
    return record_targets(tiny.teacher().model, TextInputs(rows), entered=(2,), attention=True)


def test_the_loss_falls_and_unseen_texts_come_closer_to_the_teacher(rows: list[Encoded], targets: Targets) -> None:
    learner = student()
    unseen = tiny.rows(30, seed=1)
    wanted = outputs(tiny.teacher().model, unseen)
    before = cosine(learner, unseen, wanted)
    told: list[float] = []
    done = taught(learner, targets, rows, on_progress=lambda share, loss: told.append(loss))
    assert done.losses[-1] < 0.5 * done.losses[0]
    assert cosine(learner, unseen, wanted) > before + 0.25 * (1 - before)
    assert len(told) == done.steps
    assert not learner.training


@pytest.mark.parametrize("part", PARTS)
def test_every_part_of_the_loss_alone_brings_a_student_closer(part: str, rows: list[Encoded], targets: Targets) -> None:
    learner = student()
    unseen = tiny.rows(30, seed=1)
    wanted = outputs(tiny.teacher().model, unseen)
    before = cosine(learner, unseen, wanted)
    done = taught(learner, targets, rows, weights=only(part), layers=STUDENTS_LAYERS)
    assert done.losses[-1] < 0.8 * done.losses[0]
    if part != "relation":  # it says nothing of what follows the last attention
        assert cosine(learner, unseen, wanted) > before


@pytest.mark.parametrize("part", PARTS)
def test_no_part_of_the_loss_finds_fault_with_the_teacher_itself(
    part: str, rows: list[Encoded], targets: Targets
) -> None:
    own = loss_before_training(tiny.model_copy(), targets, rows, only(part), layers=(0, 1, 2))
    assert own < 0.05 * loss_before_training(student(), targets, rows, only(part), layers=STUDENTS_LAYERS)


def test_layers_whose_successors_input_was_not_recorded_are_left_alone(rows: list[Encoded], targets: Targets) -> None:
    weights = only("intermediate")
    with_another = loss_before_training(student(), targets, rows, weights, layers=(0, 1))
    without_any = loss_before_training(student(), targets, rows, weights)
    assert with_another == without_any == 0


def test_a_student_of_another_width_learns_from_outputs_and_relations(rows: list[Encoded], targets: Targets) -> None:
    alone = taught(narrow(), targets, rows, weights=Weights(hidden=5.0))
    assert alone.losses[0] == pytest.approx(taught(narrow(), targets, rows, weights=Weights(hidden=0.0)).losses[0])
    related = taught(narrow(), targets, rows, weights=Weights(output=0.0, relation=1.0))
    assert 0 < related.losses[-1] < 0.8 * related.losses[0]


def test_words_line_up_when_the_student_splits_them_otherwise() -> None:
    texts = ["the rain in the garden", "thunder after the storm"]
    small = trim(tiny.tokenizer(), ["the rain in"], size=None)
    teacher_rows, student_rows = tiny.tokenizer().encode(texts), small.tokenizer.encode(texts)
    assert [row.words[-1] for row in teacher_rows] == [row.words[-1] for row in student_rows]
    assert len(student_rows[1].ids) > len(teacher_rows[1].ids)
    targets = record_targets(tiny.teacher().model, TextInputs(teacher_rows))
    model = tiny.model_copy()
    # A student whose every piece already has its word's vector, and whose layers add nothing, has nothing to learn.
    model.encoder.all_hidden = lambda ids, mask: [_answers(targets, student_rows, ids)] * 2  # type: ignore[method-assign]
    assert loss_before_training(model, targets, student_rows, HIDDEN_ALONE) == pytest.approx(0, abs=1e-5)


def test_words_that_only_one_side_reads_before_its_cut_are_left_out() -> None:
    text = "thunder snow"
    small = trim(tiny.tokenizer(), ["a"], size=None).tokenizer
    (teacher_row,) = tiny.tokenizer().encode([text])
    (whole_row,) = small.encode([text])
    cut = Encoded(ids=whole_row.ids[:5], words=whole_row.words[:5])  # inside "thunder"
    assert cut.words[-1] < teacher_row.words[-1]
    targets = record_targets(tiny.teacher().model, TextInputs([teacher_row]))
    model = tiny.model_copy()
    hidden = torch.full((1, 5, 32), 1e6)
    hidden[0, 0] = targets.hidden[0].float()
    hidden.requires_grad_()
    model.encoder.all_hidden = lambda ids, mask: [hidden, hidden]  # type: ignore[method-assign]
    assert loss_before_training(model, targets, [cut], HIDDEN_ALONE) == pytest.approx(0, abs=1e-5)


def test_a_student_of_classes_learns_its_teachers_shares(rows: list[Encoded]) -> None:
    torch.manual_seed(3)
    teacher = TransformerModel(tiny.encoder(), Head(HeadShape(pooling="mean", classes=3), 32)).eval()
    with torch.no_grad():
        plain = outputs(teacher, rows)
        teacher.head.classifier.bias -= plain.mean(dim=0)
        for values in teacher.head.classifier.parameters():
            values *= 3 / plain.std()
    targets = record_targets(teacher, TextInputs(rows))
    learner = copy.deepcopy(teacher)
    torch.nn.init.normal_(learner.head.classifier.weight, std=0.5)
    wanted = outputs(teacher, rows).argmax(dim=-1)
    before = float((outputs(learner, rows).argmax(dim=-1) == wanted).float().mean())
    done = taught(learner, targets, rows, schedule(epochs=20))
    assert done.losses[-1] < done.losses[0]
    assert float((outputs(learner, rows).argmax(dim=-1) == wanted).float().mean()) > max(before, 0.8)


def test_a_student_of_tags_learns_each_words_tag_by_its_first_piece() -> None:
    torch.manual_seed(3)
    teacher = TransformerModel(tiny.encoder(), Head(HeadShape(pooling="each", classes=3), 32)).eval()
    texts = tiny.sentences(80)
    small = trim(tiny.tokenizer(), texts[:40], size=200)
    rows = tiny.tokenizer().encode(texts)
    targets = record_targets(teacher, TextInputs(rows))
    assert targets.outputs.shape == (sum(row.words[-1] + 1 for row in rows), 3)
    learner = TransformerModel(teacher.encoder.with_vocabulary(small.kept), Head(teacher.head.shape, 32))  # type: ignore[operator]
    done = taught(learner, targets, small.tokenizer.encode(texts), schedule(epochs=6), weights=Weights(hidden=0.0))
    assert done.losses[-1] < 0.5 * done.losses[0]


def test_images_are_trained_patch_by_patch() -> None:
    torch.manual_seed(0)
    layer = LayerShape(heads=2, head_width=8, neurons=32)
    shape = VisionShape(width=16, layers=(layer, layer), image_height=8, image_width=8, patch=4, channels=1)
    teacher = TransformerModel(VisionEncoder(shape), Head(HeadShape(pooling="first", classes=4), 16)).eval()
    images = ImageInputs(torch.randint(0, 256, (64, 8, 8, 1), dtype=torch.uint8), mean=(0.5,), std=(0.5,))
    targets = record_targets(teacher, images, attention=True)
    assert targets.counts().tolist() == [5] * 64
    cuts = [LayerCut(layer=1, heads=(0,), neurons=tuple(range(8)))]
    learner = TransformerModel(teacher.encoder.sliced(cuts), copy.deepcopy(teacher.head))
    done = distill(
        learner,
        targets,
        images,
        schedule(batch_tokens=16),
        imitation=by_shares,
        weights=Weights(relation=1.0),
    )
    assert done.losses[-1] < 0.5 * done.losses[0]


def test_a_model_that_is_no_transformer_is_trained_by_its_outputs() -> None:
    torch.manual_seed(0)
    images = ImageInputs(torch.randint(0, 256, (64, 8, 8, 1), dtype=torch.uint8), mean=(0.5,), std=(0.5,))
    teacher = torch.nn.Sequential(
        torch.nn.Conv2d(1, 8, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(288, 3)
    )
    learner = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(72, 3))
    targets = record_targets(teacher.eval(), images)
    done = distill(
        learner, targets, images, schedule(batch_tokens=16), imitation=by_shares, weights=Weights(relation=1.0)
    )
    assert done.losses[-1] < 0.7 * done.losses[0]


def test_each_text_knows_its_partner_where_both_are_trained() -> None:
    texts = ["question", "other", "answer", "alone"]
    pairs = [("question", "answer"), ("other", "not taught"), ("nor this", "alone")]
    assert partners_of(texts, pairs).tolist() == [2, -1, 0, -1]
    assert partners_of([], pairs).tolist() == []


def test_pairs_bring_a_text_nearer_to_its_partner_than_to_others(rows: list[Encoded], targets: Targets) -> None:
    half = len(TEXTS) // 2
    partners = partners_of(TEXTS, zip(TEXTS[:half], TEXTS[half:], strict=True))

    def share_found(pair_weight: float) -> float:
        learner = student()
        taught(learner, targets, rows, schedule(epochs=20), partners=partners, weights=Weights(pair=pair_weight))
        similarities = outputs(learner, rows[:half]) @ targets.outputs[half:].T
        return float((similarities.argmax(dim=1) == torch.arange(half)).float().mean())

    assert share_found(5.0) > share_found(0.0) + 0.1


def test_texts_without_partners_are_trained_as_if_nothing_were_known_of_pairs(
    rows: list[Encoded], targets: Targets
) -> None:
    first, second = student(), student()
    alone = torch.full((len(rows),), -1)
    taught(first, targets, rows, schedule(epochs=1), partners=alone, weights=Weights(pair=5.0))
    taught(second, targets, rows, schedule(epochs=1))
    assert torch.equal(outputs(first, rows), outputs(second, rows))


def test_training_that_diverges_names_the_step_and_the_setting(rows: list[Encoded], targets: Targets) -> None:
    with pytest.raises(TrainingError, match=r"(nan|inf) at step \d+ .*lower stages\.distill\.learning_rate"):
        taught(student(), targets, rows, schedule(learning_rate=1e30))


def _answers(targets: Targets, rows: list[Encoded], ids: Tensor) -> Tensor:
    """The teacher's vector of its word for every piece of a batch; what stands on padding must not matter."""
    hidden = torch.full((*ids.shape, 32), 1e6, device=ids.device)
    for place, own in enumerate(ids.cpu()):
        (row,) = (n for n, each in enumerate(rows) if list(each.ids) == own[own != 0].tolist())
        for position, unit in enumerate(rows[row].words):
            hidden[place, position] = targets.hidden[int(targets.starts[row]) + unit].float()
    return hidden.requires_grad_()
