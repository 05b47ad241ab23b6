"""Small real nets of convolutions, and scikit-learn's handwritten digits, made once for all tests."""

import copy
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgewright.models.convnet import ConvNet
from edgewright.models.convnet_sources import from_factory
from edgewright.models.inputs import ImageInputs

SIDE = 8
CLASSES = 10
KINDS = ("resnet-basic", "resnet-bottleneck", "mobilenet_v1", "mobilenet_v2")
MODULE = "tests.tiny_vision"


def hugging_face(kind: str) -> Any:
    """One of `KINDS` as transformers has it, with statistics that are not those of a new net."""
    import transformers

    options: dict[str, Any] = {"num_channels": 1, "num_labels": CLASSES}
    if kind.startswith("resnet"):
        layer = kind.removeprefix("resnet-")
        options |= {"embedding_size": 8, "hidden_sizes": [16, 32], "depths": [2, 2], "layer_type": layer}
        config, model = transformers.ResNetConfig, transformers.ResNetForImageClassification
    elif kind == "mobilenet_v1":
        config, model = transformers.MobileNetV1Config, transformers.MobileNetV1ForImageClassification
        options |= {"depth_multiplier": 0.25, "image_size": 32}
    else:
        config, model = transformers.MobileNetV2Config, transformers.MobileNetV2ForImageClassification
        options |= {"depth_multiplier": 0.25, "image_size": 32}
    with torch.random.fork_rng(), torch.inference_mode(False):
        torch.manual_seed(0)
        return stirred(model(config(**options)))


def stirred(network: Any) -> Any:
    """New norms are 1 and 0, and MobileNet's new weights so small that nothing of an image is left at the end."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if isinstance(module, nn.BatchNorm2d):
            count = module.num_features
            module.weight.data = 0.5 + torch.rand(count)
            module.bias.data = 0.1 * torch.randn(count)
            module.running_mean, module.running_var = 0.1 * torch.randn(count), 0.5 + torch.rand(count)
    return network.eval()


class Block(nn.Module):
    """A residual block of two convolutions."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.first, self.first_norm = nn.Conv2d(width, inner, 3, padding=1, bias=False), nn.BatchNorm2d(inner)
        self.second, self.second_norm = nn.Conv2d(inner, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)

    def forward(self, hidden: Tensor) -> Tensor:
        inner = functional.relu(self.first_norm(self.first(hidden)))
        return functional.relu(hidden + self.second_norm(self.second(inner)))


class Mixed(nn.Module):
    """Plain, concatenated, skipped, grouped and depthwise convolutions, and a linear layer over positions."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.stem_norm = nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16)
        self.left, self.right = nn.Conv2d(16, 8, 3, padding=1), nn.Conv2d(16, 12, 1)
        self.joined = nn.Conv2d(20, 16, 1)
        self.depthwise = nn.Conv2d(16, 16, 3, padding=1, groups=16)
        self.grouped = nn.Conv2d(16, 32, 3, padding=1, groups=4)
        self.hidden = nn.Linear(32 * 4 * 4, 24)
        self.classifier = nn.Linear(24, CLASSES)

    def forward(self, pixels: Tensor) -> Tensor:
        stem = functional.relu(self.stem_norm(self.stem(pixels)))
        both = torch.cat([functional.relu(self.left(stem)), functional.relu(self.right(stem))], dim=1)
        summed = stem + self.joined(both)
        grouped = functional.relu(self.grouped(functional.relu(self.depthwise(summed))))
        rows = functional.max_pool2d(grouped, 2).flatten(1)
        scores: Tensor = self.classifier(functional.relu(self.hidden(rows)))
        return scores


class Digits(nn.Module):
    """A small residual net for 8 × 8 digits."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.stem, self.stem_norm = nn.Conv2d(1, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        self.blocks = nn.Sequential(Block(width, width), Block(width, width))
        self.down, self.down_norm = nn.Conv2d(width, 2 * width, 3, 2, 1, bias=False), nn.BatchNorm2d(2 * width)
        self.last = Block(2 * width, 2 * width)
        self.classifier = nn.Linear(2 * width, CLASSES)

    def forward(self, pixels: Tensor) -> Tensor:
        hidden = self.blocks(functional.relu(self.stem_norm(self.stem(pixels))))
        hidden = self.last(functional.relu(self.down_norm(self.down(hidden))))
        scores: Tensor = self.classifier(hidden.mean(dim=(2, 3)))
        return scores


