"""A student that writes learns the next tokens that were recorded; what was cut off goes on to the same student."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgewright.compress import token_targets
from edgewright.errors import InputError
from edgewright.specs.recipe import Recipe
from edgewright.stages.float_models import TrainedFindings
from edgewright.stages.stage import Build
from tests.stages import builds, writing_builds
from tests.stages.builds import Listener

pytestmark = pytest.mark.usefixtures("own_places")


def made(recipe: Recipe, heard: Listener | None = None) -> Build:
    return builds.build_of(builds.plan(recipe, progress=heard) if heard else builds.plan(recipe))


def weights_of(build: Build) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in build.result("student").folder.glob("*.safetensors")}


def recipe(folder: Path, **distill: Any) -> Recipe:
    return writing_builds.recipe(writing_builds.documents(folder), distill=distill)


def test_the_likeliest_tokens_of_the_trimmed_vocabulary_are_recorded(tmp_path: Path) -> None:
    build = made(recipe(tmp_path, top_k=10, hidden_weight=0, intermediate_weight=1))
    recording = build.result("recorded")
    tokens = np.load(recording.file("tokens.npy"))
    assert tokens.shape[1] == 10
    assert tokens.max() < writing_builds.PIECES
    assert np.load(recording.file("hidden.npy")).size == 0
    assert len(np.load(recording.file("intermediate.npy"))) == 1


def test_more_training_brings_the_loss_down(tmp_path: Path) -> None:
    losses = made(recipe(tmp_path, train_tokens=4000, learning_rate=3e-3)).findings("distill", TrainedFindings).losses
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.parametrize("stage", ["teach", "distill"])
def test_what_was_cut_off_goes_on_to_the_same_student(
    stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_targets, "RECORDED_TOKENS", 128)
    asked = recipe(tmp_path, train_tokens=6000)  # five epochs, behind each of which is a checkpoint
    straight = made(asked)
    monkeypatch.setenv("EDGEWRIGHT_CACHE_DIR", str(tmp_path / "other"))
    with pytest.raises(KeyboardInterrupt):
        made(asked, Listener(interrupt_in=stage, interrupt_at=0.5))
    heard = Listener()
    resumed = made(asked, heard)
    first = next(share for name, share, note in heard.notes if name == stage and not note.startswith("scoring"))
    assert first > 0.1
    assert weights_of(resumed) == weights_of(straight) != {}
    assert not list((tmp_path / "other").glob("training/*"))


@pytest.mark.parametrize("setting", ["temperature", "relation_weight"])
def test_settings_that_next_tokens_do_not_read_are_refused(setting: str, tmp_path: Path) -> None:
    with pytest.raises((InputError, ValueError), match=f"(?s){setting}.*language-modelling does not read it"):
        recipe(tmp_path, **{setting: 1.5})
