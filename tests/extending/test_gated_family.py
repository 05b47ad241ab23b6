"""A family of models in a file of its own goes through build, check, bench, run and report."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from edgewright import pipeline
from edgewright.bundles.bundle import Bundle
from edgewright.devices.benchmark import bench
from edgewright.errors import InputError
from edgewright.models import families
from edgewright.models.families import FAMILIES
from edgewright.report.page import markdown
from edgewright.specs.recipe import load_recipe
from tests.extending.gated_family import FAMILY, GatedNet, digits
from tests.extending.installed import edgewright, install
from tests.stages.builds import PROFILE

pytestmark = pytest.mark.usefixtures("own_places")


def recipe_text(factory: str, more: str = "") -> str:
    return f"""
[recipe]
name = "gated-digits"
[model]
factory = "{factory}"
[task]
kind = "image-classification"
[data]
builtin = "digits"
[stages.finetune]
again = true
epochs = 40
learning_rate = 5e-3
[stages.prune]
keep_macs = 0.5
{more}
[stages.distill]
epochs = 20
learning_rate = 5e-3
output_weight = 1
[stages.export]
runtimes = ["executorch"]
"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory, own_places: None) -> Bundle:
    folder = tmp_path_factory.mktemp("gated")
    (folder / "recipe.toml").write_text(recipe_text("tests.extending.gated_family:digits"), encoding="utf-8")
    with FAMILIES.registered("gated", FAMILY):
        return pipeline.build(load_recipe(folder / "recipe.toml"), PROFILE, folder / "bundle").bundle


def test_a_net_of_it_is_written_and_read_back(tmp_path: Path) -> None:
    with FAMILIES.registered("gated", FAMILY):
        net, _ = digits()
        families.save(net, tmp_path)
        back = families.load(tmp_path)
        pixels = torch.rand(2, 1, 8, 8)
        assert torch.equal(back(pixels), net(pixels))


@pytest.mark.slow
def test_it_is_built_cut_and_every_artifact_agrees_with_the_student(bundle: Bundle) -> None:
    manifest = bundle.manifest
    macs = {stage.name: stage.findings["macs"] for stage in manifest.stages if "macs" in stage.findings}
    assert macs["prune"] < 0.7 * macs["teacher"]
    assert manifest.teacher.score > 0.85
    assert manifest.student.score > 0.8
    for artifact in manifest.artifacts:
        assert artifact.parity.passed
        assert artifact.score == pytest.approx(manifest.student.score, abs=0.03)


@pytest.mark.slow
def test_it_is_measured_and_its_report_is_written(bundle: Bundle) -> None:
    assert bench(bundle.path, "local:", quick=True).parity.passed
    assert "gated-digits" in markdown(bundle.manifest, [])


@pytest.mark.slow
def test_it_says_which_digit_a_file_shows(bundle: Bundle, tmp_path: Path) -> None:
    from sklearn.datasets import load_digits

    digit = load_digits()
    place = int(np.flatnonzero(digit.target == 7)[-1])
    image = Image.fromarray((digit.images[place] * 255 / 16).astype(np.uint8)).resize((32, 32))
    image.save(tmp_path / "seven.png")
    assert bundle.answer(str(tmp_path / "seven.png"))["labels"][0]["label"] == "7"


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("[stages.low_rank]\nenergy = 0.9", "matrices to keep at a low rank"),
        ("[stages.quantize]\nsmooth = 0.5", "channels to smooth"),
    ],
)
def test_what_it_never_promised_is_refused_by_what_it_lacks(more: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(recipe_text("tests.extending.gated_family:digits", more), encoding="utf-8")
    with FAMILIES.registered("gated", FAMILY), pytest.raises(InputError, match=told):
        pipeline.build(load_recipe(tmp_path / "recipe.toml"), PROFILE, tmp_path / "bundle")


@pytest.mark.slow
def test_installed_it_is_known_to_the_command(bundle: Bundle, tmp_path: Path) -> None:
    folder = install(tmp_path, "edgewright.families", {"gated": "gated_family:FAMILY"})
    (tmp_path / "recipe.toml").write_text(
        recipe_text("gated_family:digits", "[stages.quantize]\nsmooth = 0.5"), encoding="utf-8"
    )
    line = ("build", str(tmp_path / "recipe.toml"), "--profile", "raspberry-pi-4", "-o", str(tmp_path / "out"))
    ended = edgewright(*line, "--json", folders=(folder,))
    assert ended.returncode == 2
    assert "a net of gated convolutions has no channels to smooth" in json.loads(ended.stdout)["error"]["message"]
    assert isinstance(digits()[0], GatedNet)