class LastIsConvolution(nn.Module):
    """Classes come out of a convolution and a mean, as SqueezeNet has it."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 16, 3), nn.Conv2d(16, CLASSES, 1)

    def forward(self, pixels: Tensor) -> Tensor:
        return functional.relu(self.second(functional.relu(self.first(pixels)))).mean(dim=(2, 3))


def mixed() -> tuple[nn.Module, Tensor]:
    """A factory that gives an example."""
    torch.manual_seed(0)
    return stirred(Mixed()), torch.zeros(1, 1, SIDE, SIDE)


def digits_net() -> tuple[nn.Module, int]:
    """A factory that gives a side."""
    return Digits(), SIDE


def last_is_convolution() -> tuple[nn.Module, tuple[int, int, int]]:
    """A factory that gives a size."""
    return LastIsConvolution(), (1, SIDE, SIDE)


def no_pair() -> nn.Module:
    return LastIsConvolution()


def no_size() -> tuple[nn.Module, str]:
    return LastIsConvolution(), "large"


def wrong_size() -> tuple[nn.Module, tuple[int, int, int]]:
    return LastIsConvolution(), (3, SIDE, SIDE)


def no_scores() -> tuple[nn.Module, int]:
    return nn.Sequential(nn.Conv2d(1, 4, 3)), SIDE


@cache
def digits() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(pixels, labels) to train with and (pixels, labels) held out; every fourth digit is held out."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    with torch.inference_mode(False):
        images = torch.tensor(pixels, dtype=torch.float32).view(-1, 1, SIDE, SIDE) / 8 - 1
        classes = torch.tensor(labels)
        held = torch.arange(len(classes)) % 4 == 0
        return images[~held], classes[~held], images[held], classes[held]


class CountsOnChannels(nn.Module):
    """A net whose code has a number of channels written into it."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 16, 3), nn.Conv2d(16, 16, 1)
        self.classifier = nn.Linear(16, CLASSES)

    def forward(self, pixels: Tensor) -> Tensor:
        hidden = self.second(functional.relu(self.first(pixels))) * torch.ones(1, 16, 1, 1)
        scores: Tensor = self.classifier(hidden.mean(dim=(2, 3)))
        return scores


def counts_on_channels() -> tuple[nn.Module, int]:
    return CountsOnChannels(), SIDE


def pixels(images: Tensor) -> ImageInputs:
    """Images (count, 1, height, width) as calibration data."""
    return ImageInputs(images.permute(0, 2, 3, 1))


@cache
def trained_once() -> ConvNet:
    """A net of 99 % on the held-out digits after a few seconds."""
    with torch.random.fork_rng(), torch.inference_mode(False):
        net = from_factory(f"{MODULE}:digits_net")
        torch.manual_seed(0)
        for module in net.modules():
            if isinstance(module, nn.Conv2d | nn.Linear | nn.BatchNorm2d):
                module.reset_parameters()
        images, labels, _, _ = digits()
        optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=0.05)
        steps = 8 * (len(images) // 64)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-3, total_steps=steps)
        net.train()
        for step in range(steps):
            if step % (len(images) // 64) == 0:
                order = torch.randperm(len(images))
            rows = order[(step % (len(images) // 64)) * 64 :][:64]
            loss = functional.cross_entropy(net(images[rows]), labels[rows])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
        return net.eval()


def trained() -> ConvNet:
    """One that may be changed."""
    return copy.deepcopy(trained_once())


@torch.no_grad()
def accuracy(net: nn.Module) -> float:
    """Share of the held-out digits that are right."""
    _, _, images, labels = digits()
    return float((net(images).argmax(dim=1) == labels).float().mean())
