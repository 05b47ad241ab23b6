"""A model that counts: after each id comes the next one, as an artifact that generates; and some that are broken."""

from functools import cache
from typing import Literal

import torch
from torch import Tensor, nn

from edgewright.runtimes.decoder_input import decoder_input
from edgewright.runtimes.export_input import ExportInput
from edgewright.runtimes.table import RUNTIMES
from edgewright.specs.generation import Generation
from edgewright.specs.signature import Tensor as TensorSpec
from tests.device_scripts.artifacts import Artifact, folder

VOCABULARY, CONTEXT, BROKEN_ID = 10, 1 << 18, 7
GENERATION = Generation(context=CONTEXT, vocabulary=VOCABULARY)
KEPT = (TensorSpec(name="kept", dtype="float32", shape=(4, 1)),)
SIZES = (4, 16)
WIDTH = 200_000  # of the layer that a wide one has
Kind = Literal["counting", "remembering", "broken", "wide"]


class Counting(nn.Module):
    """`kept` is there to be held; a remembering one adds up in it, and says so in its logits."""

    def __init__(self, kind: Kind) -> None:
        super().__init__()
        self.kind = kind
        self.table = nn.Embedding(VOCABULARY, VOCABULARY)
        with torch.no_grad():
            self.table.weight.copy_(torch.eye(VOCABULARY).roll(1, 1) * 5)
            if kind == "wide":
                self.up, self.down = nn.Linear(VOCABULARY, WIDTH, bias=False), nn.Linear(WIDTH, VOCABULARY, bias=False)
                self.down.weight.zero_()
            if kind == "broken":
                self.table.weight[BROKEN_ID, 3] = torch.nan

    def forward(self, ids: Tensor, position: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.table(ids[0, -1:].long()) + position.to(torch.float32) * 0
        if self.kind == "wide":
            logits = logits + self.down(self.up(self.table(ids[0].long())))[-1:]
        if self.kind == "remembering":
            return logits + kept.sum(), kept + 1
        return logits, kept + 0


def counting_input(runtime: str, kind: Kind = "counting") -> ExportInput:
    return decoder_input(Counting(kind), GENERATION, KEPT, RUNTIMES[runtime], prefill_sizes=SIZES)


@cache
def counting_artifact(runtime: str, kind: Kind = "counting") -> Artifact:
    path = folder() / f"{kind}{RUNTIMES[runtime].suffix}"
    RUNTIMES[runtime].write_float(counting_input(runtime, kind), path)
    return Artifact(runtime=runtime, path=path, lengths=())
