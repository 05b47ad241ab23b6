"""How a decoder is written and read back: its shape as JSON, its tensors as safetensors; this module is `Stores`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from safetensors.torch import load_file, save_file

from edgewright.base.untrusted import parse_json
from edgewright.errors import BadModelError
from edgewright.models.decoder import DecoderModel
from edgewright.models.decoder_shape import DecoderShape
from edgewright.models.families import mark

SHAPE, WEIGHTS = "shape.json", "decoder.safetensors"


def save(model: DecoderModel, folder: Path) -> None:
    """Write `shape.json` and the weights into an existing folder; a table that is read twice is written once."""
    (folder / SHAPE).write_text(json.dumps(asdict(model.shape), indent=2) + "\n", encoding="utf-8")
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, folder / WEIGHTS)
    mark(folder, model.family)


def load(folder: Path, *, factory: str = "") -> DecoderModel:
    """Read what `save` wrote, whatever `factory` it came from. Raises `BadModelError` for a missing or damaged file."""
    try:
        described = parse_json((folder / SHAPE).read_bytes(), name=str(folder / SHAPE))
        model = DecoderModel(DecoderShape.from_mapping(described))
        model.load_state_dict(load_file(folder / WEIGHTS))
    except Exception as error:  # safetensors, json and torch each raise their own; all mean the same here
        raise BadModelError(str(folder), " ".join(str(error).split())[:300]) from error
    return model.eval()
