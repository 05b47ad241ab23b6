"""The modalities there are, by name: ours, and those that installed packages add under `edgewright.modalities`."""

from __future__ import annotations

from edgewright.base.registry import Registry, instance_of
from edgewright.modality.base import Modality

MODALITIES: Registry[Modality] = Registry(
    "modality",
    {
        "text": "edgewright.modality.text:TEXT",
        "image": "edgewright.modality.image:IMAGE",
        "causal-text": "edgewright.modality.causal_text:CAUSAL_TEXT",
    },
    group="edgewright.modalities",
    check=instance_of("modality", Modality),  # type: ignore[type-abstract]
)
