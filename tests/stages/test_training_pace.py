"""The seconds of trainings, by a few steps that are timed now."""

from pathlib import Path

import pytest
import torch
from torch import nn

from edgewright.modality.workload import Workload
from edgewright.models.inputs import ImageInputs
from edgewright.specs.recipe import Recipe
from edgewright.stages import Build, read_stage, training_pace
from edgewright.stages.read import ReadFindings
from edgewright.stages.training_pace import FORWARD_SHARE, LEAST_SHARE, TrainingPace
from tests.stages.builds import plan, recipe
from tests.stages.test_image_builds import recipe as image_recipe

pytestmark = pytest.mark.usefixtures("own_places")


def pace_of(made_from: Recipe) -> TrainingPace | None:
    given = plan(made_from)
    read = read_stage(given.modality).run(Build(plan=given)).typed("examples", ReadFindings)
    work = given.modality.workload(given.recipe, read.folder, read.findings.examples)
    return training_pace.training_pace(given, read.folder, work)


def test_a_text_students_pace_is_timed_and_its_teachers_follows_from_the_products(
    labelled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_pace, "units_a_second", lambda *_: 1000.0)
    pace = pace_of(recipe("classification", labelled, distill={"epochs": None, "train_tokens": 5000}))
    assert pace is not None
    assert pace.student == 1000
    assert pace.teacher < 1000
    assert pace.seconds("distill") == 5
    epoch = pace.workload.recorded(pace.recipe.stages.distill)
    assert pace.seconds("teach") == pytest.approx(epoch * FORWARD_SHARE / pace.teacher)
    assert pace.seconds("aware") is None
    assert pace.seconds("prune") is None
    assert "1,000 of the student's tokens a second" in pace.sentence


def test_a_net_of_images_is_timed_as_it_comes_and_its_student_takes_a_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_pace, "units_a_second", lambda *_: 100.0)
    net = {"factory": "tests.tiny_vision:digits_net"}
    pace = pace_of(image_recipe(net, prune={"keep_macs": 0.5, "steps": 2}, finetune={"epochs": 3}))
    least = pace_of(image_recipe(net, prune={"keep_macs": 0.01}))
    assert pace is not None
    assert least is not None
    assert (pace.teacher, pace.student, least.student) == (100, 200, 100 / LEAST_SHARE)
    assert pace.seconds("teacher") == pytest.approx(3 * pace.workload.train / 100)
    assert pace.seconds("distill") == pytest.approx(6 * pace.workload.every / 200 / 2)
    assert "of the teacher timed now (100 images a second)" in pace.sentence


def test_what_a_factory_makes_of_texts_is_not_known_before_it_is_made(labelled: Path) -> None:
    made = recipe("classification", labelled).model_dump(mode="json")
    assert pace_of(Recipe.model_validate({**made, "model": {"factory": "mine:make"}})) is None


@pytest.mark.parametrize("count", [1, 5, 64])
def test_few_examples_are_gone_over_again_until_there_are_steps_to_time(count: int) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
    pixels = torch.zeros(count, 2, 2, 3, dtype=torch.uint8)
    inputs = ImageInputs(pixels, mean=(0.0,) * 3, std=(1.0,) * 3)
    assert training_pace.units_a_second(model, inputs, 8) > 0


def test_a_training_that_is_off_takes_no_time() -> None:
    made = image_recipe({"factory": "tests.tiny_vision:digits_net"}, distill={"enabled": False})
    work = Workload(unit="images", train=10, every=10)
    pace = TrainingPace(recipe=made, workload=work, teacher=1.0, student=1.0, student_macs=1.0, basis="timed")
    assert pace.seconds("distill") == 0
