"""What a teacher says of the tokens that follow: its likeliest ones, and the mass of the rest, in mapped files.

In:  a teacher that predicts tokens, and texts packed into rows.
Out: `TokenTargets`: for each counted token the k likeliest tokens with their log-probabilities, and where asked the
     hidden vectors that a student may learn. 64 tokens of a vocabulary of 65,536 or less are 258 bytes.
A recording that was cut off goes on from its last whole batch. How a student learns of it is `distill_tokens`' concern.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from torch import Tensor, nn

from edgewright.base.untrusted import parse_json
from edgewright.models.capabilities import PREDICTS_TOKENS, PredictsTokens
from edgewright.models.compiled_layers import layer_runner
from edgewright.models.compute_device import device_of, on_accelerator
from edgewright.models.families import required
from edgewright.models.packing import PackedBatch, PackedRows
from edgewright.models.text import wide_arithmetic

RECORDED_TOKENS = 4096  # of a batch that the teacher is run on at once
LARGEST_LOGITS = 1 << 25  # scores that are held at once
LEAST_REST = -20.0  # the natural logarithm of a mass of 2e-9: less is not told apart
SMALL_VOCABULARY = 1 << 16
PROGRESS = "progress.json"

Values: TypeAlias = NDArray  # type: ignore[type-arg]


@dataclass(frozen=True, kw_only=True)
class TokenTargets:
    """What a teacher says of each counted token, text after text.

    `tokens` (counted, k) are the likeliest, in the smallest integers that hold them, `log_probabilities` (counted, k)
    float16 their natural logarithms and `rest` (counted,) that of all others' mass. `hidden` (counted, width) float16
    are the vectors that scores are made of, `intermediate` (n, counted, width) those that enter the layers `entered`
    (n,), at the tokens before the counted ones; empty where nothing asks for them.
    """

    tokens: Values
    log_probabilities: Values
    rest: Values
    hidden: Values
    intermediate: Values
    entered: tuple[int, ...]

    @classmethod
    def load(cls, folder: Path) -> TokenTargets:
        """Those that were recorded into `folder`, mapped from disk."""
        files = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in _FILES}
        return cls(**files, entered=tuple(np.load(folder / "entered.npy").tolist()))

    def __len__(self) -> int:
        return len(self.rest)

    def likeliest(self, places: Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
        """Of the counted tokens at `places` (n,): tokens (n, k) int64, and shares (n, k + 1), the rest's last, of 1."""
        rows = places.numpy()
        tokens = torch.from_numpy(self.tokens[rows].astype(np.int64))
        logarithms = np.concatenate([self.log_probabilities[rows], self.rest[rows, None]], axis=1)
        shares = torch.from_numpy(logarithms.astype(np.float32)).softmax(dim=-1)  # which also undoes the rounding
        return tokens.to(device), shares.to(device)


_FILES = ("tokens", "log_probabilities", "rest", "hidden", "intermediate")


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """What is recorded of each counted token: how many likeliest tokens, and which hidden vectors beside them."""

    top_k: int = 64
    hidden: bool = False
    entered: Sequence[int] = ()


def record_token_targets(
    teacher: nn.Module,
    rows: PackedRows,
    recorded: Recorded,
    *,
    folder: Path,
    unfinished: Path | None = None,
    key: str = "",
    on_progress: Callable[[int, int], None] | None = None,
) -> TokenTargets:
    """Run the teacher once over `rows`; `on_progress` is called with (rows done, rows).

    Everything goes into files of `folder`, which `TokenTargets.load` reads. With a folder for what is `unfinished`, a
    recording that was ended goes on there when it is started again for the same rows and `key` (the teacher's). The
    teacher moves to the GPU, where there is one, for as long as it runs. Raises `OSError` where the disk has no room.
    """
    tokens = required(teacher, PREDICTS_TOKENS, setting="stages.distill.enabled")
    with on_accelerator(teacher), torch.inference_mode():  # what is moved within inference cannot be trained again
        record = _Record(teacher, tokens, rows, recorded)
        with _files(record, unfinished or folder, key) as files:
            record.through(files, on_progress)
    if unfinished is not None:
        for name in (*_FILES, "entered"):
            shutil.move(unfinished / f"{name}.npy", folder / f"{name}.npy")
        (unfinished / PROGRESS).unlink()
    return TokenTargets.load(folder)


@dataclass(kw_only=True)
class _Files:
    """The arrays of a recording, mapped, and how many batches they hold."""

    arrays: dict[str, Values]
    done: int


