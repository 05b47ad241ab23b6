"""Decoders as recipes name them: read from folders and factories, and compared with their own library when they are."""

import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from edgewright.errors import BadModelError, InputError, ModelError, UnsupportedModelError
from edgewright.models import decoder_teacher
from edgewright.models.decoder import DecoderModel
from edgewright.models.decoder_loading import from_transformers
from edgewright.specs.recipe import ModelSource
from tests import tiny_bpe, tiny_decoders

TEXTS = [*tiny_bpe.docstrings()[:40:5], "x = 1234567;\n\n\tprint('größer 日本語')  ", "a"]


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("llama", {}),
        ("llama", {"tie_word_embeddings": True}),
        ("mistral", {"sliding_window": 20}),
        ("qwen2", {}),
        ("qwen3", {"head_dim": 8}),
        ("gpt2", {}),
    ],
)
def test_a_folder_is_read_and_says_what_its_library_says(kind: str, changes: dict[str, object], tmp_path: Path) -> None:
    model = tiny_decoders.written(tmp_path, kind, **changes)
    teacher = decoder_teacher.load(ModelSource(folder=tmp_path), max_length=48)
    assert teacher.model.shape.positions == 48
    assert teacher.parameters_count == sum(each.numel() for each in model.parameters())
    assert teacher.size_bytes == (tmp_path / "model.safetensors").stat().st_size
    assert (teacher.ends, teacher.before, teacher.notes) == ((2,), (), ())
    assert teacher.chat_template is not None
    assert teacher.chat_template.text == tiny_decoders.TEMPLATE
    assert teacher.chat_template.tokens["eos_token"] == "<|end|>"
    assert teacher.reference is not None
    compared = teacher.reference.compare(TEXTS)
    assert compared.what == "logits"
    assert compared.greatest_difference < 1e-4
    with torch.inference_mode():
        (row,) = teacher.tokenizer.encode([TEXTS[-2]])
        ids = torch.tensor([row.ids])
        assert row.ids == tuple(tiny_decoders.tokenizer_of()(TEXTS[-2])["input_ids"])
        assert float((teacher.model(ids) - model(ids).logits).abs().max()) < 1e-4


def test_weights_in_several_files_are_read(tmp_path: Path) -> None:
    model = tiny_decoders.made("llama", vocab_size=tiny_decoders.PIECES, eos_token_id=[2, 0])
    model.save_pretrained(tmp_path, max_shard_size="40kB")
    tiny_decoders.tokenizer_of(first=True).save_pretrained(tmp_path)
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 1
    teacher = decoder_teacher.load(ModelSource(folder=tmp_path), max_length=48)
    assert (teacher.ends, teacher.before) == ((0, 2), (1,))
    assert teacher.reference is not None
    assert teacher.reference.compare(TEXTS).greatest_difference < 1e-4


def test_rows_that_no_piece_has_are_left_out_and_told(tmp_path: Path) -> None:
    tiny_decoders.written(tmp_path, "qwen2", vocab_size=tiny_decoders.PIECES + 24)
    teacher = decoder_teacher.load(ModelSource(folder=tmp_path), max_length=48)
    assert teacher.model.shape.vocabulary == tiny_decoders.PIECES
    assert teacher.notes == ("left out of the token table: 24 rows that no piece of the tokenizer has",)
    assert teacher.reference is not None
    assert teacher.reference.compare(TEXTS).greatest_difference < 1e-4


def test_a_model_that_is_read_wrongly_is_told(tmp_path: Path) -> None:
    tiny_decoders.written(tmp_path, "llama")
    teacher = decoder_teacher.load(ModelSource(folder=tmp_path), max_length=48)
    assert teacher.reference is not None
    teacher.model.layer(1).down.weight.data *= 1.01
    with pytest.raises(ModelError, match="differs from transformers"):
        teacher.reference.compare(TEXTS)


