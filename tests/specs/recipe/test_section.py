"""Ranges of settings."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.specs.recipe.faults import MINIMAL, faults


@pytest.mark.parametrize(
    ("section", "setting", "sentence"),
    [
        ("vocabulary", "coverage = 1.5", "must be at most 1"),
        ("prune", "steps = 0", "must be at least 1"),
        ("prune", "speedup = 1", "must be more than 1"),
        ("prune", 'prices = "guess"', "'profile' or a target's address"),
        ("distill", "hidden_weight = -1", "must be at least 0"),
        ("distill", "temperature = 0", "must be more than 0"),
        ("distill", 'trackers = ["wandb", "wandb"]', "must name each once"),
        ("distill", 'trackers = ["wanb"]', "did you mean wandb?"),
    ],
)
def test_settings_of_compression_outside_their_range_are_reported(
    toml_file: Callable[[str], Path], section: str, setting: str, sentence: str
) -> None:
    labelled = MINIMAL.replace("embedding", "classification").replace("stdlib-search", "stdlib-packages")
    ((place, what),) = faults(toml_file, f"{labelled}[stages.{section}]\n{setting}\n").items()
    assert place.startswith(f"line 11, stages.{section}.{setting.split()[0]}")
    assert sentence in what


def test_numbers_that_no_setting_has_are_reported_with_their_lines(toml_file: Callable[[str], Path]) -> None:
    for number, said in (("9" * 400, "must be a number, not 999"), ("inf", "must be a finite number")):
        found = faults(toml_file, f"{MINIMAL}[budget]\nlatency_ms = {number}\n")
        assert list(found) == ["line 11, budget.latency_ms"]
        assert said in found["line 11, budget.latency_ms"]
    found = faults(toml_file, f"{MINIMAL}[budget]\nlatency_ms = {'9' * 5000}\n")
    assert "is not TOML: exceeds the limit" in next(iter(found.values()))
