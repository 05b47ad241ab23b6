"""Budgets of models that write are held against what is planned, and what would reach them is told."""

from pathlib import Path
from typing import Any

import pytest

from edgewright.errors import InputError, UnreachableBudgetError
from edgewright.forecast.prediction import predictions
from edgewright.forecast.reachable import require_reachable, unreachable
from edgewright.specs.profiles import load_profile
from tests.stages import writing_builds

SLOW = load_profile("raspberry-pi-zero-2-w")


def recipe(tmp_path: Path, **budget: Any) -> Any:
    return writing_builds.recipe(
        writing_builds.documents(tmp_path), budget=budget, export={"runtimes": ["executorch", "litert"]}
    )


def test_what_can_be_kept_is_not_refused(tmp_path: Path) -> None:
    asked = recipe(tmp_path, first_token_ms=100, tokens_per_second=10, context=48, artifact_mb=5, peak_memory_mb=200)
    require_reachable(asked, SLOW)


def test_each_limit_is_told_with_the_nearest_that_could_be_kept(tmp_path: Path) -> None:
    asked = recipe(tmp_path, first_token_ms=1e-6, tokens_per_second=1e9, context=1000, artifact_mb=1e-4)
    with pytest.raises(UnreachableBudgetError) as caught:
        require_reachable(asked, SLOW)
    told = str(caught.value)
    assert "context is to be 1000 tokens, and it reaches 48 tokens at the most (raise stages.export.context)" in told
    assert "tokens_per_second is to be 1e+09 tokens/s, and it reaches" in told
    assert "no student of this teacher can keep to it" in told
    found = {each.name: each for each in unreachable(asked, SLOW)}
    assert set(found) == {"first_token_ms", "tokens_per_second", "context", "artifact_mb"}
    assert found["tokens_per_second"].nearest <= found["tokens_per_second"].least
    assert found["tokens_per_second"].smallest > found["tokens_per_second"].least
    nearest = {name: each.nearest for name, each in found.items()}
    nearest["context"] = int(nearest["context"])
    assert unreachable(recipe(tmp_path, **nearest), SLOW) == ()


def test_a_context_that_the_device_cannot_hold_is_refused_with_the_largest_that_fits(tmp_path: Path) -> None:
    few = SLOW.memory.ram_mb.model_copy(update={"value": 8})
    device = SLOW.model_copy(update={"memory": SLOW.memory.model_copy(update={"ram_mb": few, "usable_mb": None})})
    with pytest.raises(InputError, match=r"a context of 48 tokens needs \d+ MB, and raspberry-pi-zero-2-w has 8 MB: "):
        require_reachable(recipe(tmp_path), device)


def test_a_recipe_is_predicted_before_it_is_built(tmp_path: Path) -> None:
    file = tmp_path / "asked.toml"
    file.write_text(
        f"""
[recipe]
name = "asked"
[model]
folder = "{writing_builds.teacher()}"
[task]
kind = "language-modelling"
max_length = 32
[data]
file = "{writing_builds.documents(tmp_path)}"
document = "paragraph"
[stages.prune]
layers = 2
heads = 2
neurons = 24
[stages.export]
runtimes = ["executorch", "litert"]
context = 48
""",
        encoding="utf-8",
    )
    for each in predictions(file, SLOW):
        assert each.writing is not None
        assert each.length == 48
        assert each.writing.whole.tokens_per_second > 10
