"""Decoders of Llama's kind: Llama, SmolLM2, Mistral, Qwen2 and Qwen3, as `decoder_loading` reads them."""

from edgewright.models.families import Family

_DECODER = "edgewright.models.decoder_capabilities"

FAMILY = Family(
    title="decoder of Llama's kind",
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
        "predicts tokens": _DECODER,
    },
    products_only=True,
)
