"""Pictures of any size are framed as the model's own processor does it, in training as in answering."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgewright.base.progress import Silent
from edgewright.modality.framing import Framing
from edgewright.modality.image_spec import ImageInputSpec
from edgewright.specs.profiles import load_profile
from edgewright.specs.recipe import Recipe
from edgewright.stages import Plan
from edgewright.stages.examined import check_source
from tests import tiny_vision
from tests.stages.builds import images_of, stage_of

SIZES = [(30, 44), (44, 30), (32, 32), (50, 20)]
FRAMING = Framing(shortest=32, crop=(28, 28), resample="bicubic")
DESCRIBED = {"image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 28}, "crop_pct": 0.875}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pictures of ten labels in several sizes, and a small ResNet with a processor of its own."""
    monkeypatch.setenv("EDGEWRIGHT_CACHE_DIR", str(tmp_path / "cache"))
    drawn = np.random.default_rng(0)
    for label in range(10):
        place = tmp_path / "pictures" / str(label)
        place.mkdir(parents=True)
        for number in range(6):
            pixels = drawn.integers(0, 256, SIZES[number % len(SIZES)], dtype=np.uint8)
            Image.fromarray(pixels).save(place / f"{number}.png")
    tiny_vision.hugging_face("resnet-basic").save_pretrained(tmp_path / "model")
    (tmp_path / "model" / "preprocessor_config.json").write_text(json.dumps(DESCRIBED))
    return tmp_path


def plan(folder: Path, **task: Any) -> Plan:
    sections = {
        "recipe": {"name": "tiny"},
        "model": {"folder": folder / "model"},
        "task": {"kind": "image-classification", **task},
        "data": {"folder": folder / "pictures"},
        "budget": {"artifact_mb": 5},
        "stages": {"finetune": {"epochs": 1}},
    }
    return Plan(recipe=Recipe.model_validate(sections), profile=load_profile("raspberry-pi-4"), progress=Silent())


def test_pictures_are_framed_for_training_as_for_answering(folder: Path) -> None:
    made = plan(folder)
    check_source(made)
    images = stage_of(made, "images")
    assert Framing(**{**images.findings["framing"], "crop": tuple(images.findings["framing"]["crop"])}) == FRAMING
    part = images_of(images).train
    assert part.pixels.shape[1:] == (28, 28, 1)
    name = part.names[0]
    plain = ImageInputSpec(height=28, width=28, channels=1)
    framed = ImageInputSpec.from_facts(json.loads(json.dumps(plain.facts({"framing": asdict(FRAMING)}))))
    assert np.array_equal(framed.picture(folder / "pictures" / name)[0], part.pixels[0])
    assert not np.array_equal(plain.picture(folder / "pictures" / name)[0], part.pixels[0])


def test_the_framing_is_compared_with_the_processors_own_on_the_datas_pictures(folder: Path) -> None:
    made = plan(folder)
    found = stage_of(made, "teacher").findings
    assert found["reference"]["what"] == "pixels"
    assert found["reference"]["greatest_difference"] < 1e-5
    assert any("pictures are resized to a shorter side of 32 (bicubic)" in note for note in found["decided"])


def test_another_size_that_the_recipe_asks_for_is_taken_and_said(folder: Path) -> None:
    made = plan(folder, image_size=16)
    images = stage_of(made, "images")
    assert images.findings["framing"] is None
    assert images_of(images).train.pixels.shape[1:] == (16, 16, 1)
    found = stage_of(made, "teacher").findings
    assert any("pictures are resized to 16 × 16 (bilinear), not as" in note for note in found["decided"])
