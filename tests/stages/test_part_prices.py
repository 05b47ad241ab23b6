"""What layers cost, asked of the profile and of a real runtime on this machine."""

from dataclasses import replace
from pathlib import Path

import pytest

from edgewright.base.progress import Silent
from edgewright.specs.profiles import load_profile
from edgewright.specs.recipe import Recipe
from edgewright.stages.part_prices import price_parts
from edgewright.stages.plan import Plan
from tests import tiny


def plan(prices: str) -> Plan:
    recipe = Recipe.model_validate(
        {
            "recipe": {"name": "priced"},
            "model": {"folder": str(tiny.bert_folder())},
            "task": {"kind": "embedding", "max_length": tiny.MAX_LENGTH},
            "data": {"builtin": "stdlib-search"},
            "stages": {"prune": {"speedup": 2.0, "prices": prices}},
        }
    )
    return Plan(recipe=recipe, profile=load_profile("raspberry-pi-4"), progress=Silent())


def test_the_profiles_prices_rise_with_what_is_kept() -> None:
    table = price_parts(plan("profile"), tiny.encoder().shape, 16)  # type: ignore[arg-type]
    assert 0 < table.attention(1) < table.attention(4)
    assert 0 < table.feed_forward(8) < table.feed_forward(64)
    assert "raspberry-pi-4" in table.source


@pytest.mark.slow
def test_layers_are_timed_on_a_target_and_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEWRIGHT_CACHE_DIR", str(tmp_path))
    wide = replace(tiny.encoder().shape, width=128)
    large = replace(wide, layers=(replace(wide.layers[0], heads=4, head_width=32, neurons=2048),))
    table = price_parts(plan("local:"), large, 16)  # type: ignore[arg-type]
    assert table.source == "timed on local:"
    # Between sizes that were timed: below the smallest one a busy machine may leave nothing.
    assert 0 < table.feed_forward(700) < table.feed_forward(2048)
    assert table.fixed > 0
    made = sorted(tmp_path.rglob("costs.json"))
    assert len(made) == 1
    assert price_parts(plan("local:"), large, 16) == table  # type: ignore[arg-type]
    assert sorted(tmp_path.rglob("costs.json")) == made
