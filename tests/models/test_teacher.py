"""Teachers from every kind of source, and what is said of a source that is no good."""

import json
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from edgewright.errors import BadModelError, EnvironmentFaultError, InputError, UnsupportedModelError
from edgewright.models import teacher as teachers
from edgewright.models.teacher import Teacher
from edgewright.models.text import outputs, padded
from edgewright.specs.recipe import ModelSource
from tests import tiny


def load(
    folder: Path, *, head: str | None = None, labels: Sequence[str] = (), max_length: int = tiny.MAX_LENGTH
) -> Teacher:
    return teachers.load(ModelSource(folder=folder), head=head, labels=labels, max_length=max_length)


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
    with pytest.raises(
        UnsupportedModelError, match=r"the pooling max that 1_Pooling/config\.json asks for .* supported are mean, cls"
    ):
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


def test_a_classifier_of_several_labels_at_once_says_that_the_highest_is_taken(tmp_path: Path) -> None:
    folder, _ = classifier(tmp_path / "classifier", ["a", "b", "c"])
    change_config(folder, problem_type="multi_label_classification")
    assert "of each text the highest alone is taken" in load(folder, labels=["a", "b", "c"]).notes[0]


@pytest.mark.parametrize("given", [["a", "b", "x"], ["a", "b"], ["a", "b", "c", "d"]])
def test_a_classifier_of_other_labels_is_to_be_fitted_anew(tmp_path: Path, given: list[str]) -> None:
    folder, _ = classifier(tmp_path / "classifier", ["a", "b", "c"])
    teacher = load(folder, labels=given)
    assert not teacher.fitted
    assert outputs(teacher.model, tiny.rows(2)).shape == (2, len(given))


TEXT_FAMILIES = list(tiny.CLASSES)


