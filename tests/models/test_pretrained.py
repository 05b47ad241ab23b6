"""A model is read by transformers in float32, with what its files hold too much or too little."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from edgewright.errors import BadModelError, InputError, UnsupportedModelError
from edgewright.models.layouts import text_family
from edgewright.models.pretrained import Read, call_factory, configured, family_of, pretrained, pretrained_tokenizer
from edgewright.specs.recipe import ModelSource
from tests import tiny
from tests.models.test_weights import adapter


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return shutil.copytree(tiny.bert_folder(), tmp_path / "bert")


def read(folder: Path, auto: str = "AutoModel", classes: int = 0) -> Read:
    source = ModelSource(folder=folder)
    return pretrained(
        source, auto=auto, modality="text", wrapped=lambda name: text_family(name).wrapped, classes=classes
    )


def test_weights_of_half_precision_are_read_in_float32_for_evaluation(folder: Path) -> None:
    file = folder / "model.safetensors"
    save_file({name: tensor.half() for name, tensor in load_file(file).items()}, file, metadata={"format": "pt"})
    found = read(folder)
    assert {parameter.dtype for parameter in found.model.parameters()} == {torch.float32}
    assert not found.model.training
    assert (found.config.model_type, found.unread, found.new) == ("bert", (), ())


def test_a_new_head_is_told_apart_from_what_the_files_hold(folder: Path) -> None:
    found = read(folder, "AutoModelForSequenceClassification", classes=3)
    assert found.new == ("classifier.bias", "classifier.weight")
    assert read(folder, "AutoModelForTokenClassification", classes=3).unread == (
        "pooler.dense.bias",
        "pooler.dense.weight",
    )


def test_a_layer_that_the_files_lack_is_refused_by_name(folder: Path) -> None:
    file = folder / "model.safetensors"
    tensors = {name: tensor for name, tensor in load_file(file).items() if "layer.1.output.dense.bias" not in name}
    save_file(tensors, file, metadata={"format": "pt"})
    with pytest.raises(BadModelError, match=r"its weights lack encoder.layer.1.output.dense.bias"):
        read(folder)


def test_what_is_no_text_model_is_refused_before_its_weights_are_read(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"")
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**settings, "model_type": "vit"}))
    with pytest.raises(UnsupportedModelError, match="type vit"):
        read(folder)
    with pytest.raises(UnsupportedModelError, match="type vit"):
        configured(ModelSource(folder=folder))
    assert family_of(ModelSource(folder=folder), "image") == "vit"


def test_an_adapter_has_the_configuration_and_the_tokenizer_of_its_base(tmp_path: Path, folder: Path) -> None:
    source = ModelSource(folder=adapter(tmp_path / "adapter", folder, task_type="SEQ_CLS", labels=3))
    assert configured(source).model_type == "bert"
    found = read(tmp_path / "adapter", "AutoModelForSequenceClassification", classes=3)
    assert found.config.architectures == ("ForSequenceClassification",)
    assert found.config.integer("num_labels") == 3
    assert found.new == ()
    own, base = pretrained_tokenizer(source), pretrained_tokenizer(ModelSource(folder=folder))
    assert own.backend_tokenizer.to_str() == base.backend_tokenizer.to_str()


def test_a_folder_without_a_readable_tokenizer_is_refused(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{}")
    (folder / "vocab.txt").unlink(missing_ok=True)
    with pytest.raises(BadModelError, match="bert cannot be read"):
        pretrained_tokenizer(ModelSource(folder=folder))


def test_a_factory_is_called_and_one_that_is_not_there_refused() -> None:
    assert call_factory(ModelSource(factory="tests.tiny:no_pair")) == "a model"
    with pytest.raises(InputError, match="cannot be called"):
        call_factory(ModelSource(factory="tests.tiny:none"))
