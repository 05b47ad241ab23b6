"""Encoder-decoders of T5's kind: T5, T5 1.1 and Flan-T5, as `encoder_decoder_loading` reads them."""

from edgewright.models.families import Family

_ENCODER_DECODER = "edgewright.models.encoder_decoder_capabilities"

FAMILY = Family(
    title="encoder-decoder of T5's kind",
    modality="text",
    capabilities={
        "stores": "edgewright.models.encoder_decoder_files",
        "prepares to run": _ENCODER_DECODER,
        "rebuildable": _ENCODER_DECODER,
        "token table": _ENCODER_DECODER,
        "sequence to sequence": _ENCODER_DECODER,
    },
    products_only=True,
)
