"""A tiny Llama-type decoder with random weights: two layers, grouped queries, rotary positions, a tied table.

Its cache goes in and comes out, so that each exporter holds it as its runtime can. `decoder_file` is an artifact of it.
"""

import atexit
import shutil
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgewright.runtimes.decoder_input import decoder_input
from edgewright.runtimes.export_input import ExportInput
from edgewright.runtimes.table import RUNTIMES
from edgewright.specs.generation import Generation
from edgewright.specs.signature import Tensor as TensorSpec

LAYERS, HEADS, KV_HEADS, HEAD_SIZE = 2, 4, 2, 8
HIDDEN, FEED_FORWARD = HEADS * HEAD_SIZE, 48
VOCABULARY, CONTEXT = 100, 64
CACHE_SHAPE = (LAYERS, KV_HEADS, CONTEXT, HEAD_SIZE)
CACHE = tuple(TensorSpec(name=name, dtype="float32", shape=CACHE_SHAPE) for name in ("cache_k", "cache_v"))
GENERATION = Generation(context=CONTEXT, vocabulary=VOCABULARY, begin=1, stop=(VOCABULARY - 1,))
PREFILL_SIZES = (4, 16)


class Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention_norm, self.feed_forward_norm = nn.RMSNorm(HIDDEN), nn.RMSNorm(HIDDEN)
        self.query = nn.Linear(HIDDEN, HIDDEN, bias=False)
        self.key, self.value = (nn.Linear(HIDDEN, KV_HEADS * HEAD_SIZE, bias=False) for _ in range(2))
        self.output = nn.Linear(HIDDEN, HIDDEN, bias=False)
        self.gate, self.up = (nn.Linear(HIDDEN, FEED_FORWARD, bias=False) for _ in range(2))
        self.down = nn.Linear(FEED_FORWARD, HIDDEN, bias=False)

    def forward(
        self, hidden: Tensor, turn: tuple[Tensor, Tensor], mask: Tensor, cache_k: Tensor, cache_v: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Hidden (n, HIDDEN), the mask (n, CONTEXT + n), caches (KV_HEADS, CONTEXT, HEAD_SIZE) → hidden, new rows."""
        normed = self.attention_norm(hidden)
        query = rotated(self.query(normed).unflatten(-1, (HEADS, HEAD_SIZE)).transpose(0, 1), turn)
        key = rotated(self.key(normed).unflatten(-1, (KV_HEADS, HEAD_SIZE)).transpose(0, 1), turn)
        value = self.value(normed).unflatten(-1, (KV_HEADS, HEAD_SIZE)).transpose(0, 1)
        keys, values = torch.cat([cache_k, key], 1), torch.cat([cache_v, value], 1)
        grouped = query.unflatten(0, (KV_HEADS, HEADS // KV_HEADS))
        scores = grouped @ keys.transpose(1, 2).unsqueeze(1) * HEAD_SIZE**-0.5 + mask
        mixed = (scores.softmax(-1) @ values.unsqueeze(1)).flatten(0, 1)
        hidden = hidden + self.output(mixed.transpose(0, 1).flatten(1))
        normed = self.feed_forward_norm(hidden)
        return hidden + self.down(functional.silu(self.gate(normed)) * self.up(normed)), key, value


def rotated(vectors: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    first, second = vectors.chunk(2, -1)
    return vectors * turn[0] + torch.cat([-second, first], -1) * turn[1]


class TinyDecoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(VOCABULARY, HIDDEN)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        self.norm, self.head = nn.RMSNorm(HIDDEN), nn.Linear(HIDDEN, VOCABULARY, bias=False)
        self.head.weight = self.table.weight
        rates = 100.0 ** (-torch.arange(0, HEAD_SIZE, 2) / HEAD_SIZE)
        self.register_buffer("rates", torch.cat([rates, rates]), persistent=False)

    def forward(self, ids: Tensor, position: Tensor, cache_k: Tensor, cache_v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        rows = position + torch.arange(ids.shape[1])
        angles = rows.to(torch.float32).unsqueeze(1) * self.rates
        old = torch.arange(CONTEXT) < position.unsqueeze(1)
        new = rows.unsqueeze(0) <= rows.unsqueeze(1)
        seen = torch.cat([old.expand(rows.shape[0], CONTEXT), new], 1)
        mask = torch.where(seen, 0.0, -1e9)
        hidden, keys, values = self.table(ids[0].long()), [], []
        for place, layer in enumerate(self.layers):
            hidden, key, value = layer(hidden, (angles.cos(), angles.sin()), mask, cache_k[place], cache_v[place])
            keys.append(key)
            values.append(value)
        logits = self.head(self.norm(hidden[-1:]))
        places, rows_k, rows_v = rows.long(), torch.stack(keys), torch.stack(values)
        return logits, cache_k.index_copy(2, places, rows_k), cache_v.index_copy(2, places, rows_v)


def tiny_decoder() -> TinyDecoder:
    torch.manual_seed(0)
    model = TinyDecoder().eval()
    for weights in model.parameters():
        if weights.ndim > 1:  # so that tokens differ from each other
            nn.init.normal_(weights, std=0.4)
    return model


def tiny_input(runtime: str) -> ExportInput:
    return decoder_input(tiny_decoder(), GENERATION, CACHE, RUNTIMES[runtime], prefill_sizes=PREFILL_SIZES)


@cache
def decoder_file(runtime: str) -> Path:
    """The float artifact of a runtime, in a folder that goes with the process."""
    folder = Path(tempfile.mkdtemp(prefix="edgewright-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    file = folder / RUNTIMES[runtime].file_name
    RUNTIMES[runtime].write_float(tiny_input(runtime), file)
    return file


def greedy(model: nn.Module, prompt: Sequence[int], count: int) -> list[int]:
    """The likeliest token, `count` times, each from the whole text before it."""
    ids = list(prompt)
    with torch.no_grad():
        for _ in range(count):
            caches = torch.zeros(CACHE_SHAPE), torch.zeros(CACHE_SHAPE)
            logits, *_ = model(torch.tensor([ids]), torch.tensor([0]), *caches)
            ids.append(int(logits.argmax()))
    return ids[len(prompt) :]
