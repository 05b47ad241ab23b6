"""Side files of a text model: what is understood is applied, and what could change an answer is refused by name.

Each folder is written by sentence-transformers itself, and each answer compared with what it gives.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from edgewright.errors import BadModelError, InputError, UnsupportedModelError
from edgewright.models import teacher as teachers
from edgewright.models.reference import some_of
from edgewright.models.teacher import Teacher
from edgewright.models.text import outputs
from edgewright.specs.recipe import ModelSource
from tests import tiny

TEXTS = [*tiny.sentences(6), "Snow? No, RAIN, and a Cold wind!"]


def saved(place: Path, mode: str | Sequence[str] = "mean", *, normalised: bool = True, **settings: Any) -> Path:
    """What sentence-transformers writes of the tiny BERT with such a pooling; `settings` are the model's own."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Normalize, Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling

    modules = [Transformer(str(tiny.bert_folder())), Pooling(32, mode), *([Normalize()] if normalised else [])]
    model = SentenceTransformer(modules=modules, device="cpu")
    for name, value in settings.items():
        setattr(model, name, value)
    model.save(str(place), create_model_card=False)
    return place


def load(folder: Path, max_length: int = tiny.MAX_LENGTH) -> Teacher:
    return teachers.load(ModelSource(folder=folder), head="vector", max_length=max_length)


def theirs(folder: Path, texts: Sequence[str] = TEXTS) -> torch.Tensor:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), device="cpu")
    model.max_seq_length = tiny.MAX_LENGTH
    return model.encode(list(texts), convert_to_tensor=True).clone()


def ours(folder: Path, texts: Sequence[str] = TEXTS) -> torch.Tensor:
    teacher = load(folder)
    return outputs(teacher.model, teacher.tokenizer.encode(list(texts)))


def change(file: Path, **changes: Any) -> None:
    described = json.loads(file.read_text()) if file.is_file() else {}
    file.write_text(json.dumps({**described, **changes}))


@pytest.mark.parametrize("mode", ["mean", "cls"])
@pytest.mark.parametrize("normalised", [True, False])
def test_a_folder_of_todays_sentence_transformers_embeds_as_there(tmp_path: Path, mode: str, normalised: bool) -> None:
    folder = saved(tmp_path / "model", mode, normalised=normalised)
    assert json.loads((folder / "1_Pooling" / "config.json").read_text())["pooling_mode"] == mode
    assert torch.allclose(ours(folder), theirs(folder), atol=1e-5)


def test_the_mean_by_the_root_of_the_length_is_the_mean_once_normalised_and_refused_otherwise(tmp_path: Path) -> None:
    folder = saved(tmp_path / "model", "mean_sqrt_len_tokens")
    assert torch.allclose(ours(folder), theirs(folder), atol=1e-5)
    with pytest.raises(UnsupportedModelError, match="the pooling mean_sqrt_len_tokens that 1_Pooling/config"):
        load(saved(tmp_path / "plain", "mean_sqrt_len_tokens", normalised=False))


@pytest.mark.parametrize("mode", ["max", "lasttoken", "weightedmean"])
@pytest.mark.parametrize("old", [False, True])
def test_another_pooling_is_refused_by_name_in_its_old_form_and_its_new_one(
    tmp_path: Path, mode: str, old: bool
) -> None:
    folder = saved(tmp_path / "model", mode)
    if old:
        name = {"max": "max_tokens", "lasttoken": "lasttoken", "weightedmean": "weightedmean_tokens"}[mode]
        described = {"word_embedding_dimension": 32, f"pooling_mode_{name}": True, "pooling_mode_mean_tokens": False}
        (folder / "1_Pooling" / "config.json").write_text(json.dumps(described))
    with pytest.raises(UnsupportedModelError, match=rf"the pooling {mode} that 1_Pooling/config\.json asks for"):
        load(folder)


@pytest.mark.parametrize("old", [False, True])
def test_several_poolings_side_by_side_are_refused(tmp_path: Path, old: bool) -> None:
    folder = saved(tmp_path / "model", ["cls", "mean"])
    if old:
        described = {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True}
        (folder / "1_Pooling" / "config.json").write_text(json.dumps(described))
    with pytest.raises(UnsupportedModelError, match="the pooling cls and mean side by side"):
        load(folder)


def test_a_default_prompt_is_refused_with_its_text_and_named_prompts_are_said(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError, match=r"the prompt 'query: ' that config_sentence_transformers\.json"):
        load(saved(tmp_path / "model", prompts={"query": "query: "}, default_prompt_name="query"))
    folder = saved(tmp_path / "named", prompts={"query": "query: ", "document": ""})
    assert "its prompts (query) are put before no text" in load(folder).notes[0]
    assert torch.allclose(ours(folder), theirs(folder), atol=1e-5)
    assert load(saved(tmp_path / "empty", prompts={"document": ""}, default_prompt_name="document")).fitted


def test_texts_are_made_lower_case_where_the_sentence_settings_say_so(tmp_path: Path) -> None:
    folder = saved(tmp_path / "model")
    definition = json.loads((folder / "tokenizer.json").read_text())
    definition["normalizer"]["lowercase"] = False
    (folder / "tokenizer.json").write_text(json.dumps(definition))
    change(folder / "tokenizer_config.json", do_lower_case=False)
    cased = ours(folder)
    change(folder / "sentence_bert_config.json", do_lower_case=True)
    assert torch.allclose(ours(folder), theirs(folder), atol=1e-5)
    assert not torch.allclose(ours(folder)[-1], cased[-1], atol=1e-2)


