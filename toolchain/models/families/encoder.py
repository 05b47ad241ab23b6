"""Encoder transformers of texts: BERT and its kin, whose checkpoints `layouts.TEXT` tells how to read."""

from edgewright.models.families import Family

_TRANSFORMER = "edgewright.models.transformer_capabilities"

FAMILY = Family(
    title="text encoder",
    modality="text",
    capabilities={
        "stores": "edgewright.models.model",
        "prepares to run": _TRANSFORMER,
        "sliceable": "edgewright.compress.cut_transformers:OF_TEXTS",
        "rebuildable": _TRANSFORMER,
        "factorisable": _TRANSFORMER,
        "hidden states": _TRANSFORMER,
        "token table": _TRANSFORMER,
        "smoothable": "edgewright.models.smoothing",
    },
    products_only=True,
)
