"""Settings under their old names are taken with a warning, and both names at once are refused."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from edgewright.errors import InvalidFileError
from edgewright.specs.recipe import Recipe, load_recipe, recipe_names
from edgewright.specs.settings_reference import settings
from tests.specs.recipe.faults import MINIMAL, faults

LABELLED = MINIMAL.replace("embedding", "classification").replace("stdlib-search", "stdlib-packages")
OLD = """[stages.finetune]
again = true
[stages.distill]
fresh = true
rest = true
[stages.distill.finish]
epochs = 1
[stages.quantize]
keep_float = ["head"]
max_points_lost = 2
[stages.quantize.aware]
epochs = 1
[stages.export]
keep_float = true
"""


def test_old_names_are_taken_and_each_warning_has_its_line_and_the_new_name(
    toml_file: Callable[[str], Path], caplog: pytest.LogCaptureFixture
) -> None:
    path = toml_file(LABELLED + OLD)
    with caplog.at_level(logging.WARNING):
        stages = load_recipe(path).stages
        load_recipe(path)  # of which no second warning comes
    assert stages.finetune.refit
    assert stages.distill.from_scratch
    assert stages.distill.keep_overflow
    assert stages.distill.final_phase is not None
    assert (stages.quantize.exclude, stages.quantize.max_score_loss_points) == (("head",), 2)
    assert stages.quantize.qat is not None
    assert stages.export.float_reference
    told = [record.getMessage().removeprefix(f"{path}: ") for record in caplog.records]
    assert len(told) == 8
    assert "line 11, stages.finetune.again is called refit now; the old name is taken for one version more" in told
    assert any(sentence.startswith("line 15, stages.distill.finish is called final_phase now") for sentence in told)


def test_an_old_name_beside_its_new_one_is_refused_with_its_line(toml_file: Callable[[str], Path]) -> None:
    text = MINIMAL + '[stages.quantize]\nexclude = []\nkeep_float = ["head"]\n'
    assert faults(toml_file, text) == {
        "line 12, stages.quantize.keep_float": "is the old name of exclude, which is given, too; leave keep_float out"
    }


def test_a_fault_of_a_setting_under_its_old_name_stands_at_its_line(toml_file: Callable[[str], Path]) -> None:
    found = faults(toml_file, MINIMAL + "[stages.distill.finish]\nepochs = 0\n")
    assert found["line 11, stages.distill.final_phase.epochs"] == "must be more than 0, not 0"


@pytest.mark.parametrize("name", recipe_names())
def test_a_built_in_recipe_warns_of_nothing(name: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        load_recipe(name)
    assert caplog.records == []


def test_what_is_written_down_has_the_new_names_alone(toml_file: Callable[[str], Path]) -> None:
    recipe = load_recipe(toml_file(LABELLED + OLD))
    dumped = recipe.model_dump(mode="json")
    for setting in settings():
        section = dumped
        for part in setting.section.split("."):
            section = section[part]
        assert setting.name in section
        assert not section.keys() & set(setting.old_names)
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe


def test_settings_of_a_section_that_is_switched_off_are_named_as_not_read(
    toml_file: Callable[[str], Path], caplog: pytest.LogCaptureFixture
) -> None:
    path = toml_file(MINIMAL + "[stages.prune]\nenabled = false\nlayers = 2\n[stages.low_rank]\nenabled = false\n")
    with caplog.at_level(logging.WARNING):
        load_recipe(path)
    (record,) = caplog.records
    assert record.getMessage() == f"{path}: line 12, stages.prune.layers is not read, as stages.prune.enabled is false"


def test_a_file_of_another_kind_may_have_any_names(toml_file: Callable[[str], Path]) -> None:
    with pytest.raises(InvalidFileError, match="is not a known key"):
        load_recipe(toml_file(MINIMAL + "[stages.prune]\nagain = true\n"))
