"""Teachers from every kind of source, and what is said of a source that is no good."""

import json
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from tests import tiny
from toolchain.errors import BadModelError, EnvironmentFaultError, InputError, UnsupportedModelError
from toolchain.models import teacher as teachers
from toolchain.models.teacher import Teacher
from toolchain.models.text import outputs, padded
from toolchain.recipe import ModelSource


def load(folder: Path, *, labels: Sequence[str] = (), max_length: int = tiny.MAX_LENGTH) -> Teacher:
    return teachers.load(ModelSource(folder=folder), labels=labels, max_length=max_length)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the tiny model that a test may damage."""
    return Path(shutil.copytree(tiny.bert_folder(), tmp_path / "model"))


def change_config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_folder_gives_the_model_and_how_large_it_was_as_it_came() -> None:
    teacher = tiny.teacher()
    assert teacher.size_bytes == (tiny.bert_folder() / "model.safetensors").stat().st_size
    assert teacher.parameters_count == sum(parameter.numel() for parameter in tiny.bert().parameters())
    assert teacher.model.encoder.shape.positions == tiny.MAX_LENGTH
    assert teacher.tokenizer.max_length == tiny.MAX_LENGTH


@torch.inference_mode()
@pytest.mark.parametrize(("mode", "normalised"), [("cls", True), ("mean", True), ("mean", False)])
def test_pooling_is_as_the_sentence_transformers_folder_says(tmp_path: Path, mode: str, normalised: bool) -> None:
    teacher = load(tiny.sentence_transformers_folder(tmp_path / "st", mode=mode, normalised=normalised))
    ids, mask = padded(tiny.rows(5))
    hidden = tiny.bert()(input_ids=ids, attention_mask=mask.long()).last_hidden_state
    expected = hidden[:, 0] if mode == "cls" else (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    if normalised:
        expected = torch.nn.functional.normalize(expected, dim=-1)
    assert torch.allclose(teacher.model(ids, mask), expected, atol=1e-4)


def test_a_pooling_that_is_not_known_is_not_supported(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError, match="supported are mean tokens, cls token"):
        load(tiny.sentence_transformers_folder(tmp_path / "st", mode="max"))


def test_a_damaged_pooling_file_is_a_bad_model(tmp_path: Path) -> None:
    folder = tiny.sentence_transformers_folder(tmp_path / "st", mode="cls")
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls')
    with pytest.raises(BadModelError, match="1_Pooling"):
        load(folder)


def classifier(place: Path, labels: Sequence[str] | None) -> tuple[Path, torch.Tensor]:
    """A folder of a model with three classes, and its scores for `tiny.rows(5)`."""
    from transformers import BertForSequenceClassification

    names = dict(enumerate(labels)) if labels else {}
    model = BertForSequenceClassification(tiny.bert_config(num_labels=3, **({"id2label": names} if names else {})))
    model.eval().save_pretrained(place)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(tiny.bert_folder() / name, place / name)
    ids, mask = padded(tiny.rows(5))
    with torch.inference_mode():
        return place, model(input_ids=ids, attention_mask=mask.long()).logits


@pytest.mark.parametrize(
    ("own", "given", "order"),
    [
        (["a", "b", "c"], ["a", "b", "c"], [0, 1, 2]),
        (["c", "a", "b"], ["a", "b", "c"], [1, 2, 0]),
        (None, ["0", "1", "2"], [0, 1, 2]),
    ],
)
def test_a_fitted_classifier_scores_the_datas_labels_in_their_order(
    tmp_path: Path, own: list[str] | None, given: list[str], order: list[int]
) -> None:
    folder, expected = classifier(tmp_path / "classifier", own)
    teacher = load(folder, labels=given)
    assert teacher.fitted
    assert torch.allclose(outputs(teacher.model, tiny.rows(5)), expected[:, order], atol=1e-4)


@pytest.mark.parametrize("given", [["a", "b", "x"], ["a", "b"], ["a", "b", "c", "d"]])
def test_a_classifier_of_other_labels_is_to_be_fitted_anew(tmp_path: Path, given: list[str]) -> None:
    folder, _ = classifier(tmp_path / "classifier", ["a", "b", "c"])
    teacher = load(folder, labels=given)
    assert not teacher.fitted
    assert outputs(teacher.model, tiny.rows(2)).shape == (2, len(given))


def test_a_plain_model_for_labels_gets_a_new_head_and_is_not_fitted() -> None:
    teacher = load(tiny.bert_folder(), labels=tiny.LABELS)
    assert not teacher.fitted
    assert outputs(teacher.model, tiny.rows(4)).shape == (4, 3)


def test_a_missing_folder_is_a_bad_model_and_its_path_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadModelError, match=r"nowhere cannot be read: there is no such folder; check the path"):
        load(tmp_path / "nowhere")


def test_a_folder_without_a_configuration_is_a_bad_model(tmp_path: Path) -> None:
    with pytest.raises(BadModelError, match=r"there is no config\.json in it"):
        load(tmp_path)


@pytest.mark.parametrize("size", [0, 100, 20_000])
def test_safetensors_cut_short_are_a_bad_model(folder: Path, size: int) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:size])
    with pytest.raises(BadModelError) as caught:
        load(folder)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)


def test_safetensors_of_other_bytes_are_a_bad_model(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"\xff" * 4096)
    with pytest.raises(BadModelError):
        load(folder)


def test_missing_weights_are_a_bad_model(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    with pytest.raises(BadModelError):
        load(folder)


def test_weights_that_lack_a_layer_are_a_bad_model_and_not_filled_in_at_random(folder: Path) -> None:
    change_config(folder, num_hidden_layers=4)
    with pytest.raises(BadModelError, match=r"encoder\.layer\.3"):
        load(folder)


def test_weights_of_other_shapes_than_the_configuration_says_are_a_bad_model(folder: Path) -> None:
    change_config(folder, intermediate_size=48)
    with pytest.raises(BadModelError):
        load(folder)


def test_a_configuration_that_is_not_json_is_a_bad_model(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "bert", ')
    with pytest.raises(BadModelError):
        load(folder)


def test_a_folder_without_a_tokenizer_is_a_bad_model(folder: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    with pytest.raises(BadModelError, match="tokenizer"):
        load(folder)


@pytest.mark.parametrize("family", ["albert", "distilbert", "roberta", "gpt2"])
def test_another_family_is_not_supported_and_no_weights_are_read_to_tell(folder: Path, family: str) -> None:
    (folder / "config.json").write_text(json.dumps({"model_type": family}))
    (folder / "model.safetensors").unlink()
    with pytest.raises(UnsupportedModelError, match=f"type {family} is not supported; supported are bert"):
        load(folder)


def test_texts_longer_than_the_model_has_positions_are_refused() -> None:
    assert load(tiny.bert_folder(), max_length=tiny.POSITIONS).tokenizer.max_length == tiny.POSITIONS
    with pytest.raises(InputError, match=r"task\.max_length is 65, but the model reads at most 64 tokens"):
        load(tiny.bert_folder(), max_length=65)


def test_a_factory_gives_the_same_model_as_the_folder_it_reads() -> None:
    teacher = teachers.load(ModelSource(factory="tests.tiny:factory"), labels=(), max_length=tiny.MAX_LENGTH)
    rows = tiny.rows(5)
    assert teacher.tokenizer.encode(tiny.sentences(5)) == rows
    assert torch.equal(outputs(teacher.model, rows), outputs(tiny.teacher().model, rows))
    assert teacher.size_bytes == 4 * teacher.parameters_count


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("no_such_module_at_all:make", "cannot be called: No module named"),
        ("tests.tiny:absent", "cannot be called: module 'tests.tiny' has no attribute 'absent'"),
        ("tests.tiny:no_pair", r"returned str; it must return \(model, tokenizer\)"),
    ],
)
def test_a_factory_that_is_no_good_is_told(name: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        teachers.load(ModelSource(factory=name), labels=(), max_length=tiny.MAX_LENGTH)


def test_a_package_that_is_not_installed_is_told_with_the_remedy() -> None:
    with pytest.raises(EnvironmentFaultError, match="pip install no-such-package-anywhere"):
        teachers.load(ModelSource(package="no_such_package_anywhere:model"), labels=(), max_length=32)


def test_a_hub_id_without_a_network_is_a_bad_model_and_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    started = time.monotonic()
    with pytest.raises(BadModelError, match="no-such-organisation/no-such-model"):
        teachers.load(ModelSource(hub="no-such-organisation/no-such-model"), labels=(), max_length=32)
    assert time.monotonic() - started < 20


def test_a_fingerprint_changes_with_any_byte_of_the_folder_and_not_with_its_place(folder: Path, tmp_path: Path) -> None:
    before = teachers.fingerprint(ModelSource(folder=folder))
    assert before == teachers.fingerprint(ModelSource(folder=tiny.bert_folder()))
    weights = folder / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    assert teachers.fingerprint(ModelSource(folder=folder)) != before
    with pytest.raises(BadModelError):
        teachers.fingerprint(ModelSource(folder=tmp_path / "nowhere"))


def test_a_hub_models_fingerprint_names_its_revision() -> None:
    plain, pinned = ModelSource(hub="a/b"), ModelSource(hub="a/b", revision="abc")
    assert teachers.fingerprint(plain) != teachers.fingerprint(pinned)
