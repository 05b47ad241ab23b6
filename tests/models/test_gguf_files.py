"""GGUF files: read as transformers reads them, and refused by name where that would be silently wrong."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from edgewright.errors import BadModelError, UnsupportedModelError
from edgewright.models import decoder_teacher
from edgewright.models.gguf_files import PRE_TOKENIZERS, definition_of, gguf_in, read_facts
from edgewright.specs.recipe import ModelSource
from tests import tiny_bpe, tiny_decoders

TEXTS = [*tiny_bpe.docstrings()[:60:5], "x = 1234567;\n\n\tprint('größer 日本語')  ", "I've 3 don'T\r\n  x"]
MATRICES = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
}  # fmt: skip


def permuted(values: Any, heads: int) -> Any:
    """Rows of queries or keys as llama.cpp turns them: pairs of channels side by side."""
    return values.reshape(heads, 2, -1, values.shape[-1]).swapaxes(1, 2).reshape(values.shape)


def written(path: Path, *, quantised: bool = False, pre: str = "smollm", **changes: Any) -> Any:
    """A tiny Llama as one file; `changes` are of its metadata, whose keys begin with the architecture. Its model."""
    import gguf

    model = tiny_decoders.made("llama", vocab_size=tiny_decoders.PIECES, num_key_value_heads=2)
    writer = gguf.GGUFWriter(path, changes.pop("architecture", "llama"))
    config, tokenizer = model.config, json.loads(tiny_decoders.definition(pre if pre in PRE_TOKENIZERS else "smollm"))
    writer.add_context_length(config.max_position_embeddings)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    writer.add_vocab_size(config.vocab_size)
    writer.add_tokenizer_model(changes.pop("tokenizer", "gpt2"))
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(sorted(tokenizer["model"]["vocab"], key=tokenizer["model"]["vocab"].__getitem__))
    writer.add_token_types([3] * 3 + [1] * (tiny_decoders.PIECES - 3))
    writer.add_token_merges([" ".join(pair) for pair in tokenizer["model"]["merges"]])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(changes.pop("first", False))
    writer.add_chat_template(tiny_decoders.TEMPLATE)
    for name in changes.pop("tensors", ()):
        writer.add_tensor(name, np.ones(8, dtype=np.float32))
    for name, value in changes.items():
        writer.add_float32(name.replace("__", "."), value)
    state = {name: values.numpy().astype(np.float32) for name, values in model.state_dict().items()}
    named = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
    for index in range(config.num_hidden_layers):
        named |= {f"blk.{index}.{ours}": f"model.layers.{index}.{theirs}" for theirs, ours in MATRICES.items()}
    for ours, theirs in named.items():
        values = state[f"{theirs}.weight"]
        for part, heads in (("attn_q", config.num_attention_heads), ("attn_k", config.num_key_value_heads)):
            values = permuted(values, heads) if ours.endswith(part) else values
        if quantised and values.ndim == 2 and values.shape[-1] % 32 == 0:
            kind = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(f"{ours}.weight", gguf.quantize(values, kind), raw_dtype=kind)
        else:
            writer.add_tensor(f"{ours}.weight", values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return model


@pytest.mark.parametrize("quantised", [False, True])
def test_a_file_is_read_and_what_was_done_to_its_weights_is_told(quantised: bool, tmp_path: Path) -> None:
    model = written(tmp_path / "tiny.gguf", quantised=quantised)
    teacher = decoder_teacher.load(ModelSource(folder=tmp_path), max_length=40)
    assert teacher.reference is not None
    assert teacher.reference.compare(TEXTS).greatest_difference < 1e-4
    assert teacher.size_bytes == (tmp_path / "tiny.gguf").stat().st_size
    kinds = "7 F32, 17 Q8_0, 3 F32" if quantised else "30 F32"
    (note,) = teacher.notes
    assert note.startswith("the weights are those of tiny.gguf, de-quantised into float32 (tensors: ")
    assert ("Q8_0" in note) == quantised, kinds
    assert (teacher.ends, teacher.before) == ((2,), ())
    assert teacher.chat_template is not None
    assert teacher.chat_template.text == tiny_decoders.TEMPLATE
    ids = tiny_decoders.ids_of(2, 30)
    with torch.inference_mode():
        difference = float((teacher.model(ids) - model(ids).logits).abs().max())
    assert difference < (2.0 if quantised else 1e-4)
    assert difference > 1e-3 or not quantised


@pytest.mark.parametrize("pre", PRE_TOKENIZERS)
@pytest.mark.parametrize("first", [False, True])
def test_its_tokenizer_gives_the_ids_of_the_one_it_was_made_of(pre: str, first: bool, tmp_path: Path) -> None:
    from tokenizers import Tokenizer

    written(tmp_path / "tiny.gguf", pre=pre, first=first)
    found = Tokenizer.from_str(json.dumps(definition_of(read_facts(tmp_path / "tiny.gguf"))))
    wanted = Tokenizer.from_str(tiny_decoders.definition(pre, first=first))
    for text in (*TEXTS, "<|start|>user<|end|>\n", "e\u0301"):
        assert found.encode(text).ids == wanted.encode(text).ids
        assert found.decode(found.encode(text).ids) == wanted.decode(wanted.encode(text).ids)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"architecture": "gemma3"}, "a decoder of type gemma3"),
        ({"llama__rope__scaling__factor": 8.0}, "the setting llama.rope.scaling.factor = 8.0 of tiny.gguf"),
        ({"llama__attention__sliding_window": 8.0}, "the setting llama.attention.sliding_window"),
        ({"tensors": ["rope_freqs.weight"]}, "the tensor rope_freqs.weight of tiny.gguf"),
        ({"tensors": ["blk.0.attn_q.bias"]}, "the tensor blk.0.attn_q.bias"),
        ({"pre": "tekken"}, "the pre-tokenizer 'tekken' of tiny.gguf"),
        ({"tokenizer": "llama"}, "the tokenizer 'llama' of tiny.gguf"),
    ],
)
def test_what_transformers_would_leave_unread_is_refused_by_name(
    changes: dict[str, Any], said: str, tmp_path: Path
) -> None:
    written(tmp_path / "tiny.gguf", **changes)
    with pytest.raises(UnsupportedModelError) as caught:
        decoder_teacher.load(ModelSource(folder=tmp_path), max_length=40)
    assert said in str(caught.value)


def test_an_unknown_quantisation_is_refused_by_its_number_or_name(tmp_path: Path, monkeypatch: Any) -> None:
    written(tmp_path / "tiny.gguf", quantised=True)
    whole = (tmp_path / "tiny.gguf").read_bytes()
    name = b"token_embd.weight"
    place = whole.index(name) + len(name) + 4 + 16  # behind the number of dimensions and two of them
    assert whole[place : place + 4] == (8).to_bytes(4, "little")
    (tmp_path / "tiny.gguf").write_bytes(whole[:place] + (77).to_bytes(4, "little") + whole[place + 4 :])
    with pytest.raises(UnsupportedModelError, match=r"the quantisation number 77 of tiny.gguf"):
        read_facts(tmp_path / "tiny.gguf")
    (tmp_path / "tiny.gguf").write_bytes(whole[:place] + (24).to_bytes(4, "little") + whole[place + 4 :])
    with pytest.raises(UnsupportedModelError, match=r"the quantisation I8 of tiny.gguf"):
        read_facts(tmp_path / "tiny.gguf")


def test_damaged_files_and_folders_of_several_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.gguf").write_bytes(b"no such thing at all")
    with pytest.raises(BadModelError, match="cannot be read as GGUF"):
        read_facts(tmp_path / "a.gguf")
    (tmp_path / "b.gguf").write_bytes(b"")
    with pytest.raises(BadModelError, match=r"it holds 2 GGUF files \(a.gguf, b.gguf\)"):
        gguf_in(tmp_path)
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    assert gguf_in(tmp_path) is None
