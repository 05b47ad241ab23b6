"""Vision transformers: ViT and DeiT, whose checkpoints `vision` reads."""

from edgewright.models.families import Family

_TRANSFORMER = "edgewright.models.transformer_capabilities"

FAMILY = Family(
    title="vision transformer",
    modality="image",
    capabilities={
        "stores": "edgewright.models.model",
        "prepares to run": _TRANSFORMER,
        "sliceable": "edgewright.compress.cut_transformers:OF_IMAGES",
        "rebuildable": _TRANSFORMER,
        "factorisable": _TRANSFORMER,
        "hidden states": _TRANSFORMER,
        "smoothable": "edgewright.models.smoothing",
    },
    products_only=True,
)
