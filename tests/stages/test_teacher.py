"""The teacher as a stage: read, fitted, and fitted on after a stop."""

from pathlib import Path

import pytest

from edgewright.base.progress import Progress
from edgewright.errors import TrainingLimitError
from tests import tiny
from tests.stages.builds import Listener, Made, made_of, model_of, plan, recipe, stage_of, student_of

pytestmark = pytest.mark.usefixtures("places_of_stages")


def test_more_text_to_distil_on_leaves_the_fitted_teacher_as_it_is(labelled: Path, tmp_path: Path) -> None:
    more = tmp_path / "more.txt"
    more.write_text("\n".join(tiny.sentences(20, seed=7)))
    alone = plan(recipe("classification", labelled))
    joined = plan(recipe("classification", labelled, more_data={"extra_text": more}))
    before, after = (stage_of(each, "texts") for each in (alone, joined))
    assert before.key != after.key
    assert stage_of(joined, "teacher").key == stage_of(alone, "teacher").key


def test_patience_ends_the_fitting_of_a_teacher_too(labelled: Path) -> None:
    fitting = {"learning_rate": 1e-9, "epochs": 30, "batch_tokens": 4096, "patience": 2}
    made = plan(recipe("classification", labelled, finetune=fitting))
    found = stage_of(made, "teacher").findings
    assert found["stopped_early"]
    assert found["steps"] < 30


def test_an_interrupted_fitting_of_a_teacher_goes_on_from_its_last_epoch_to_the_same_teacher(
    labelled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = recipe("classification", labelled, finetune={"epochs": 4, "seed": 3, "patience": 4})

    def fitted(progress: Progress | None = None) -> Made:
        made = plan(given, progress=progress)
        return stage_of(made, "teacher")

    straight = fitted()
    monkeypatch.setenv("EDGEWRIGHT_CACHE_DIR", str(tmp_path))
    with pytest.raises(KeyboardInterrupt):
        fitted(Listener(interrupt_in="teacher", interrupt_at=0.6, interrupt_while="loss"))
    assert list(tmp_path.glob("training/*/training-*.safetensors"))
    heard = Listener()
    resumed = fitted(heard)
    first = next(share for stage, share, note in heard.notes if stage == "teacher" and note.startswith("loss"))
    assert first >= 0.25
    for name in ("encoder.safetensors", "head.safetensors"):
        assert resumed.file(name).read_bytes() == straight.file(name).read_bytes()
    assert resumed.findings == straight.findings
    assert not list(tmp_path.glob("training/*"))


def test_a_teacher_that_takes_longer_than_its_limit_is_given_up_with_a_fault(labelled: Path) -> None:
    made = plan(recipe("classification", labelled, finetune={"epochs": 5, "seed": 8, "minutes": 1e-6}))
    with pytest.raises(TrainingLimitError, match=r"stages\.finetune\.minutes"):
        stage_of(made, "teacher")


def test_a_teacher_learns_values_and_a_student_learns_them_from_it(valued: Path) -> None:
    made = student_of(plan(recipe("regression", valued, distill={"epochs": 6})))
    assert made["teacher"].findings["metric"] == "Spearman correlation"
    assert made["teacher"].findings["baseline"]["name"].startswith("TF-IDF")
    assert made["teacher"].findings["score"] > 0.5
    assert made["distill"].findings["score"] > 0.3
    assert model_of(made["distill"]).head.shape.classes == 1


def test_words_are_read_as_they_are_given_also_by_a_tokenizer_that_knows_the_spaces_between(
    tagged: Path, tmp_path: Path
) -> None:
    folder, _ = tiny.family_folder(tmp_path, "roberta")
    finetune = {"epochs": 16, "learning_rate": 3e-3, "batch_tokens": 256}
    given = recipe("token-classification", tagged, finetune=finetune, distill={"epochs": 6, "learning_rate": 3e-3})
    source = given.model.model_copy(update={"folder": folder})
    made = made_of(plan(given.model_copy(update={"model": source})))
    assert made[1].findings["score"] > 0.75  # its words are of more pieces, so more texts are cut
    assert made[-1].findings["score"] > 0.5
