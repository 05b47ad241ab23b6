"""Checkpoints: the last good state of a training, in one file that is always whole.

In:  where a training has got to (`Place`), and its tensors: weights, optimizer, best weights, random states.
Out: the same, bit for bit, to a training of the same fingerprint; to another the file is not there.
When to write one and what to do with it is `training`'s concern.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import struct
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from edgewright.errors import BadDataError, InputError

FORMAT = "1"  # part of the fingerprint: a file of another format is another training's
LARGEST_SHARE = 0.02  # of the time, that writing may take
PYTHON_STATE = struct.Struct("<625I?d")


@dataclass(kw_only=True)
class Place:
    """How far a training has come; all that is no tensor."""

    epoch: int = 0
    batch: int = 0  # of the epoch, the next one
    steps: int = 0
    tokens: int = 0
    seconds: float = 0.0
    loss_sums: list[float] = field(default_factory=list)  # for each part of the curve
    loss_counts: list[int] = field(default_factory=list)
    best: float | None = None  # validation
    stale: int = 0  # validations since the best
    validated: int = -1  # the step of the last validation
    validations: list[tuple[int, float]] = field(default_factory=list)  # (tokens, value) of each
    marks: int = 0  # of `Schedule.validate_every`, passed
    stopped: bool = False
    scaler: dict[str, float] | None = None


class Checkpoints:
    """The checkpoint of one training in `folder`; what others left there is neither read nor touched."""

    def __init__(self, folder: Path, fingerprint: str, seconds: float) -> None:
        self.path = folder / f"training-{fingerprint[:16]}.safetensors"
        self.fingerprint, self.seconds = fingerprint, seconds
        self._written, self._cost = time.perf_counter(), 0.0

    def due(self, *, epoch_ended: bool) -> bool:
        """Whether one is to be written: in time, and at an epoch's end unless epochs are shorter than it pays."""
        waited = time.perf_counter() - self._written
        return waited >= max(0.0 if epoch_ended else self.seconds, self._cost / LARGEST_SHARE)

    def write(self, place: Place, tensors: Mapping[str, Tensor]) -> None:
        """Replace the last one, which stays until the new one is whole on disk."""
        started = time.perf_counter()
        part = self.path.with_suffix(".part")
        described = {"fingerprint": self.fingerprint, "place": json.dumps(asdict(place))}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            save_file(dict(tensors), part, metadata=described)
            with part.open("rb") as written:
                os.fsync(written.fileno())
            os.replace(part, self.path)
        except Exception as error:  # safetensors has errors of its own for a full disk
            raise InputError(
                f"the checkpoint {self.path} could not be written ({error}); make room or choose another folder"
            ) from error
        finally:
            with suppress(OSError):  # what went wrong is told already
                part.unlink(missing_ok=True)
        self._written = time.perf_counter()
        self._cost = self._written - started

    def read(self) -> tuple[Place, dict[str, Tensor]] | None:
        """What `write` wrote, or None if this training has none yet. Raises `BadDataError` when it is damaged."""
        if not self.path.exists():
            return None
        try:
            with safe_open(self.path, "pt") as file:
                described = file.metadata()
                if described["fingerprint"] != self.fingerprint:
                    return None
                names: list[str] = file.keys()
                return Place(**json.loads(described["place"])), {name: file.get_tensor(name) for name in names}
        except Exception as error:  # safetensors, json and Place each raise their own; all mean the same here
            raise BadDataError(
                f"the checkpoint {self.path} cannot be read ({error}); remove it to train from the start"
            ) from error


def fingerprint(model: nn.Module, lengths: Sequence[int], *setup: object) -> str:
    """What must agree for a checkpoint to fit: the weights' names and sizes, the data's sizes, and `setup`."""
    digest = hashlib.sha256()
    for part in (FORMAT, *_names_and_sizes(model), *setup, *lengths):
        digest.update(f"{part}\0".encode())
    return digest.hexdigest()


def _names_and_sizes(model: nn.Module) -> Iterable[str]:
    for name, tensor in _tensors(model):
        yield f"{name} {tuple(tensor.shape)} {tensor.dtype}"


def _tensors(model: nn.Module) -> Iterable[tuple[str, Tensor]]:
    """Parameters and buffers; one that has two names comes once."""
    yield from model.named_parameters()
    yield from model.named_buffers()


def snapshot(model: nn.Module) -> dict[str, Tensor]:
    """A copy of every parameter and buffer, in main memory."""
    return {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in _tensors(model)}


def restore(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Put a `snapshot` back."""
    with torch.no_grad():
        for name, tensor in _tensors(model):
            tensor.copy_(state[name])


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The state of an optimizer, each tensor by "parameter's number/name", in main memory."""
    states: dict[int, dict[str, Tensor]] = optimizer.state_dict()["state"]
    return {
        f"{number}/{name}": tensor.detach().to("cpu", copy=True).contiguous()
        for number, state in states.items()
        for name, tensor in state.items()
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put `optimizer_tensors` back."""
    states: dict[int, dict[str, Tensor]] = {}
    for place, tensor in tensors.items():
        number, _, name = place.partition("/")
        states.setdefault(int(number), {})[name] = tensor
    optimizer.load_state_dict({"state": states, "param_groups": optimizer.state_dict()["param_groups"]})


def random_state(device: torch.device) -> Tensor:
    """The generators of Python, torch and, if it is one, the GPU, (bytes,) uint8; all processes' are of one size."""
    _, internal, gauss = random.getstate()
    python = PYTHON_STATE.pack(*internal, gauss is not None, gauss or 0.0)
    states = [torch.frombuffer(bytearray(python), dtype=torch.uint8), torch.get_rng_state()]
    if device.type == "cuda":
        states.append(torch.cuda.get_rng_state(device))
    return torch.cat(states)


def restore_random_state(state: Tensor, device: torch.device) -> None:
    """Put a `random_state` back."""
    python, rest = state[: PYTHON_STATE.size], state[PYTHON_STATE.size :]
    *internal, has_gauss, gauss = PYTHON_STATE.unpack(python.numpy().tobytes())
    random.setstate((3, tuple(internal), gauss if has_gauss else None))
    size = torch.get_rng_state().numel()
    torch.set_rng_state(rest[:size].clone())
    if device.type == "cuda":
        torch.cuda.set_rng_state(rest[size:].clone(), device)


def part_of(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors under a prefix, without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors with a prefix."""
    return {prefix + name: tensor for name, tensor in tensors.items()}
