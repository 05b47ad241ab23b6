"""A teacher is looked at before anything is made of it: its units, its head, its library, and whether it repeats."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from edgewright.base.progress import Silent
from edgewright.errors import BadModelError, InputError, ModelError, UnsupportedModelError
from edgewright.models.text import outputs
from edgewright.specs.profiles import load_profile
from edgewright.specs.recipe import Recipe
from edgewright.stages import Plan
from edgewright.stages.examined import check_source, examine
from edgewright.tasks.regression import Regression
from edgewright.tasks.scores import Scale
from tests import tiny
from tests.stages.builds import Made, model_of, stage_of, texts_of, tokenizer_of

PROFILE = load_profile("raspberry-pi-4")
TEXTS = tiny.sentences(60)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEWRIGHT_CACHE_DIR", str(tmp_path / "cache"))


def plan(place: Path, model: dict[str, Any], kind: str, rows: Sequence[dict[str, Any]] = ()) -> Plan:
    file = place / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    column = {"classification": "label", "regression": "value", "embedding": "pair"}.get(kind)
    sections = {
        "recipe": {"name": "tiny"},
        "model": model,
        "task": {"kind": kind, **({"max_length": tiny.MAX_LENGTH} if column else {})},
        "data": {"file": file, "columns": {column: column}} if column else {"builtin": "digits"},
        "budget": {"artifact_mb": 5},
        "stages": {} if kind == "embedding" else {"finetune": {"epochs": 1}},
    }
    return Plan(recipe=Recipe.model_validate(sections), profile=PROFILE, progress=Silent())


def taught(made: Plan) -> Made:
    return stage_of(made, "teacher")


def regressor(place: Path, *, mean: float, std: float) -> tuple[Path, list[dict[str, Any]]]:
    """A folder of a regressor that says its scores times `std` plus `mean`, and rows with values of 50 ± 10."""
    folder, model = tiny.family_folder(place / "model", "bert", "ForSequenceClassification", num_labels=1)
    from transformers import AutoTokenizer

    given = AutoTokenizer.from_pretrained(folder)(TEXTS, padding=True, return_tensors="pt")
    with torch.no_grad():
        scores = model(**given).logits.flatten()
        model.classifier.weight *= std / scores.std()
        model.classifier.bias.copy_((model.classifier.bias - scores.mean()) * std / scores.std() + mean)
    model.save_pretrained(folder)
    values = ((scores - scores.mean()) / scores.std() * 10 + 50).tolist()
    return folder, [{"text": text, "value": value} for text, value in zip(TEXTS, values, strict=True)]


@pytest.mark.parametrize(("mean", "std", "said"), [(50, 10, "the data's own units"), (0, 1, "standardised units")])
def test_a_fitted_regressor_is_not_scaled_again_whichever_units_it_was_fitted_in(
    tmp_path: Path, mean: float, std: float, said: str
) -> None:
    folder, rows = regressor(tmp_path, mean=mean, std=std)
    made = plan(tmp_path, {"folder": folder}, "regression", rows)
    teacher = taught(made)
    assert "steps" not in teacher.findings  # it was not fitted again
    notes = teacher.findings["decided"]
    assert notes[0] == "head taken as it is: one value"
    assert notes[-1].startswith(f"its values are in {said}")
    task = made.task
    assert isinstance(task, Regression)
    scale: Scale = task.scale(texts_of(stage_of(made, "texts")))
    found = outputs(model_of(teacher), tokenizer_of(made, teacher).encode([row["text"] for row in rows])).flatten()
    values = torch.tensor([row["value"] for row in rows])
    spread = 0.02 if mean else 5.0  # standardised by all texts' values, not by those of the training part alone
    assert float((scale.restored(found) - values).abs().max()) < spread


def test_a_regressor_of_another_unit_is_said_to_be_far_off(tmp_path: Path) -> None:
    folder, rows = regressor(tmp_path, mean=5000, std=1)
    made = plan(tmp_path, {"folder": folder}, "regression", rows)
    assert "far off in either" in taught(made).findings["decided"][-1]


def classifier(place: Path, names: dict[int, str]) -> Path:
    return tiny.family_folder(
        place / "model", "bert", "ForSequenceClassification", num_labels=len(names), id2label=names
    )[0]


LABELLED = [{"text": text, "label": label} for label in tiny.LABELS for text in tiny.sentences(25, label=label)]


def test_a_head_whose_labels_differ_in_case_is_kept_and_that_is_said(tmp_path: Path) -> None:
    folder = classifier(tmp_path, {place: label.upper() for place, label in enumerate(reversed(tiny.LABELS))})
    found = taught(plan(tmp_path, {"folder": folder}, "classification", LABELLED)).findings
    assert "steps" not in found
    assert found["decided"][0].startswith(
        "head taken as it is, its classes matched to the labels by name in another case"
    )
    assert found["reference"]["what"] == "outputs"
    assert found["reference"]["greatest_difference"] < 1e-4


def test_a_head_of_unnamed_classes_is_new_and_the_reason_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = classifier(tmp_path, {0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2"})
    with caplog.at_level("INFO", logger="edgewright"):
        found = taught(plan(tmp_path, {"folder": folder}, "classification", LABELLED)).findings
    assert found["steps"] > 0
    assert found["decided"][0].startswith("head new, because the model's classes (LABEL_0, LABEL_1, LABEL_2) are not")
    assert found["reference"]["what"] == "vectors of tokens"
    assert any("head new, because" in record.getMessage() for record in caplog.records)  # what a terminal shows
    assert any("differs from transformers" in record.getMessage() for record in caplog.records)


def test_a_model_that_does_not_repeat_itself_is_refused_with_the_difference() -> None:
    drawn = torch.Generator().manual_seed(0)
    with pytest.raises(UnsupportedModelError, match=r"answers the same input twice .* self\.training"):
        examine((), None, lambda given: torch.rand(len(given), 2, generator=drawn), ["a", "b"])
    with pytest.raises(ModelError, match="no numbers"):
        examine((), None, lambda given: torch.full((len(given), 2), torch.nan), ["a", "b"])


def test_a_teacher_that_is_read_otherwise_than_by_its_library_ends_the_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgewright.models import teacher as teachers

    right = teachers.from_transformers

    def wrong(original: Any) -> Any:
        encoder = right(original)
        encoder.embedding_norm.bias.data += 0.1
        return encoder

    monkeypatch.setattr(teachers, "from_transformers", wrong)
    rows = [{"text": text, "pair": pair} for text, pair in zip(TEXTS[:30], TEXTS[30:], strict=True)]
    with pytest.raises(ModelError, match=r"differs from transformers 5\.\S+ by up to \S+ in its vectors of tokens"):
        taught(plan(tmp_path, {"folder": tiny.bert_folder()}, "embedding", rows))


DROPPING = """
import torch
from torch import nn
from torch.nn import functional

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Conv2d(1, 4, 3), nn.Linear(4, 10)

    def forward(self, pixels):
        return self.last(functional.dropout(self.first(pixels).mean(dim=(-2, -1)), 0.5))

