"""Measuring what matters of a student, as a stage."""

from pathlib import Path

import pytest

from edgewright.stages.rank import importance_of
from tests.stages.builds import build_of, plan, recipe

pytestmark = pytest.mark.usefixtures("places_of_stages")


def test_every_layer_head_and_neuron_of_the_teacher_is_ranked_by_the_kind_that_the_recipe_asks_for(
    paired: Path,
) -> None:
    builds = {
        kind: build_of(plan(recipe("embedding", paired, prune={"importance": kind})), last="importance")
        for kind in ("magnitude", "activation")
    }
    ranked = {kind: importance_of(build) for kind, build in builds.items()}
    assert [(len(layer.heads), len(layer.neurons)) for layer in ranked["magnitude"].layers] == [(4, 64)] * 3
    assert ranked["magnitude"].layers[0].neurons.tolist() != ranked["activation"].layers[0].neurons.tolist()
    assert [build.made[-1].settings for build in builds.values()] == [{"importance": kind} for kind in builds]