def test_a_factory_may_give_transformers_model_or_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("decoders_of_mine")
    original = tiny_decoders.made("llama", vocab_size=tiny_decoders.PIECES)
    module.theirs = lambda: (original, tiny_decoders.tokenizer_of())  # type: ignore[attr-defined]
    module.ours = lambda: (from_transformers(original), tiny_decoders.tokenizer_of())  # type: ignore[attr-defined]
    module.alone = lambda: original  # type: ignore[attr-defined]
    module.other = lambda: (torch.nn.Linear(2, 2), tiny_decoders.tokenizer_of())  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "decoders_of_mine", module)
    theirs, ours = (
        decoder_teacher.load(ModelSource(factory=f"decoders_of_mine:{name}"), max_length=32)
        for name in ("theirs", "ours")
    )
    assert isinstance(ours.model, DecoderModel)
    assert ours.reference is None
    assert theirs.reference is not None
    assert theirs.reference.compare(TEXTS).greatest_difference < 1e-4
    ids = torch.tensor([theirs.tokenizer.encode(TEXTS[:1])[0].ids])
    with torch.inference_mode():
        assert torch.equal(theirs.model(ids), ours.model(ids))
    with pytest.raises(InputError, match=r"must return \(model, tokenizer\)"):
        decoder_teacher.load(ModelSource(factory="decoders_of_mine:alone"), max_length=32)
    with pytest.raises(UnsupportedModelError, match=r"a Linear from model.factory"):
        decoder_teacher.load(ModelSource(factory="decoders_of_mine:other"), max_length=32)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("gemma3_text", "it scales its embeddings"),
        ("phi", "side by side"),
        ("mixtral", "it chooses among experts"),
        ("bloom", "ALiBi"),
        ("gpt_neox", "side by side"),
        ("bert", "it reads texts, and does not go on with them"),
        ("t5", "with an encoder and a decoder"),
        ("whisper", "it reads sound"),
        ("resnet", "it reads images"),
    ],
)
def test_other_types_are_refused_by_name_before_weights_are_looked_for(kind: str, said: str, tmp_path: Path) -> None:
    described = {"model_type": kind, "is_encoder_decoder": kind in ("t5", "whisper")}
    (tmp_path / "config.json").write_text(json.dumps(described), encoding="utf-8")
    (tmp_path / "tokenizer.json").write_text(tiny_decoders.definition(), encoding="utf-8")
    with pytest.raises(UnsupportedModelError) as caught:
        decoder_teacher.load(ModelSource(folder=tmp_path), max_length=32)
    assert f"a decoder of type {kind} (" in str(caught.value)
    assert said.replace("it chooses", "blocks choose") in str(caught.value)


def test_a_chat_template_that_is_code_is_refused(tmp_path: Path) -> None:
    tiny_decoders.written(tmp_path, "gpt2")
    (tmp_path / "chat_template.jinja").write_text("{{ ''.__class__ }}", encoding="utf-8")
    with pytest.raises(UnsupportedModelError, match="a chat template that is code"):
        decoder_teacher.load(ModelSource(folder=tmp_path), max_length=32)


def test_more_tokens_than_there_are_places_are_refused(tmp_path: Path) -> None:
    tiny_decoders.written(tmp_path, "gpt2")
    with pytest.raises(InputError, match=r"task.max_length is 65, but the model reads at most 64 tokens"):
        decoder_teacher.load(ModelSource(folder=tmp_path), max_length=65)


def test_missing_weights_and_a_tokenizer_with_more_pieces_are_told(tmp_path: Path) -> None:
    tiny_decoders.written(tmp_path, "llama", vocab_size=tiny_decoders.PIECES - 1)
    with pytest.raises(BadModelError, match="a piece 399, but the model only 399 rows"):
        decoder_teacher.load(ModelSource(folder=tmp_path), max_length=32)
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    (tmp_path / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 4}), encoding="utf-8")
    with pytest.raises(BadModelError, match=r"its weights lack model.layers.3"):
        decoder_teacher.load(ModelSource(folder=tmp_path), max_length=32)
