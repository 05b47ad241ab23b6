"""Scores of a transformer's parts: as they add up over batches, as they are kept, written and read.

In:  sums over batches of examples.
Out: `Importance`; its scores are not negative, and a greater one matters more.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from edgewright.errors import ModelError
from edgewright.models.model import TransformerModel

UnitKind = Literal["magnitude", "activation", "taylor", "fisher"]
LEAST_NORM = 1e-12


@dataclass(frozen=True, kw_only=True)
class LayerImportance:
    """One layer's scores: `heads` (heads,), `neurons` (neurons,), `query_key` and `value` (heads, head_width).

    `layer` is one number: what is lost when the layer passes its input on as it is. Only scores of one kind of part
    can be compared, and across layers only those of "taylor" and "fisher".
    """

    heads: Tensor
    neurons: Tensor
    query_key: Tensor
    value: Tensor
    layer: Tensor


@dataclass(frozen=True, kw_only=True)
class Importance:
    """A model's scores, layer by layer, and those of the residual stream's dimensions, (width,)."""

    kind: UnitKind
    layers: tuple[LayerImportance, ...]
    width: Tensor

    def save(self, path: Path) -> None:
        """Write as one safetensors file."""
        tensors = {"width": self.width}
        for index, layer in enumerate(self.layers):
            tensors.update({f"layers.{index}.{name}": scores for name, scores in vars(layer).items()})
        save_file({name: scores.contiguous() for name, scores in tensors.items()}, path, metadata={"kind": self.kind})

    @classmethod
    def load(cls, path: Path) -> Importance:
        """Read what `save` wrote."""
        with safe_open(path, framework="pt") as file:
            kind = file.metadata()["kind"]
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - the file is no mapping
        width = tensors.pop("width")
        layers: list[dict[str, Tensor]] = [{} for _ in range(len(tensors) // len(LayerImportance.__annotations__))]
        for place, scores in tensors.items():
            _, index, name = place.split(".")
            layers[int(index)][name] = scores
        return cls(kind=kind, layers=tuple(LayerImportance(**each) for each in layers), width=width)


class Scores:
    """Totals as they grow, on the model's device."""

    def __init__(self, model: TransformerModel) -> None:
        shape = model.encoder.shape
        device = next(model.parameters()).device
        self.layers = [
            LayerImportance(
                heads=torch.zeros(layer.heads, device=device),
                neurons=torch.zeros(layer.neurons, device=device),
                query_key=torch.zeros(layer.heads, layer.head_width, device=device),
                value=torch.zeros(layer.heads, layer.head_width, device=device),
                layer=torch.zeros((), device=device),
            )
            for layer in shape.layers
        ]
        # One row for each matrix that reads the residual stream: two a layer, and the head's.
        self.readers = torch.zeros(2 * len(shape.layers) + 1, shape.width, device=device)
        self.width = torch.zeros(shape.width, device=device)

    def finished(self, kind: UnitKind) -> Importance:
        """The scores, on the CPU. Raises `ModelError` when one is not finite."""
        for index, layer in enumerate(self.layers):
            for name, scores in vars(layer).items():
                _require_finite(scores, f"{kind} importance of layer {index}'s {name}")
        # Readers count alike: the scale of what a matrix reads says nothing of how much it matters.
        width = self.width + (self.readers / self.readers.sum(dim=1, keepdim=True).clamp_min(LEAST_NORM)).sum(dim=0)
        _require_finite(width, f"{kind} importance of the width")
        layers = (LayerImportance(**{name: each.cpu() for name, each in vars(layer).items()}) for layer in self.layers)
        return Importance(kind=kind, layers=tuple(layers), width=width.cpu())


def _require_finite(scores: Tensor, what: str) -> None:
    if not bool(scores.isfinite().all()):
        raise ModelError(f"the {what} is not finite; check the model's weights for numbers that are not")
