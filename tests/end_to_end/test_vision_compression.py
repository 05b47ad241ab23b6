"""A convolutional net and a vision transformer, from a teacher to a small student, saved, loaded and exported."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from edgewright.models import convnet_files
from edgewright.models import model as models
from tests.benchmarks import vision

pytestmark = pytest.mark.slow

SHARE = 0.25
EPOCHS = 6


@pytest.fixture(autouse=True)
def plain_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    """No moved copies, so that an epoch is short."""
    monkeypatch.setattr(vision, "COPIES", 1)


def compressed(
    teacher: Any, cut: Callable[[Any, float, vision.Digits], Any], digits: vision.Digits, rate: float
) -> tuple[Any, dict[str, float]]:
    """The student, and the accuracy after each stage."""
    vision.taught(teacher, digits, EPOCHS, rate, 0)
    student = cut(teacher, SHARE, digits)
    found = {"teacher": digits.accuracy(teacher), "cut": digits.accuracy(student)}
    vision.distilled(student, teacher, digits, EPOCHS, rate, 0)
    assert vision.macs_of(student, digits) <= SHARE * vision.macs_of(teacher, digits)
    return student, {**found, "distilled": digits.accuracy(student)}


def exported(model: nn.Module, pixels: Tensor) -> Tensor:
    """What the exported program says of one image."""
    output: Tensor = torch.export.export(model, (pixels,), strict=False).module()(pixels)
    return output


def test_a_quarter_of_a_resnet_still_knows_the_digits_after_it_is_saved_and_exported(tmp_path: Path) -> None:
    digits = vision.Digits(2 * vision.NATIVE_SIDE)
    teacher = vision.new_resnet(0)
    student, accuracy = compressed(teacher, vision.cut_channels, digits, 3e-3)
    uniform = digits.accuracy(vision.uniform_channels(teacher, SHARE, digits))
    assert accuracy["teacher"] > 0.95
    assert accuracy["cut"] > uniform + 0.3
    assert accuracy["distilled"] > max(accuracy["cut"], 0.95 * accuracy["teacher"])
    convnet_files.save(student, tmp_path)
    loaded = convnet_files.load(tmp_path)
    assert digits.accuracy(loaded) == accuracy["distilled"]
    pixels = digits.held_out.batch([0])[0]
    assert torch.allclose(exported(loaded, pixels), student(pixels), rtol=1e-3, atol=1e-4)


def test_a_quarter_of_a_vit_still_knows_the_digits_after_it_is_saved_and_exported(tmp_path: Path) -> None:
    digits = vision.Digits(vision.NATIVE_SIDE)
    teacher = vision.new_vit(0, num_hidden_layers=2)
    student, accuracy = compressed(teacher, vision.cut_transformer, digits, 2e-3)
    uniform = digits.accuracy(vision.uniform_sizes(teacher, SHARE, digits))
    assert accuracy["teacher"] > 0.8
    assert accuracy["cut"] > uniform + 0.2
    assert accuracy["distilled"] > max(accuracy["cut"], 0.95 * accuracy["teacher"])
    models.save(student, tmp_path)
    loaded = models.load(tmp_path)
    assert digits.accuracy(loaded) == accuracy["distilled"]
    pixels = digits.held_out.batch([0])[0]
    assert torch.allclose(exported(loaded, pixels), student(pixels), rtol=1e-3, atol=1e-4)
