"""Fitting a teacher."""

from collections.abc import Callable
from pathlib import Path

from tests.specs.recipe.faults import MINIMAL, faults


def test_finetuning_an_embedding_is_refused_with_its_line(toml_file: Callable[[str], Path]) -> None:
    assert "line 10, stages.finetune" in faults(toml_file, MINIMAL + "[stages.finetune]\nepochs = 1\n")
