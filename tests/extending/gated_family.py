"""A family of models as a package of one's own has it: nets of gated convolutions, in one file.

Its entry point is `gated = "gated_family:FAMILY"` in the group `edgewright.families`. A recipe names a model of it by
`model.factory = "gated_family:digits"`.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from edgewright.models.families import Family

SIZES, WEIGHTS = "gated.json", "gated.safetensors"


class GatedBlock(nn.Module):
    """Adds what a convolution says, as far as another lets it through; `inner` channels are between them."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.value, self.gate = nn.Conv2d(width, inner, 3, padding=1), nn.Conv2d(width, inner, 3, padding=1)
        self.joined = nn.Conv2d(inner, width, 1)

    def forward(self, hidden: Tensor) -> Tensor:
        """(images, width, height, width) → the same."""
        return hidden + self.joined(self.value(hidden) * self.gate(hidden).sigmoid())


class GatedNet(nn.Module):
    """Scores of classes, of images (images, channels, height, width) in float32."""

    family = "gated"

    def __init__(self, *, channels: int, width: int, inner: Sequence[int], classes: int) -> None:
        super().__init__()
        self.sizes = {"channels": channels, "width": width, "inner": list(inner), "classes": classes}
        self.stem = nn.Conv2d(channels, width, 3, padding=1)
        self.blocks = nn.Sequential(*(GatedBlock(width, each) for each in inner))
        self.classifier = nn.Linear(width, classes)

    def forward(self, pixels: Tensor) -> Tensor:
        """(images, classes)."""
        scores: Tensor = self.classifier(self.blocks(self.stem(pixels)).mean(dim=(-1, -2)))
        return scores


def digits() -> tuple[GatedNet, tuple[int, int, int]]:
    """A net for handwritten digits, and (channels, height, width) of what it looks at."""
    torch.manual_seed(0)
    return GatedNet(channels=1, width=16, inner=(24, 24), classes=10).eval(), (1, 8, 8)


class Files:
    """How a net is written and read back: sizes as JSON, weights as safetensors."""

    def save(self, model: GatedNet, folder: Path) -> None:
        """Write into an existing folder."""
        (folder / SIZES).write_text(json.dumps(model.sizes), encoding="utf-8")
        save_file({name: each.contiguous() for name, each in model.state_dict().items()}, folder / WEIGHTS)

    def load(self, folder: Path, *, factory: str = "") -> GatedNet:
        """Read what `save` wrote."""
        model = GatedNet(**json.loads((folder / SIZES).read_text(encoding="utf-8")))
        model.load_state_dict(load_file(folder / WEIGHTS))
        return model.eval()


class Fresh:
    """How a student of the same sizes begins anew."""

    def fresh(self, model: GatedNet, *, seed: int) -> GatedNet:
        """The same sizes, with weights of the seed."""
        torch.manual_seed(seed)
        return GatedNet(**model.sizes).eval()


class Channels:
    """How channels between a block's convolutions are cut: those stay whose weights say most."""

    units = ("keep_macs",)

    def cut(self, model: GatedNet, sample: object, goal: object) -> object:
        """Keep as large a share of each block's channels as `goal` keeps of the products."""
        from edgewright.compress.cutting import Cut

        share = goal.share() if goal.share else goal.settings.keep_macs  # type: ignore[attr-defined]
        multiple = goal.multiple  # type: ignore[attr-defined]
        kept = [_strongest(block, share, multiple) for block in model.blocks]
        cut = GatedNet(**{**model.sizes, "inner": [len(each) for each in kept]}).eval()
        cut.stem.load_state_dict(model.stem.state_dict())
        cut.classifier.load_state_dict(model.classifier.state_dict())
        for small, block, places in zip(cut.blocks, model.blocks, kept, strict=True):
            for name in ("value", "gate"):
                getattr(small, name).weight.data = getattr(block, name).weight.data[places].clone()
                getattr(small, name).bias.data = getattr(block, name).bias.data[places].clone()
            small.joined.weight.data = block.joined.weight.data[:, places].clone()
            small.joined.bias.data = block.joined.bias.data.clone()
        return Cut(model=cut)


def _strongest(block: GatedBlock, share: float, multiple: int) -> list[int]:
    """The places of the channels that stay, in their order."""
    says = block.value.weight.flatten(1).norm(dim=1) * block.joined.weight.flatten(1).norm(dim=0)
    count = max(multiple, round(share * len(says) / multiple) * multiple)
    return sorted(says.topk(min(count, len(says))).indices.tolist())


FAMILY = Family(
    title="net of gated convolutions",
    modality="image",
    capabilities={"stores": Files(), "rebuildable": Fresh(), "sliceable": Channels()},
    scheme="static-int8",
)
