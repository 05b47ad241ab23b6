"""Weights: every tensor has its place or is told, pickles are read as tensors alone, adapters are merged."""

import json
import pickle
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from edgewright.errors import BadModelError, EnvironmentFaultError
from edgewright.models import convnet_sources, weights
from edgewright.models import teacher as teachers
from edgewright.models.image_teacher import load_images
from edgewright.models.teacher import Teacher
from edgewright.models.text import outputs
from edgewright.specs.recipe import ModelSource
from tests import tiny, tiny_vision


def load(folder: Path, *, head: str = "vector", labels: Sequence[str] = ()) -> Teacher:
    return teachers.load(ModelSource(folder=folder), head=head, labels=labels, max_length=tiny.MAX_LENGTH)


def change_config(folder: Path, **changes: Any) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def add(folder: Path, **tensors: torch.Tensor) -> None:
    file = folder / "model.safetensors"
    save_file({**load_file(file), **tensors}, file, metadata={"format": "pt"})


LAYERS = {"distilbert": "n_layers"}


@pytest.mark.parametrize("family", sorted(tiny.CLASSES.keys() - {"albert"}))  # all its layers share one's weights
@pytest.mark.parametrize("head", ["Model", "ForSequenceClassification"])
def test_a_configuration_of_fewer_layers_than_the_weights_hold_is_refused_with_both_numbers(
    tmp_path: Path, family: str, head: str
) -> None:
    folder, model = tiny.family_folder(tmp_path, family, head)
    count = getattr(model.config, LAYERS.get(family, "num_hidden_layers"))
    change_config(folder, **{LAYERS.get(family, "num_hidden_layers"): count - 1, "layer_types": None})
    kind, labels = ("vector", []) if head == "Model" else ("labels", ["0", "1"])
    with pytest.raises(BadModelError, match=rf"its weights hold {count} layers .*number of layers is {count - 1}"):
        load(folder, head=kind, labels=labels)


def test_a_vision_transformer_of_fewer_layers_than_its_weights_hold_is_refused(tmp_path: Path) -> None:
    folder, _ = tiny.family_folder(tmp_path, "vit", "ForImageClassification", num_labels=2)
    change_config(folder, num_hidden_layers=2)
    with pytest.raises(BadModelError, match=r"its weights hold 3 layers .* number of layers is 2"):
        load_images(ModelSource(folder=folder), labels=["0", "1"])


def test_a_net_whose_weights_hold_more_than_it_describes_is_refused(tmp_path: Path) -> None:
    tiny_vision.hugging_face("resnet-basic").save_pretrained(tmp_path)
    add(tmp_path, **{"resnet.encoder.stages.9.weight": torch.zeros(3)})
    with pytest.raises(BadModelError, match=r"its weights hold resnet\.encoder\.stages\.9\.weight, which config\.json"):
        convnet_sources.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    "name", ["embeddings.position_ids", "cls.predictions.bias", "qa_outputs.weight", "classifier.weight"]
)
def test_counters_and_heads_of_other_tasks_are_left_unread_and_told(tmp_path: Path, name: str) -> None:
    folder, _ = tiny.family_folder(tmp_path, "bert")
    before = outputs(load(folder).model, tiny.rows(3))
    add(folder, **{name: torch.zeros(2)})
    teacher = load(folder)
    assert torch.equal(outputs(teacher.model, tiny.rows(3)), before)
    if name != "embeddings.position_ids":  # which transformers itself passes over
        assert f"left unread, as they belong to another task's head: {name}" in teacher.notes


def test_a_tensor_that_nothing_has_a_place_for_is_refused_by_name(tmp_path: Path) -> None:
    folder, _ = tiny.family_folder(tmp_path, "bert")
    add(folder, **{"encoder.layer.1.adapter.down.weight": torch.zeros(2)})
    with pytest.raises(
        BadModelError, match=r"hold encoder\.layer\.1\.adapter\.down\.weight, which config\.json has no"
    ):
        load(folder)


def test_a_classifier_whose_weights_lack_its_head_is_not_taken_for_fitted(tmp_path: Path) -> None:
    folder, _ = tiny.family_folder(tmp_path, "bert", "ForSequenceClassification", num_labels=2)
    file = folder / "model.safetensors"
    kept = {name: tensor for name, tensor in load_file(file).items() if name != "classifier.weight"}
    save_file(kept, file, metadata={"format": "pt"})
    teacher = load(folder, head="labels", labels=["0", "1"])
    assert not teacher.fitted
    assert teacher.notes[0] == "head new, because the model's weights lack classifier.weight"