def make():
    return Net(), (1, 8, 8)
"""


def test_a_factorys_net_whose_dropout_is_always_on_is_refused_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "always_dropping.py").write_text(DROPPING)
    monkeypatch.syspath_prepend(tmp_path)
    made = plan(tmp_path, {"factory": "always_dropping:make"}, "image-classification")
    with pytest.raises(UnsupportedModelError, match="answers the same input twice with outputs that differ by 0"):
        check_source(made)


@pytest.mark.parametrize(
    ("config", "kind", "said"),
    [
        ({"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"]}, "embedding", r"gpt2 \(it generates text\)"),
        ({"model_type": "t5", "is_encoder_decoder": True}, "embedding", "it generates, with an encoder and a decoder"),
        ({"model_type": "vit"}, "embedding", r'it reads images\).* set task\.kind = "image-classification"'),
        ({"model_type": "efficientnet"}, "image-classification", r"efficientnet is not supported; .* mobilenet_v2"),
        ({"model_type": "bert"}, "image-classification", "it reads texts"),
        ({"model_type": "wav2vec2"}, "embedding", "it reads sound"),
        (
            {"model_type": "bert", "auto_map": {"AutoModel": "own.Model"}},
            "embedding",
            "never runs code that comes with",
        ),
        (
            {"model_type": "bert", "quantization_config": {"quant_method": "gptq"}},
            "embedding",
            "quantised already .gptq",
        ),
    ],
)
def test_what_is_not_read_is_refused_by_one_sentence_from_its_configuration_alone(
    tmp_path: Path, config: dict[str, Any], kind: str, said: str
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    made = plan(tmp_path, {"folder": folder}, kind)
    with pytest.raises(UnsupportedModelError, match=said) as caught:
        check_source(made)
    assert str(caught.value).count("supported are") == 1
    assert "\n" not in str(caught.value)


def test_code_that_comes_with_a_model_is_neither_run_nor_asked_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = tiny.family_folder(tmp_path / "model", "bert")
    (folder / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    for name in ("config.json", "tokenizer_config.json", "preprocessor_config.json"):
        described = json.loads((folder / name).read_text()) if (folder / name).is_file() else {}
        auto = {"AutoConfig": "own.Config", "AutoModel": "own.Model", "AutoTokenizer": ["own.Tokenizer", None]}
        (folder / name).write_text(json.dumps({**described, "auto_map": auto}))
        monkeypatch.setattr("builtins.input", lambda *told: pytest.fail("asked"))
        for kind in ("embedding", "classification"):
            with pytest.raises(UnsupportedModelError, match=f"code of its own that .*{name} names in auto_map"):
                check_source(plan(tmp_path, {"folder": folder}, kind))
        (folder / name).write_text(json.dumps(described))
    assert not (tmp_path / "ran").exists()


def test_a_model_of_tables_or_series_from_a_factory_is_refused_by_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other_inputs.py").write_text(
        "import torch\nfrom torch import nn\n"
        "def table():\n    return nn.Sequential(nn.Linear(12, 2)), torch.zeros(1, 12)\n"
        "def series():\n    return nn.Sequential(nn.Conv1d(1, 2, 3)), torch.zeros(1, 1, 100)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("table", "series"):
        made = plan(tmp_path, {"factory": f"other_inputs:{name}"}, "image-classification")
        with pytest.raises(UnsupportedModelError, match=r"is no image \(a table, a series or a sound\)") as caught:
            check_source(made)
        assert "tensor" not in str(caught.value)


def test_a_factory_for_texts_that_returns_no_pair_is_told_before_the_data_is_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"must return \(model, tokenizer\)"):
        check_source(plan(tmp_path, {"factory": "tests.tiny:no_pair"}, "embedding"))


def test_a_folder_without_weights_is_told_with_how_to_convert_them(tmp_path: Path) -> None:
    folder, _ = tiny.family_folder(tmp_path / "model", "bert")
    (folder / "model.safetensors").rename(folder / "tf_model.h5")
    with pytest.raises(BadModelError, match=r"weights are in tf_model\.h5 \(TensorFlow\) alone; .* save_pretrained"):
        check_source(plan(tmp_path, {"folder": folder}, "embedding"))
    (folder / "tf_model.h5").unlink()
    with pytest.raises(BadModelError, match="it has no weights"):
        check_source(plan(tmp_path, {"folder": folder}, "embedding"))


def test_a_label_that_would_steer_a_terminal_does_not(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="edgewright"):
        examine(("head new, because of \x1b]52;c;aGk=\x07",), None, lambda given: torch.ones(len(given), 2), ["a"])
    assert "head new, because of" in caplog.text
    assert "\x1b" not in caplog.text


def test_pictures_are_examined_as_they_are() -> None:
    pictures = [np.zeros((2, 2, 1), dtype=np.uint8)] * 3
    examined = examine(("a note",), None, lambda given: torch.ones(len(given), 2), pictures)
    assert (examined.notes, examined.compared) == (("a note",), None)
