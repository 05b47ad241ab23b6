"""How an encoder-decoder is written and read back; this module is `Stores`."""

from __future__ import annotations

from edgewright.models.encoder_decoder import EncoderDecoderModel
from edgewright.models.encoder_decoder_shape import EncoderDecoderShape
from edgewright.models.shape_files import ShapeFiles

WEIGHTS = "encoder_decoder.safetensors"
_FILES = ShapeFiles(
    made=lambda described: EncoderDecoderModel(EncoderDecoderShape.from_mapping(described)), weights=WEIGHTS
)
save, load = _FILES.save, _FILES.load
