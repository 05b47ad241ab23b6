"""Decoders of GPT-2's kind, with a table of positions, as `decoder_loading` reads them."""

from edgewright.models.families import Family

_DECODER = "edgewright.models.decoder_capabilities"

FAMILY = Family(
    title="decoder of GPT-2's kind",
    modality="text",
    capabilities={
        "stores": "edgewright.models.decoder_files",
        "sliceable": "edgewright.compress.cut_decoders:OF_DECODERS",
        "prepares to run": _DECODER,
        "rebuildable": _DECODER,
        "factorisable": _DECODER,
        "hidden states": _DECODER,
        "token table": _DECODER,
        "generates": _DECODER,
    },
    products_only=True,
)
