"""Models that are one kind of operator over and over: to be timed, not to be trained.

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


class OfImages(nn.Module):
    """An image's bytes (1, height, width, channels) → (1, outputs): scaled as by `image.ImageModule`, and pooled."""

    factor: Tensor
    offset: Tensor

    def __init__(self, layers: nn.Module, channels: int) -> None:
        super().__init__()
        self.layers = layers
        self.register_buffer("factor", torch.full((channels, 1, 1), 1 / 64))
        self.register_buffer("offset", torch.full((channels, 1, 1), 2.0))

    def forward(self, pixels: Tensor) -> Tensor:
        """An image's bytes."""
        scaled = pixels.permute(0, 3, 1, 2).to(torch.float32) * self.factor - self.offset
        filtered: Tensor = self.layers(scaled).mean(dim=(2, 3))
        return filtered


def filters(channels: int, repeats: int) -> OfImages:
    """3 × 3, each channel by itself, and 1 × 1, again and again."""
    layers: list[nn.Module] = [nn.Conv2d(3, channels, 3, padding=1), nn.ReLU()]
    for _ in range(repeats):
        layers += [nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU()]
        layers += [nn.Conv2d(channels, channels, 3, padding=1, groups=channels), nn.ReLU()]
        layers += [nn.Conv2d(channels, channels, 1), nn.ReLU()]
    return OfImages(nn.Sequential(*layers), 3)


def residual(image_channels: int, channels: int, repeats: int) -> OfImages:
    """As a small ResNet: 7 × 7 and pooling, then sums of two 3 × 3 and what entered them, on fewer and fewer pixels."""
    layers: list[nn.Module] = [nn.Conv2d(image_channels, channels, 7, stride=2, padding=3), nn.ReLU()]
    layers.append(nn.MaxPool2d(3, stride=2, padding=1))
    layers += [_Residual(channels, stride=2 if place else 1) for place in range(repeats)]
    return OfImages(nn.Sequential(*layers), image_channels)


class _Residual(nn.Module):
    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, stride=stride, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        self.past = nn.Conv2d(channels, channels, 1, stride=stride) if stride > 1 else nn.Identity()

    def forward(self, image: Tensor) -> Tensor:
        summed: Tensor = functional.relu(self.second(functional.relu(self.first(image))) + self.past(image))
        return summed
