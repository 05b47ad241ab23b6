"""Budgets that no student of a recipe can keep are refused with the nearest; all that is uncertain is not."""

from pathlib import Path

import pytest

from edgewright.cost.nominal_prices import Roofline
from edgewright.cost.pricing import predict
from edgewright.errors import UnreachableBudgetError
from edgewright.forecast.reachable import require_reachable, unreachable
from edgewright.specs.profiles import load_profile
from edgewright.specs.recipe import Recipe, load_recipe
from edgewright.stages.planned_student import planned
from tests import tiny

SLOW = load_profile("raspberry-pi-zero-2-w")


def recipe(tmp_path: Path, budget: str, stages: str = "[stages.prune]\nlayers = 3") -> Recipe:
    file = tmp_path / "asked.toml"
    file.write_text(
        f"""
[recipe]
name = "asked"
[model]
folder = "{tiny.bert_folder()}"
[task]
kind = "embedding"
[data]
file = "pairs.csv"
columns = {{ pair = "answer" }}
[budget]
{budget}
{stages}
""",
        encoding="utf-8",
    )
    return load_recipe(file)


def test_a_student_that_tags_each_token_is_planned_to_compute_its_last_layer_for_all_of_them() -> None:
    tags = load_recipe("parameters")
    text = tags.model_copy(update={"task": tags.task.model_copy(update={"kind": "classification"})})
    found = {}
    for kind, each in (("tags", tags), ("text", text)):
        structure = planned(each, SLOW).structure(padded=False)
        found[kind] = predict(Roofline(profile=SLOW, precision="int8"), structure, length=64).latency_ms
    assert 1.2 * found["text"] < found["tags"] < 1.6 * found["text"]  # of three layers one is spared


def test_a_budget_that_can_be_kept_is_not_refused(tmp_path: Path) -> None:
    budget = "latency_ms = 50\nartifact_mb = 5\npeak_memory_mb = 100\nmax_score_loss_percent = 1"
    assert unreachable(recipe(tmp_path, budget), SLOW) == ()


def test_what_the_intervals_lower_end_leaves_open_is_not_refused(tmp_path: Path) -> None:
    (missed,) = unreachable(recipe(tmp_path, "latency_ms = 0.001"), SLOW)
    assert missed.nearest >= missed.least
    assert unreachable(recipe(tmp_path, f"latency_ms = {missed.nearest}"), SLOW) == ()
    assert unreachable(recipe(tmp_path, f"latency_ms = {0.9 * missed.least}"), SLOW) != ()


def test_each_limit_is_told_with_the_nearest_that_could_be_kept(tmp_path: Path) -> None:
    asked = recipe(tmp_path, "latency_ms = 0.001\nartifact_mb = 0.0001\npeak_memory_mb = 0.5")
    with pytest.raises(UnreachableBudgetError) as caught:
        require_reachable(asked, SLOW)
    told = str(caught.value)
    assert caught.value.exit_code == 2
    assert "asked cannot keep its budget on raspberry-pi-zero-2-w" in told
    for name in ("latency_ms", "artifact_mb", "peak_memory_mb"):
        assert f"{name} = " in caught.value.nearest
    assert "no student of this teacher can keep to it" in told


def test_a_recipe_whose_sizes_follow_from_its_budget_is_refused_only_where_no_student_could_keep_it(
    tmp_path: Path,
) -> None:
    (hardest,) = unreachable(recipe(tmp_path, "latency_ms = 0.001"), SLOW)
    between = (hardest.smallest + hardest.least) / 2
    assert unreachable(recipe(tmp_path, f"latency_ms = {between}", stages=""), SLOW) == ()
    (missed,) = unreachable(recipe(tmp_path, f"latency_ms = {hardest.smallest / 2}", stages=""), SLOW)
    assert missed.least == missed.smallest


def test_where_a_smaller_student_might_it_is_said_so(tmp_path: Path) -> None:
    (hardest,) = unreachable(recipe(tmp_path, "latency_ms = 0.001"), SLOW)
    between = (hardest.smallest + hardest.least) / 2
    (missed,) = unreachable(recipe(tmp_path, f"latency_ms = {between}"), SLOW)
    assert missed.smallest < between < missed.least
    with pytest.raises(UnreachableBudgetError, match=r"ask for a smaller one in stages\.prune"):
        require_reachable(recipe(tmp_path, f"latency_ms = {between}"), SLOW)


@pytest.mark.parametrize(
    "stages",
    [
        '[stages.export]\nruntimes = ["executorch", "onnx"]',  # onnx has no prices
        "[stages.low_rank]\nenergy = 0.9",  # ranks are for activations to tell
    ],
)
def test_what_cannot_be_predicted_is_not_refused(tmp_path: Path, stages: str) -> None:
    assert unreachable(recipe(tmp_path, "latency_ms = 0.0001", stages), SLOW) == ()


def test_a_model_that_is_not_there_is_told_by_the_build_and_not_here(tmp_path: Path) -> None:
    asked = recipe(tmp_path, "latency_ms = 0.0001")
    gone = asked.model.model_copy(update={"folder": tmp_path / "nowhere"})
    assert unreachable(asked.model_copy(update={"model": gone}), SLOW) == ()
