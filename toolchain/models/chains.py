"""Models that are one kind of operator over and over: to be timed, not to be taught.

In:  sizes.
Out: modules of one text or one image, with random weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

VOCABULARY = 64


class ChainOf(nn.Module):
    """One kind of operator after another, a key of `LINKS`: ids (1, length) → (1, width)."""

    def __init__(self, what: str, width: int, other: int, repeats: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(VOCABULARY, width)
        self.links = nn.ModuleList(LINKS[what](width, other) for _ in range(repeats))

    def forward(self, ids: Tensor) -> Tensor:
        """A text's ids."""
        hidden: Tensor = self.tokens(ids[0])
        for link in self.links:
            hidden = link(hidden)
        return hidden.mean(dim=0)[None]


class _Linear(nn.Module):
    def __init__(self, width: int, other: int) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(width, other), nn.Linear(other, width)

    def forward(self, hidden: Tensor) -> Tensor:
        lowered: Tensor = self.down(self.up(hidden))
        return lowered


class _Attention(nn.Module):
    def __init__(self, width: int, other: int) -> None:
        super().__init__()
        self.heads, self.each = other, width // other

    def forward(self, hidden: Tensor) -> Tensor:
        query = hidden.view(-1, self.heads, self.each).transpose(0, 1)
        scores = torch.bmm(query * self.each**-0.5, query.transpose(-2, -1)).softmax(dim=-1)
        return torch.bmm(scores, query).transpose(0, 1).reshape(-1, self.heads * self.each)


class _Norm(nn.Module):
    def __init__(self, width: int, other: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)

    def forward(self, hidden: Tensor) -> Tensor:
        normed: Tensor = hidden + self.norm(hidden)
        return normed


class _Gelu(nn.Module):
    def __init__(self, width: int, other: int) -> None:
        super().__init__()

    def forward(self, hidden: Tensor) -> Tensor:
        return functional.gelu(hidden)


LINKS: Mapping[str, Callable[[int, int], nn.Module]] = {
    "linear": _Linear,
    "attention": _Attention,
    "norm": _Norm,
    "gelu": _Gelu,
}


class FiltersOf(nn.Module):
    """3 × 3, each channel by itself, and 1 × 1, again and again: bytes (1, height, width, 3) → (1, channels)."""

    def __init__(self, channels: int, repeats: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, channels, 3, padding=1), nn.ReLU()]
        for _ in range(repeats):
            layers += [nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU()]
            layers += [nn.Conv2d(channels, channels, 3, padding=1, groups=channels), nn.ReLU()]
            layers += [nn.Conv2d(channels, channels, 1), nn.ReLU()]
        self.layers = nn.Sequential(*layers)

    def forward(self, pixels: Tensor) -> Tensor:
        """An image's bytes."""
        image = pixels.to(torch.float32).permute(0, 3, 1, 2) / 255
        filtered: Tensor = self.layers(image).mean(dim=(2, 3))
        return filtered