class _Record:
    """A recording: its batches, one after another."""

    def __init__(self, teacher: nn.Module, tokens: PredictsTokens, rows: PackedRows, recorded: Recorded) -> None:
        self.teacher, self.tokens, self.rows, self.recorded = teacher, tokens, rows, recorded
        self.width = tokens.width(teacher)
        self.usual_rows = max(1, RECORDED_TOKENS // rows.length)
        self.batches = [
            range(first, min(first + self.usual_rows, len(rows))) for first in range(0, len(rows), self.usual_rows)
        ]
        self.most_tokens = max(1, LARGEST_LOGITS // tokens.pieces(teacher))

    def shapes(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """The size and the dtype of each array."""
        counted, width = int(self.rows.starts[-1]), self.width
        pieces = self.tokens.pieces(self.teacher)
        top_k = min(self.recorded.top_k, pieces)
        return {
            "tokens": ((counted, top_k), "uint16" if pieces <= SMALL_VOCABULARY else "uint32"),
            "log_probabilities": ((counted, top_k), "float16"),
            "rest": ((counted,), "float16"),
            "hidden": ((counted if self.recorded.hidden else 0, width), "float16"),
            "intermediate": ((len(self.recorded.entered), counted, width), "float16"),
        }

    def fingerprint(self, key: str) -> str:
        """What tells this recording from any other."""
        digest = hashlib.sha256(repr((key, self.recorded, self.shapes(), self.rows.rows, self.rows.length)).encode())
        for text in self.rows.texts:
            digest.update(np.asarray([text.first, *text.ids], dtype=np.int64).tobytes())
        return digest.hexdigest()

    def through(self, files: _Files, on_progress: Callable[[int, int], None] | None) -> None:
        """Record the batches that are left."""
        size = (self.usual_rows, self.rows.length)
        through = layer_runner(self.teacher, tokens=sum(self.rows.sizes), size=size, training=False)
        for indexes in self.batches[files.done :]:
            batch = self.rows.batch(indexes, rows=self.usual_rows).to(device_of(self.teacher))
            with wide_arithmetic(self.width):
                states = self.tokens.packed_states(self.teacher, batch.ids, batch.places, batch.texts, through)
            self._write(files.arrays, batch, states)
            files.done += 1
            if on_progress:
                on_progress(indexes.stop, len(self.rows))

    def _write(self, arrays: dict[str, Values], batch: PackedBatch, states: Sequence[Tensor]) -> None:
        places = self.rows.recorded_places(batch).numpy()

        def at(state: Tensor) -> Tensor:
            return state.flatten(0, 1).index_select(0, batch.predicting)

        for first in range(0, len(places), self.most_tokens):
            part = slice(first, first + self.most_tokens)
            closed = states[-1].flatten(0, 1).index_select(0, batch.predicting[part])
            with wide_arithmetic(self.width):
                logits = self.tokens.token_logits(self.teacher, closed)
            found = likeliest(logits.float(), arrays["tokens"].shape[-1])
            for name, values in zip(("tokens", "log_probabilities", "rest"), found, strict=True):
                arrays[name][places[part]] = values.cpu().numpy()
        if self.recorded.hidden:
            arrays["hidden"][places] = at(states[-1]).half().cpu().numpy()
        for index, layer in enumerate(self.recorded.entered):
            arrays["intermediate"][index, places] = at(states[layer]).half().cpu().numpy()


def likeliest(logits: Tensor, top_k: int) -> tuple[Tensor, Tensor, Tensor]:
    """(n, vocabulary) → the likeliest tokens and their log-probabilities (n, k), and the rest's (n,)."""
    top, tokens = logits.topk(top_k, dim=-1)
    logarithms = top - logits.logsumexp(dim=-1, keepdim=True)
    rest = torch.log1p(-logarithms.double().exp().sum(dim=-1).clamp(max=1.0)).clamp(min=LEAST_REST)
    return tokens, logarithms, rest.to(logarithms.dtype)


@contextmanager
def _files(record: _Record, folder: Path, key: str) -> Iterator[_Files]:
    """The files of a recording, new or with what was recorded before; whatever ends it, what is whole is kept."""
    folder.mkdir(parents=True, exist_ok=True)
    fingerprint, progress = record.fingerprint(key), folder / PROGRESS
    shapes = record.shapes()
    arrays: dict[str, np.memmap]
    if done := _batches_done(progress, fingerprint):
        arrays = {name: open_memmap(folder / f"{name}.npy", mode="r+") for name in shapes}
    else:
        progress.unlink(missing_ok=True)
        arrays = {name: _room(folder / f"{name}.npy", shape, dtype) for name, (shape, dtype) in shapes.items()}
        np.save(folder / "entered.npy", np.asarray(record.recorded.entered, dtype=np.int64))
    files = _Files(arrays=dict(arrays), done=done)
    try:
        yield files
    finally:
        for values in arrays.values():
            values.flush()
        written = progress.with_suffix(".part")
        written.write_text(json.dumps({"recording": fingerprint, "batches": files.done}), encoding="utf-8")
        os.replace(written, progress)


def _batches_done(progress: Path, fingerprint: str) -> int:
    """How many batches of this recording an earlier run has left; 0 where there are none, or another's."""
    if not progress.is_file():
        return 0
    found = parse_json(progress.read_bytes(), name=str(progress))
    return int(found["batches"]) if found.get("recording") == fingerprint else 0


def _room(path: Path, shape: tuple[int, ...], dtype: str) -> np.memmap:
    """An array that is mapped to a new file. Raises `OSError` when the disk has no room for it."""
    mapped = open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return mapped
