"""The outputs of a teacher, recorded once for all training phases, in memory or in files that are mapped.

In:  a teacher of any family, and examples as it takes them.
Out: `Targets`: its outputs, and where its family has hidden states those of them that a student is to learn.
How a student learns them is `distill`'s concern.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from numpy.lib.format import open_memmap
from torch import Tensor, nn

from edgewright.models.capabilities import HIDDEN_STATES, HasHiddenStates
from edgewright.models.compute_device import on_accelerator
from edgewright.models.families import offered
from edgewright.models.inputs import Inputs, batch_for
from edgewright.models.text import batches, fast_arithmetic
from edgewright.models.units import ranges

RECORDED_TOKENS = 4096  # of a batch that the teacher is run on at once


@dataclass(frozen=True, kw_only=True)
class Targets:
    """The teacher's outputs for each example, and the vectors within it that a student may learn.

    `outputs` is (examples, outputs), or (all units, outputs) where each token has its own. A unit is what hidden
    vectors are compared by: a word of a text, a patch of an image. `hidden` is (all units, width) in float16, example
    after example: the teacher's last hidden vectors; `intermediate` (n, all units, width) those that enter the layers
    `entered` (n,); `attention` (all units, 3 × inner) its last layer's queries, keys and values. Each is empty where
    nothing asks for it. Example i has the units `starts[i]` to `starts[i + 1]`.
    """

    outputs: Tensor
    hidden: Tensor
    intermediate: Tensor
    entered: Tensor
    attention: Tensor
    starts: Tensor

    def write_unmapped(self, folder: Path) -> None:
        """The parts that are not mapped to files of `folder` from the start, each as a file that `load` reads."""
        for name in ("outputs", "entered", "starts"):
            np.save(folder / f"{name}.npy", getattr(self, name).numpy())

    @classmethod
    def load(cls, folder: Path) -> Targets:
        """Those that were recorded into `folder`, mapped from disk."""
        files = {each.name: folder / f"{each.name}.npy" for each in fields(cls)}
        return cls(**{name: torch.from_numpy(np.load(file, mmap_mode="c")) for name, file in files.items()})

    def counts(self) -> Tensor:
        """How many units each example has, (examples,)."""
        return self.starts.diff()


def record_targets(
    teacher: nn.Module,
    inputs: Inputs,
    *,
    hidden: bool = True,
    entered: Sequence[int] = (),
    attention: bool = False,
    folder: Path | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Targets:
    """Run the teacher once over `inputs`; `on_progress` is called with (examples done, examples).

    The teacher moves to the GPU, where there is one, for as long as it runs; its outputs are in main memory. Of the
    layers `entered` the hidden vectors that come in are recorded too. A model whose family has no hidden states has
    outputs alone. With a `folder` everything goes into files of it, which `Targets.load` reads; vectors as they come,
    so that memory need not hold them: three states of a million words are 2.3 GB at a width of 384.
    """
    with on_accelerator(teacher), torch.inference_mode():  # what is moved within inference cannot be trained again
        states = offered(teacher, HIDDEN_STATES)
        if states is None:
            targets = _outputs_alone(teacher, inputs, folder, on_progress)
        else:
            recorded = _Recorded(hidden=hidden, entered=entered, attention=attention, folder=folder)
            record, done = _Record(teacher, states, inputs, recorded), 0
            with fast_arithmetic():
                for indexes in batches(inputs.sizes, max(1, RECORDED_TOKENS // states.tokens_each(teacher))):
                    record.add(indexes)
                    done += len(indexes)
                    if on_progress:
                        on_progress(done, len(inputs))
            targets = record.targets()
    if folder is not None:
        targets.write_unmapped(folder)
    return targets


@dataclass(frozen=True, kw_only=True)
class _Recorded:
    """What is recorded beside the outputs, and where."""

    hidden: bool
    entered: Sequence[int]
    attention: bool
    folder: Path | None


class _Record:
    """The outputs and hidden states of a model as they come, batch by batch and in any order."""

    def __init__(self, teacher: nn.Module, states: HasHiddenStates, inputs: Inputs, recorded: _Recorded) -> None:
        self.teacher, self.states, self.inputs = teacher, states, inputs
        self.units = states.units(teacher, inputs)
        counts = self.units.counts(range(len(inputs)))
        self.starts = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        rows, width, folder = int(self.starts[-1]), states.width(teacher), recorded.folder
        self.entered = torch.tensor(recorded.entered, dtype=torch.long)
        self.hidden = _room(folder, "hidden", rows if recorded.hidden else 0, width)
        self.intermediate = _room(folder, "intermediate", len(recorded.entered), rows, width)
        self.attention = _room(folder, "attention", rows if recorded.attention else 0, states.relations_width(teacher))
        self.output_each_unit = states.output_each_unit(teacher)
        self.outputs: list[Tensor] = [torch.empty(0)] * len(inputs)

    def add(self, indexes: Sequence[int]) -> None:
        """One batch."""
        teacher, batch = self.teacher, batch_for(self.teacher, self.inputs, indexes)
        states = self.states.states(teacher, *batch)
        outputs = self.states.outputs(teacher, states[-1].float(), *batch).float()
        joined = self.units.joined(indexes)
        rows = joined.firsts(outputs).split(joined.counts.tolist()) if self.output_each_unit else outputs
        for index, row in zip(indexes, rows, strict=True):
            self.outputs[index] = row.cpu()
        places = ranges(self.starts[list(indexes)], joined.counts)
        if len(self.hidden):
            self.hidden[places] = joined.means(states[-1].float()).half().cpu()
        for recorded, layer in zip(self.intermediate, self.entered.tolist(), strict=True):
            recorded[places] = joined.means(states[layer].float()).half().cpu()
        if len(self.attention):
            related = self.states.relations(teacher, states[-2]).float()
            self.attention[places] = joined.means(related).half().cpu()

    def targets(self) -> Targets:
        """All of it."""
        outputs = torch.cat(self.outputs) if self.output_each_unit else torch.stack(self.outputs)
        return Targets(
            outputs=outputs,
            hidden=self.hidden,
            intermediate=self.intermediate,
            entered=self.entered,
            attention=self.attention,
            starts=self.starts,
        )


def _room(folder: Path | None, name: str, *shape: int) -> Tensor:
    """An empty half-precision tensor: in memory, or mapped to a file that `Targets.load` reads.

    Raises `OSError` when the disk has no room for it, rather than be killed while the file fills.
    """
    if folder is None:
        return torch.empty(shape, dtype=torch.float16)
    path = folder / f"{name}.npy"
    mapped = open_memmap(path, mode="w+", dtype=np.float16, shape=shape)
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return torch.from_numpy(mapped)


def _outputs_alone(
    teacher: nn.Module, inputs: Inputs, folder: Path | None, on_progress: Callable[[int, int], None] | None
) -> Targets:
    rows: list[Tensor] = [torch.empty(0)] * len(inputs)
    done = 0
    for indexes in batches(inputs.sizes, 256):
        outputs = teacher(*batch_for(teacher, inputs, indexes)).float().cpu()
        for index, row in zip(indexes, outputs, strict=True):
            rows[index] = row
        done += len(indexes)
        if on_progress:
            on_progress(done, len(inputs))
    return Targets(
        outputs=torch.stack(rows),
        hidden=_room(folder, "hidden", 0, 0),
        intermediate=_room(folder, "intermediate", 0, 0, 0),
        entered=torch.empty(0, dtype=torch.long),
        attention=_room(folder, "attention", 0, 0),
        starts=torch.zeros(len(inputs) + 1, dtype=torch.long),
    )
