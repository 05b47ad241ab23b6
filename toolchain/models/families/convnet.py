"""Nets of convolutions: ResNet and MobileNet as transformers has them, and any `nn.Module` that a factory makes."""

from edgewright.models.families import Family

FAMILY = Family(
    title="net of convolutions",
    modality="image",
    capabilities={
        "stores": "edgewright.models.convnet_files",
        "prepares to run": "edgewright.models.convnet",
        "sliceable": "edgewright.compress.cut_channels",
        "rebuildable": "edgewright.models.convnet",
    },
    scheme="static-int8",
)
