"""Distilling a student: what it is trained on, by what, for how long, and how training goes on after a stop."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from edgewright.errors import InputError, TrainingError, TrainingLimitError
from edgewright.models.transformer_shape import LayerShape
from edgewright.stages import train
from tests import tiny
from tests.stages.builds import (
    CUTTING,
    READING,
    SHRINKING,
    WIDTH,
    Listener,
    encoder_of,
    made_of,
    model_of,
    plan,
    recipe,
    student_of,
    write,
)

pytestmark = pytest.mark.usefixtures("places_of_stages")


def test_distilling_brings_the_student_closer_to_its_teacher(paired: Path) -> None:
    made = student_of(plan(recipe("embedding", paired, distill={"epochs": 6})))
    losses = made["distill"].findings["losses"]
    assert losses[-1] < losses[0]
    assert made["distill"].findings["steps"] > 6
    (first, second) = model_of(made["prune"]).encoder.shape.layers
    assert (first, second) == (LayerShape(heads=3, head_width=8, neurons=32),) * 2


@pytest.mark.parametrize(
    ("lessons", "setting"),
    [
        ({"learning_rate": 1e30}, "stages.distill.learning_rate"),
        ({"final_phase": {"epochs": 1, "learning_rate": 1e30}}, "stages.distill.final_phase.learning_rate"),
    ],
)
def test_training_that_diverges_is_told_and_leaves_no_student(
    paired: Path, lessons: dict[str, Any], setting: str
) -> None:
    given = plan(recipe("embedding", paired, distill=lessons))
    for _ in range(2):  # the second time, too: nothing half-made was kept
        with pytest.raises(TrainingError, match=f"lower {re.escape(setting)};"):
            student_of(given)


def test_a_fresh_student_has_the_sizes_that_pruning_left_and_none_of_its_weights(paired: Path) -> None:
    made = student_of(plan(recipe("embedding", paired, distill={"from_scratch": True, "learning_rate": 1e-9})))
    before, after = encoder_of(made["low rank"]), encoder_of(made["distill"])
    assert before.shape == after.shape
    assert float(after.tokens.weight.detach().std()) == pytest.approx(0.02, rel=0.1)  # as BERT's are drawn
    assert float(before.tokens.weight.detach().std()) > 0.1
    off = student_of(plan(recipe("embedding", paired, distill={"from_scratch": True, "enabled": False})))
    assert torch.equal(encoder_of(off["distill"]).tokens.weight, encoder_of(off["low rank"]).tokens.weight)


def test_a_projection_starts_as_nothing_and_is_taught_with_the_student(paired: Path) -> None:
    made = student_of(plan(recipe("embedding", paired, distill={"projection": True})))
    assert not model_of(made["low rank"]).head.shape.projected
    moved = model_of(made["distill"]).head.projection.weight.detach() - torch.eye(WIDTH)
    assert 0.001 < float(moved.abs().max()) < 0.5


def test_distilling_says_where_the_student_leaves_its_teacher(paired: Path) -> None:
    found = student_of(plan(recipe("embedding", paired)))["distill"].findings["drift"]
    assert [(each["layer"], each["from_layer"]) for each in found] == [(0, 0), (1, 2)]
    assert all(-1 <= each["cosine"] <= 1 for each in found)


def test_a_last_lesson_reads_whole_texts_and_leaves_the_one_before_as_it_was(tmp_path: Path) -> None:
    long = [" ".join(tiny.sentences(3, seed=seed)) for seed in range(60)]
    path = write(tmp_path / "long.csv", [("text", "pair"), *((text, f"the answer {text}") for text in long)])
    lesson = {"max_length": 12, "epochs": 2}
    before = made_of(plan(recipe("embedding", path, distill=lesson)))
    finish = {"train_tokens": 2000, "learning_rate": 1e-3, "hidden_weight": 0, "tokens": 600}
    heard = Listener()
    made = made_of(plan(recipe("embedding", path, distill={**lesson, "final_phase": finish}), progress=heard))
    assert [done.name for done in made] == [
        *READING,
        *CUTTING,
        "teach",
        "teach finish",
        "low rank",
        "distill",
        "finish",
    ]
    by_name = {done.name: done for done in made}
    assert by_name["distill"].key == before[-1].key
    assert by_name["distill"].result.cached
    short, whole = (by_name[name].findings for name in ("teach", "teach finish"))
    assert whole["tokens"] / whole["texts"] > 1.5 * short["tokens"] / short["texts"]
    assert whole["tokens"] <= 600 < short["tokens"]
    first, last = (encoder_of(by_name[name]).tokens.weight for name in ("distill", "finish"))
    assert not torch.equal(first, last)
    assert by_name["finish"].findings["layers"] == by_name["distill"].findings["layers"]
    assert [note for stage, _, note in heard.notes if stage == "finish" and note.startswith("loss")]


def test_a_student_that_is_not_distilled_is_not_taught_a_last_lesson(paired: Path) -> None:
    off = {"enabled": False, "final_phase": {"epochs": 1}}
    made = made_of(plan(recipe("embedding", paired, distill=off)))
    assert [done.name for done in made] == [*READING, *SHRINKING]


def test_patience_ends_training_that_gets_no_better(labelled: Path) -> None:
    lesson = {"epochs": 40, "learning_rate": 1e-9}
    found = student_of(plan(recipe("classification", labelled, distill={**lesson, "patience": 2})))["distill"].findings
    assert found["stopped_early"]
    assert 0 <= found["best_validation"] <= 1
    assert [each["score"] for each in found["validations"]] == [found["best_validation"]] * 3
    assert found["validations"][-1]["tokens"] == found["tokens_seen"]
    once = student_of(plan(recipe("classification", labelled, distill={**lesson, "epochs": 1})))["distill"].findings
    assert found["steps"] == 3 * once["steps"]  # the first epoch is the best so far, and two are no better
    assert (once["stopped_early"], once["best_validation"]) == (False, None)


def test_patience_without_a_validation_part_is_refused(labelled: Path) -> None:
    split = {"split": {"validation": 0.0}}
    with pytest.raises(InputError, match=r"stages\.distill\.patience .* is empty; raise data\.split\.validation"):
        student_of(plan(recipe("classification", labelled, more_data=split, distill={"patience": 1})))


def test_a_recipe_that_says_nothing_trains_by_the_students_size_and_at_most_a_hundred_epochs(
    paired: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trained(**settings: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        made = student_of(plan(recipe("embedding", paired, distill={"epochs": None, **settings})))
        return made["distill"].findings, made["teach"].findings

    assert train.usual_work(2_600_000, 10**9) == pytest.approx(1.9e6, rel=0.02)  # a student of three thin layers
    assert train.usual_work(2 * 2_600_000, 10**9) == pytest.approx(0.95e6, rel=0.02)
    assert train.usual_work(2_600_000, 500) == 50_000
    monkeypatch.setattr(train, "MOST_USUAL_EPOCHS", 3)
    found, asked = trained()
    assert found["tokens_seen"] == pytest.approx(3 * asked["tokens"], rel=0.15)  # of another vocabulary than asked in
    monkeypatch.setattr(train, "USUAL_MACS", 2000 * found["macs"] / 16)
    found, _ = trained(seed=1)
    assert 2000 <= found["tokens_seen"] < 2000 + 64
    found, _ = trained(train_tokens=900)
    assert 900 <= found["tokens_seen"] < 900 + 64


def test_a_training_past_its_limit_goes_on_by_the_same_command_to_the_student_of_a_quiet_machine(
    paired: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet = student_of(plan(recipe("embedding", paired, distill={"epochs": 4, "seed": 6})))["distill"]
    monkeypatch.setenv("EDGEWRIGHT_CACHE_DIR", str(tmp_path))
    limited = recipe("embedding", paired, distill={"epochs": 4, "seed": 6, "minutes": 1e-5})
    with pytest.raises(TrainingLimitError, match=r"stages\.distill\.minutes = 1e-05 allows, .* same command goes on"):
        student_of(plan(limited))
    heard = Listener()
    raised = recipe("embedding", paired, distill={"epochs": 4, "seed": 6, "minutes": 60})
    made = student_of(plan(raised, progress=heard))["distill"]
    assert next(share for name, share, _ in heard.notes if name == "distill") > 0
    assert made.key == quiet.key  # a limit is no part of what a student is made from
    for name in ("encoder.safetensors", "head.safetensors"):
        assert made.file(name).read_bytes() == quiet.file(name).read_bytes()


def test_an_interrupted_lesson_goes_on_from_its_checkpoint_to_the_same_student(
    paired: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = recipe("embedding", paired, distill={"epochs": 4, "seed": 5})
    straight = student_of(plan(given))["distill"]
    monkeypatch.setenv("EDGEWRIGHT_CACHE_DIR", str(tmp_path))
    with pytest.raises(KeyboardInterrupt):
        student_of(plan(given, progress=Listener(interrupt_in="distill", interrupt_at=0.5)))
    assert list(tmp_path.glob("training/*/training-*.safetensors"))
    heard = Listener()
    resumed = student_of(plan(given, progress=heard))["distill"]
    first = next(share for stage, share, note in heard.notes if stage == "distill" and note.startswith("loss"))
    assert first >= 0.25
    for name in ("encoder.safetensors", "head.safetensors"):
        assert resumed.file(name).read_bytes() == straight.file(name).read_bytes()
    assert resumed.findings["losses"] == straight.findings["losses"]
    assert not list(tmp_path.glob("training/*"))  # a finished student needs no checkpoint
