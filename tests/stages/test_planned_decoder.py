"""A decoder in sizes alone: what the cut then leaves, and what a prediction of it rests on."""

from pathlib import Path
from typing import Any

import pytest

from edgewright.cost.decoding_structures import generating_structures
from edgewright.cost.writing import WritingArtifact
from edgewright.errors import InputError
from edgewright.runtimes.decoder_input import generating_input
from edgewright.runtimes.table import RUNTIMES
from edgewright.specs.profiles import load_profile
from edgewright.stages.planned_decoder import planned_decoder
from tests import tiny_decoders
from tests.stages import builds, writing_builds

PROFILE = load_profile("raspberry-pi-4")


def recipe(tmp_path: Path, **changes: Any) -> Any:
    return writing_builds.recipe(writing_builds.documents(tmp_path), **changes)


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_a_student_has_the_sizes_that_its_recipe_asks_for(kind: str, tmp_path: Path) -> None:
    plan = planned_decoder(recipe(tmp_path, kind=kind), PROFILE)
    assert len(plan.shape.layers) == 2
    assert plan.shape.heads == 2
    assert {each.neurons for each in plan.shape.layers} == {32}  # 24, in whole tiles of the kernels
    assert plan.shape.vocabulary == writing_builds.PIECES
    assert plan.shape.positions == plan.context == writing_builds.CONTEXT


@pytest.mark.parametrize("cache", ["float32", "int8"])
def test_an_artifact_that_is_planned_is_that_of_the_model_itself(cache: str, tmp_path: Path) -> None:
    off = {"enabled": False}
    plan = planned_decoder(recipe(tmp_path, vocabulary=off, prune=off, export={"cache": cache}), PROFILE)
    model = tiny_decoders.DecoderModel(plan.shape).eval()
    found = generating_structures(model, context=writing_builds.CONTEXT, cache=cache)
    for name in ("executorch", "litert", "onnx"):
        signature = generating_input(
            model, RUNTIMES[name], context=writing_builds.CONTEXT, prefill_sizes=(8, 16), cache_format=cache
        ).signature
        assert plan.writing(RUNTIMES[name]) == WritingArtifact.of(signature, found.prefill, found.decode)
    assert plan.least_file_bytes <= model.parameters_count < plan.file_bytes


def test_narrower_weights_are_planned_with_their_scales(tmp_path: Path) -> None:
    only = {"runtimes": ["executorch"]}
    int8 = planned_decoder(recipe(tmp_path, export=only), PROFILE)
    int4 = planned_decoder(recipe(tmp_path, quantize={"weights": "int4"}, export=only), PROFILE)
    assert int4.weight_bytes == 0.5625
    assert int4.file_bytes < int8.file_bytes


def test_what_is_known_later_is_assumed_and_said(tmp_path: Path) -> None:
    plan = planned_decoder(recipe(tmp_path, vocabulary={"size": None}), PROFILE)
    assert plan.notes == ("how many pieces the task uses is known once its texts are read; all are assumed",)


def test_sizes_and_tasks_that_are_no_decoders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"stages\.prune\.heads is 3, but 2 query heads"):
        planned_decoder(recipe(tmp_path, prune={"heads": 3}), PROFILE)
    file = tmp_path / "pairs.csv"
    file.write_text("pair,answer\na,b\n", encoding="utf-8")
    with pytest.raises(InputError, match="is for no model that writes"):
        planned_decoder(builds.recipe("embedding", file), PROFILE)