def pickled(folder: Path) -> Path:
    """The same weights as PyTorch pickles them."""
    file = folder / "model.safetensors"
    torch.save(load_file(file), folder / "pytorch_model.bin")
    file.unlink()
    return folder


def test_a_folder_of_pytorchs_own_weights_alone_gives_the_same_model(tmp_path: Path) -> None:
    folder, _ = tiny.family_folder(tmp_path / "model", "bert")
    before = outputs(load(folder).model, tiny.rows(3))
    teacher = load(pickled(folder))
    assert torch.equal(outputs(teacher.model, tiny.rows(3)), before)
    assert teacher.size_bytes == (folder / "pytorch_model.bin").stat().st_size


class Harm:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path(self.place),))  # type: ignore[attr-defined]


def test_a_pickle_that_would_run_code_is_refused_and_not_run(tmp_path: Path) -> None:
    folder, _ = tiny.family_folder(tmp_path / "model", "bert")
    (folder / "model.safetensors").unlink()
    harm = Harm()
    harm.place = str(tmp_path / "ran")  # type: ignore[attr-defined]
    with (folder / "pytorch_model.bin").open("wb") as file:
        pickle.dump({"embeddings.word_embeddings.weight": harm}, file)
    with pytest.raises(BadModelError, match=r"read as plain tensors alone \(weights_only\), and that failed"):
        load(folder)
    assert not (tmp_path / "ran").exists()


def adapter(place: Path, base: Path, **settings: Any) -> Path:
    """A LoRA adapter of the model in `base`, with weights of its own, as peft saves it."""
    import peft
    import transformers

    labels = settings.pop("labels", 0)
    auto = transformers.AutoModelForSequenceClassification if labels else transformers.AutoModel
    model = auto.from_pretrained(base, **({"num_labels": labels} if labels else {}))
    made = peft.get_peft_model(model, peft.LoraConfig(r=2, target_modules=["query", "value"], **settings))
    torch.manual_seed(5)
    for name, parameter in made.named_parameters():
        if "lora_B" in name or "classifier" in name:
            parameter.data = 0.3 * torch.randn_like(parameter)
    made.save_pretrained(place)
    return place


def test_an_adapter_is_merged_into_its_base_model(tmp_path: Path) -> None:
    import peft
    import transformers

    base, _ = tiny.family_folder(tmp_path / "base", "bert")
    folder = adapter(tmp_path / "adapter", base)
    teacher = load(folder)
    assert not torch.allclose(outputs(teacher.model, tiny.rows(3)), outputs(load(base).model, tiny.rows(3)), atol=1e-2)
    model = peft.PeftModel.from_pretrained(transformers.AutoModel.from_pretrained(base), folder).eval()
    ids = torch.tensor([tiny.rows(1)[0].ids])
    with torch.no_grad():
        expected = torch.nn.functional.normalize(model(input_ids=ids).last_hidden_state.mean(dim=1), dim=-1)
        assert torch.allclose(teacher.model(ids, torch.ones(ids.shape)), expected, atol=1e-4)
    assert teacher.reference is not None
    assert teacher.reference.compare(tiny.sentences(3)).greatest_difference < 1e-4


def test_an_adapter_that_brings_its_classifier_comes_fitted(tmp_path: Path) -> None:
    base, _ = tiny.family_folder(tmp_path / "base", "bert")
    folder = adapter(tmp_path / "adapter", base, task_type="SEQ_CLS", labels=3)
    teacher = load(folder, head="labels", labels=["0", "1", "2"])
    assert teacher.fitted
    assert teacher.reference is not None
    assert teacher.reference.compare(tiny.sentences(3)).what == "outputs"


def test_without_peft_an_adapter_is_told_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base, _ = tiny.family_folder(tmp_path / "base", "bert")
    folder = adapter(tmp_path / "adapter", base)
    monkeypatch.setattr(weights, "PEFT", ("no_such_package_anywhere",))
    with pytest.raises(EnvironmentFaultError, match=r"peft is needed to merge the adapter .*merge_and_unload"):
        load(folder)


def test_a_folder_around_the_models_names_those_within(tmp_path: Path) -> None:
    shutil.copytree(tiny.bert_folder(), tmp_path / "within")
    with pytest.raises(BadModelError, match=r"no config\.json in it; there is one in within: name that folder"):
        load(tmp_path)