@pytest.mark.parametrize(
    ("file", "changes", "said"),
    [
        ("1_Pooling/config.json", {"pooling_of_layers": 4}, r"pooling_of_layers = 4 in 1_Pooling/config\.json"),
        ("2_Normalize/config.json", {"module_input_name": "token_embeddings"}, r"in 2_Normalize/config\.json"),
        ("sentence_bert_config.json", {"query_expansion": {"length": 32}}, "query_expansion"),
        ("sentence_bert_config.json", {"modality_config": {"image": {}}}, "modality_config"),
        ("config_sentence_transformers.json", {"truncate_dim": 16}, "truncate_dim = 16"),
        ("config_sentence_transformers.json", {"model_type": "SparseEncoder"}, "SparseEncoder"),
        ("tokenizer_config.json", {"truncation_side": "left"}, 'truncation_side = "left" in tokenizer_config'),
        ("tokenizer_config.json", {"reverse_words": True}, r"reverse_words = true in tokenizer_config\.json"),
    ],
)
def test_a_setting_that_is_not_understood_is_refused_with_its_file_and_value(
    tmp_path: Path, file: str, changes: dict[str, Any], said: str
) -> None:
    folder = saved(tmp_path / "model")
    change(folder / file, **changes)
    with pytest.raises(UnsupportedModelError, match=said):
        load(folder)


@pytest.mark.parametrize(
    ("file", "changes", "said"),
    [
        ("sentence_bert_config.json", {"max_seq_length": 16}, r"at most 16 tokens \(max_seq_length in sentence_bert"),
        ("tokenizer_config.json", {"model_max_length": 20}, r"at most 20 tokens \(model_max_length in tokenizer"),
    ],
)
def test_a_model_is_not_asked_for_longer_texts_than_its_own_files_let_it_read(
    tmp_path: Path, file: str, changes: dict[str, Any], said: str
) -> None:
    folder = saved(tmp_path / "model")
    change(folder / "tokenizer_config.json", max_length=8, stride=0)  # of whoever trained it; nobody reads it
    change(folder / file, **changes)
    with pytest.raises(InputError, match=said):
        load(folder)
    assert load(folder, max_length=16).tokenizer.max_length == 16


@pytest.mark.parametrize(
    ("kinds", "said"),
    [
        (["Transformer", "Normalize", "Pooling"], "the order Transformer, Normalize, Pooling"),
        (["Transformer"], "the order Transformer"),
        (["Transformer", "Pooling", "Dense"], r"the layer sentence_transformers\.models\.Dense"),
    ],
)
def test_modules_in_another_order_or_further_ones_are_refused(tmp_path: Path, kinds: list[str], said: str) -> None:
    folder = saved(tmp_path / "model")
    modules = [{"idx": i, "path": "", "type": f"sentence_transformers.models.{kind}"} for i, kind in enumerate(kinds)]
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(UnsupportedModelError, match=said):
        load(folder)


def test_a_module_of_the_folders_own_code_is_refused(tmp_path: Path) -> None:
    folder = saved(tmp_path / "model")
    modules = json.loads((folder / "modules.json").read_text())
    modules[0]["type"] = "custom_model.Transformer"
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(UnsupportedModelError, match=r"the layer custom_model\.Transformer"):
        load(folder)


def test_a_pooling_file_that_modules_name_elsewhere_is_found_and_a_missing_one_is_told(tmp_path: Path) -> None:
    folder = saved(tmp_path / "model", "cls")
    (folder / "1_Pooling").rename(folder / "pool")
    modules = json.loads((folder / "modules.json").read_text())
    modules[1]["path"] = "pool"
    (folder / "modules.json").write_text(json.dumps(modules))
    assert load(folder).model.head.shape.pooling == "first"
    (folder / "pool" / "config.json").unlink()
    with pytest.raises(BadModelError, match=r"pool/config\.json that it asks for is missing"):
        load(folder)


def test_the_older_layout_with_the_transformer_in_a_folder_of_its_own_is_read(tmp_path: Path) -> None:
    folder = saved(tmp_path / "model", "cls")
    expected, within = theirs(folder), folder / "0_Transformer"
    within.mkdir()
    for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"):
        (folder / name).rename(within / name)
    (folder / "sentence_bert_config.json").rename(within / "sentence_bert_config.json")
    modules = json.loads((folder / "modules.json").read_text())
    modules[0]["path"] = "0_Transformer"
    (folder / "modules.json").write_text(json.dumps(modules))
    assert torch.allclose(ours(folder), expected, atol=1e-5)
    assert load(folder).size_bytes == (within / "model.safetensors").stat().st_size


def test_what_was_decided_of_an_embedding_is_said(tmp_path: Path) -> None:
    plain = "nothing says how to pool: the mean over all tokens, normalised"
    assert load(tiny.bert_folder()).notes == (plain,)
    said = load(saved(tmp_path / "model", "cls", normalised=False)).notes[0]
    assert said == "pooled by the first token, not normalised, as 1_Pooling/config.json says"


@pytest.mark.parametrize("mode", ["mean", "cls"])
def test_an_embedder_is_compared_with_sentence_transformers_and_the_difference_is_found(
    tmp_path: Path, mode: str
) -> None:
    teacher = load(saved(tmp_path / "model", mode))
    assert teacher.reference is not None
    compared = teacher.reference.compare(some_of(TEXTS))
    assert compared.library.startswith("sentence-transformers ")
    assert (compared.what, compared.examples) == ("embeddings", 7)
    assert 0 < compared.greatest_difference < 1e-5 < compared.greatest_output
