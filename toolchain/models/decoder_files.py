"""How a decoder is written and read back; this module is `Stores`."""

from __future__ import annotations

from edgewright.models.decoder import DecoderModel
from edgewright.models.decoder_shape import DecoderShape
from edgewright.models.shape_files import SHAPE as SHAPE
from edgewright.models.shape_files import ShapeFiles

WEIGHTS = "decoder.safetensors"
_FILES = ShapeFiles(made=lambda described: DecoderModel(DecoderShape.from_mapping(described)), weights=WEIGHTS)
save, load = _FILES.save, _FILES.load