@torch.inference_mode()
def theirs(folder: Path, model: Any, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
    """(what transformers gives from text to output, the mask), in one padded batch."""
    from transformers import AutoTokenizer

    given = AutoTokenizer.from_pretrained(folder)(list(texts), padding=True, return_tensors="pt")
    output = model(input_ids=given["input_ids"], attention_mask=given["attention_mask"])
    return output.get("logits", output[0]), given["attention_mask"].bool()


@pytest.mark.parametrize("family", TEXT_FAMILIES)
def test_a_classifier_of_every_family_scores_as_in_transformers_from_text_to_logits(
    tmp_path: Path, family: str
) -> None:
    names = {0: "c", 1: "a", 2: "b"}
    folder, model = tiny.family_folder(tmp_path, family, "ForSequenceClassification", num_labels=3, id2label=names)
    texts = tiny.sentences(6)
    expected, _ = theirs(folder, model, texts)
    teacher = load(folder, labels=["a", "b", "c"])
    assert teacher.fitted
    found = outputs(teacher.model, teacher.tokenizer.encode(texts))
    assert expected.std(dim=0).max() > 1e-2
    assert torch.allclose(found, expected[:, [1, 2, 0]], atol=1e-4)


@torch.inference_mode()
@pytest.mark.parametrize("family", TEXT_FAMILIES)
def test_a_token_classifier_of_every_family_scores_each_token_in_the_datas_order(tmp_path: Path, family: str) -> None:
    names = {0: "O", 1: "B-PER"}
    folder, model = tiny.family_folder(tmp_path, family, "ForTokenClassification", num_labels=2, id2label=names)
    texts = tiny.sentences(4)
    expected, real = theirs(folder, model, texts)
    teacher = load(folder, head="token labels", labels=["B-PER", "O"])
    assert teacher.fitted
    ids, mask = padded(teacher.tokenizer.encode(texts))
    assert torch.equal(mask.bool(), real)
    assert torch.allclose(teacher.model(ids, mask)[real], expected[..., [1, 0]][real], atol=1e-4)


@pytest.mark.parametrize("family", TEXT_FAMILIES)
def test_a_regressor_of_every_family_gives_the_value_that_transformers_gives(tmp_path: Path, family: str) -> None:
    folder, model = tiny.family_folder(tmp_path, family, "ForSequenceClassification", num_labels=1)
    texts = tiny.sentences(4)
    teacher = load(folder, head="value")
    assert teacher.fitted
    found = outputs(teacher.model, teacher.tokenizer.encode(texts))
    assert torch.allclose(found, theirs(folder, model, texts)[0], atol=1e-4)


@pytest.mark.parametrize("family", TEXT_FAMILIES)
def test_an_embedding_of_every_family_is_the_mean_of_what_transformers_gives(tmp_path: Path, family: str) -> None:
    folder, model = tiny.family_folder(tmp_path, family)
    texts = tiny.sentences(4)
    hidden, real = theirs(folder, model, texts)
    expected = (hidden * real[..., None]).sum(1) / real.sum(1, keepdim=True)
    teacher = load(folder)
    found = outputs(teacher.model, teacher.tokenizer.encode(texts))
    assert torch.allclose(found, torch.nn.functional.normalize(expected, dim=-1), atol=1e-4)
    assert teacher.parameters_count == sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(
    ("head", "labels", "shape"),
    [("token labels", ["B", "O"], (2, 7, 2)), ("value", [], (2, 1)), ("labels", ["x"], (2, 1))],
)
@pytest.mark.parametrize("family", TEXT_FAMILIES)
def test_a_plain_model_of_every_family_gets_a_new_head_which_the_callers_seed_decides(
    tmp_path: Path, family: str, head: str, labels: list[str], shape: tuple[int, ...]
) -> None:
    folder, _ = tiny.family_folder(tmp_path, family)
    made = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        made.append(load(folder, head=head, labels=labels))
    assert not any(teacher.fitted for teacher in made)
    first, again, other = (teacher.model.head.classifier.weight for teacher in made)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    ids = torch.randint(2, 90, (2, 7))
    assert made[0].model(ids, torch.ones(2, 7)).shape == shape


def test_a_classifier_is_not_taken_for_a_regressor_nor_for_one_of_tokens(tmp_path: Path) -> None:
    folder, _ = classifier(tmp_path / "classifier", ["a", "b", "c"])
    assert not load(folder, head="value").fitted
    assert not load(folder, head="token labels", labels=["a", "b", "c"]).fitted


def test_a_head_that_is_not_known_and_a_classifier_without_labels_are_told() -> None:
    with pytest.raises(UnsupportedModelError, match="a head for translation is not supported; supported are vec"):
        load(tiny.bert_folder(), head="translation")
    with pytest.raises(InputError, match="a head for token labels needs its labels"):
        load(tiny.bert_folder(), head="token labels")


def test_a_tokenizer_with_more_pieces_than_the_model_has_rows_is_a_bad_model(tmp_path: Path) -> None:
    folder, _ = tiny.family_folder(tmp_path, "distilbert", vocab_size=100)
    with pytest.raises(BadModelError, match=r"has a piece \d+, but the model only 100 rows"):
        load(folder)


def test_rows_that_no_piece_has_are_dropped(tmp_path: Path) -> None:
    folder, _ = tiny.family_folder(tmp_path, "bert", vocab_size=len(tiny.pieces()) + 6)
    teacher = load(folder)
    assert teacher.model.encoder.shape.vocabulary == len(teacher.tokenizer.vocabulary) == len(tiny.pieces())


def test_a_sentence_model_with_a_further_layer_is_not_supported(tmp_path: Path) -> None:
    folder = tiny.sentence_transformers_folder(tmp_path / "st", mode="mean")
    modules = [{"type": "sentence_transformers.models.Transformer"}, {"type": "sentence_transformers.models.Dense"}]
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(UnsupportedModelError, match=r"the layer sentence_transformers\.models\.Dense"):
        load(folder)


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


@pytest.mark.parametrize("family", ["deberta", "xlm-roberta-xl", "gpt2", "vit"])
def test_another_family_is_not_supported_and_no_weights_are_read_to_tell(folder: Path, family: str) -> None:
    (folder / "config.json").write_text(json.dumps({"model_type": family}))
    (folder / "model.safetensors").unlink()
    with pytest.raises(UnsupportedModelError, match=f"type {family} .*is not supported; supported are bert, roberta"):
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
        ("tests.tiny:no_fast_tokenizer", "object has no tokenizer.json"),
    ],
)
def test_a_factory_that_is_no_good_is_told(name: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        teachers.load(ModelSource(factory=name), labels=(), max_length=tiny.MAX_LENGTH)


def test_a_factory_may_give_a_model_in_our_own_form_and_its_head_is_kept() -> None:
    source = ModelSource(factory="tests.tiny:own_form_factory")
    teacher = teachers.load(source, head="labels", labels=tiny.LABELS, max_length=tiny.MAX_LENGTH)
    assert teacher.fitted
    assert torch.equal(teacher.model.head.classifier.bias, torch.arange(3.0))
    other = teachers.load(source, head="value", max_length=tiny.MAX_LENGTH)
    assert not other.fitted
    assert outputs(other.model, tiny.rows(2)).shape == (2, 1)


def test_a_factory_of_an_unknown_model_is_told_what_it_may_return() -> None:
    said = r"a Linear from model\.factory 'tests\.tiny:linear_factory' is not supported; .* or of a TransformerModel"
    with pytest.raises(UnsupportedModelError, match=said):
        teachers.load(ModelSource(factory="tests.tiny:linear_factory"), max_length=tiny.MAX_LENGTH)


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
