"""Models that are a shape and weights, in a folder: the shape as JSON, the tensors as safetensors.

In:  how a model is made of what its shape's JSON holds, and the name of its file of weights.
Out: `ShapeFiles`, which is `Stores` for a family of such models.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from safetensors.torch import load_file, save_file

from edgewright.base.untrusted import parse_json
from edgewright.errors import BadModelError
from edgewright.models.capabilities import OwnModel
from edgewright.models.families import mark
from edgewright.models.transformer_shape import Described

SHAPE = "shape.json"


@dataclass(frozen=True, kw_only=True)
class ShapeFiles:
    """`made` gives the untrained model of a shape, which has the dataclass as its attribute `shape`."""

    made: Callable[[Described], OwnModel]
    weights: str

    def save(self, model: OwnModel, folder: Path) -> None:
        """Write both into an existing folder; a table that is read twice is written once."""
        (folder / SHAPE).write_text(json.dumps(asdict(model.shape), indent=2) + "\n", encoding="utf-8")
        save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, folder / self.weights)
        mark(folder, model.family)

    def load(self, folder: Path, *, factory: str = "") -> OwnModel:
        """Read what `save` wrote, whatever `factory` it came from.

        Raises `BadModelError` for a missing or damaged file.
        """
        try:
            model = self.made(parse_json((folder / SHAPE).read_bytes(), name=str(folder / SHAPE)))
            model.load_state_dict(load_file(folder / self.weights))
        except Exception as error:  # safetensors, json and torch each raise their own; all mean the same here
            raise BadModelError(str(folder), " ".join(str(error).split())[:300]) from error
        return model.eval()
