"""A model that is a shape and weights is written as both, and neither is anything but JSON and tensors."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from edgewright.errors import BadModelError
from edgewright.models.families import MARK
from edgewright.models.shape_files import SHAPE, ShapeFiles


@dataclass(frozen=True)
class Sizes:
    inputs: int


class Net(nn.Module):
    family = "encoder"

    def __init__(self, shape: Sizes) -> None:
        super().__init__()
        self.shape, self.part = shape, nn.Linear(shape.inputs, 3)


def made(described: Mapping[str, Any]) -> Net:
    return Net(Sizes(**described))


FILES = ShapeFiles(made=made, weights="net.safetensors")


def test_a_model_is_its_shape_and_its_weights(tmp_path: Path) -> None:
    model = Net(Sizes(5))
    FILES.save(model, tmp_path)
    assert {each.name for each in tmp_path.iterdir()} == {SHAPE, MARK, "net.safetensors"}
    assert json.loads((tmp_path / SHAPE).read_text()) == {"inputs": 5}
    again = FILES.load(tmp_path, factory="whatever:made_it")
    assert torch.equal(again.part.weight, model.part.weight)
    assert not again.training


def test_a_shape_that_its_weights_are_not_of_is_told(tmp_path: Path) -> None:
    FILES.save(Net(Sizes(5)), tmp_path)
    (tmp_path / SHAPE).write_text('{"inputs": 6}')
    with pytest.raises(BadModelError, match="size mismatch"):
        FILES.load(tmp_path)
