"""Advice on a bundle that writes names its own settings, and a size that it advises is priced as such a model."""

from pathlib import Path

from edgewright.bundles.bundle import Bundle
from edgewright.forecast.advice import Advice, advise
from edgewright.forecast.prediction import predictions
from edgewright.report.prediction_terminal import advice_report
from edgewright.specs.budget import Budget
from edgewright.specs.profiles import load_profile
from tests.forecast import writers
from tests.report.test_terminal import shown

BOARD = load_profile("raspberry-pi-4")
SETTINGS = ["stages.prune.layers", "stages.prune.neurons", "stages.export.context"]


def advice_on(opened: Bundle) -> Advice:
    (found,) = advise(opened.path, BOARD, runtime="executorch")
    return found


def test_advice_on_a_bundle_that_writes_is_of_tokens_and_names_settings_that_its_recipe_has(tmp_path: Path) -> None:
    found = advice_on(writers.bundle(tmp_path))
    assert "tokens a second" in found.limits[0]
    assert "After a prompt of 24 tokens" in found.limits[1]
    said = " ".join([*(each.how for each in found.changes), *found.no_changes])
    assert "task.max_length" not in said
    layers = next(each for each in found.changes if each.how == "stages.prune.layers = 2")
    assert 0 < layers.saves_ms < layers.latency_ms
    assert [each.setting for each in found.sizes] == SETTINGS
    assert all(each.largest == each.now and not each.missed for each in found.sizes)


def test_the_largest_size_that_keeps_the_budget_is_between_one_that_does_and_one_that_does_not(tmp_path: Path) -> None:
    (now,) = predictions(writers.bundle(tmp_path / "usual"), BOARD, runtime="executorch")
    assert now.writing is not None
    asked = Budget(tokens_per_second=1.2 * now.writing.whole.tokens_per_second)
    found = {each.setting: each for each in advice_on(writers.bundle(tmp_path / "asked", budget=asked)).sizes}
    assert found["stages.prune.layers"].largest in (1, 2)
    assert found["stages.prune.layers"].missed == ("tokens_per_second",)
    never = Budget(tokens_per_second=1e9)
    for each in advice_on(writers.bundle(tmp_path / "never", budget=never)).sizes:
        assert each.largest is None
        assert each.missed == ("tokens_per_second",)


def test_a_context_that_the_budget_asks_for_is_not_advised_away(tmp_path: Path) -> None:
    asked = Budget(tokens_per_second=1e9, context=writers.CONTEXT)
    found = advice_on(writers.bundle(tmp_path, budget=asked))
    assert [each.setting for each in found.sizes] == SETTINGS[:2]


def test_a_terminal_shows_which_sizes_keep_the_budget(tmp_path: Path) -> None:
    usual = shown(advice_report([advice_on(writers.bundle(tmp_path / "usual")).document()]))
    assert "keeps the budget" not in usual
    (now,) = predictions(tmp_path / "usual" / "bundle", BOARD, runtime="executorch")
    assert now.writing is not None
    asked = Budget(tokens_per_second=1.2 * now.writing.whole.tokens_per_second)
    text = shown(advice_report([advice_on(writers.bundle(tmp_path / "asked", budget=asked)).document()]))
    assert "largest that keeps the budget" in text
    assert "stages.prune.layers" in text
