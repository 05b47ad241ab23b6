"""Settings that leave others without effect."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.specs.recipe.faults import MINIMAL, faults


def test_a_fresh_student_is_not_trained_in_steps(toml_file: Callable[[str], Path]) -> None:
    settings = "[stages.prune]\nsteps = 3\n[stages.distill]\nfrom_scratch = true\n"
    (what,) = faults(toml_file, f"{MINIMAL}{settings}").values()
    assert "takes distill.from_scratch or prune.steps = 3, not both" in what


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ('[stages.prune]\nprices = "local:"', "takes prices with speedup alone"),
        ('[stages.prune]\nspeedup = 2\nranking = "global"', "takes speedup without ranking"),
        ('[stages.prune]\nspeedup = 2\nimportance = "taylor"\nranking = "global"', "without importance and ranking"),
        ("[stages.low_rank]\ntoken_exponent = 0.5", "takes token_exponent with token_rank alone"),
        ('[stages.quantize]\nscheme = "float16"\nexamples = 64', 'scheme = "float16" without examples'),
        (
            "[stages.quantize]\nsensitivity = false\nmax_score_loss_points = 1",
            "takes max_score_loss_points with sensitivity alone",
        ),
    ],
)
def test_settings_that_another_one_leaves_without_effect_are_refused(
    toml_file: Callable[[str], Path], settings: str, sentence: str
) -> None:
    (said,) = faults(toml_file, f"{MINIMAL}{settings}\n").values()
    assert sentence in said
