"""Every setting of a recipe says what it is, where it is declared, and nothing else is told."""

import pytest

from edgewright.base.renamed import inner_model
from edgewright.errors import UnknownNameError
from edgewright.specs.recipe import Recipe
from edgewright.specs.settings_reference import as_markdown, settings, values_of

EVERY = settings()


def declared(model: object = Recipe, prefix: str = "") -> set[str]:
    found: set[str] = set()
    for name, field in model.model_fields.items():  # type: ignore[attr-defined]
        inner = inner_model(field.annotation)
        found |= declared(inner, f"{prefix}{name}.") if inner else {prefix + name}
    return found


def test_the_reference_has_every_setting_once_and_no_other() -> None:
    places = [each.place for each in EVERY]
    assert len(places) == len(set(places))
    assert set(places) == declared()


@pytest.mark.parametrize("setting", EVERY, ids=lambda each: each.place)
def test_a_setting_is_described_and_a_number_has_a_unit_or_a_range(setting: object) -> None:
    description = setting.description  # type: ignore[attr-defined]
    assert description.endswith(".")
    assert description[0].isupper() or description[0].isdigit()
    if "number" in setting.kind:  # type: ignore[attr-defined]
        assert setting.unit or setting.range  # type: ignore[attr-defined]


def test_a_range_and_a_default_are_those_that_are_checked() -> None:
    (coverage,) = settings("vocabulary.coverage")
    assert (coverage.range, coverage.default, coverage.unit) == ("more than 0, at most 1", "–", "share")
    (temperature,) = settings("stages.distill.temperature")
    assert values_of(temperature) == "number, more than 0"
    assert (temperature.default, temperature.source) == ("2", "Hinton et al. 2015")
    (name,) = settings("recipe.name")
    assert name.default == "needed"


def test_a_section_is_chosen_with_or_without_stages_and_an_unknown_one_offers_the_nearest() -> None:
    assert settings("quantize") == settings("stages.quantize")
    assert {each.section for each in settings("quantize")} == {"stages.quantize", "stages.quantize.qat"}
    with pytest.raises(UnknownNameError, match="did you mean quantize"):
        settings("quantise")


def test_markdown_has_a_table_for_each_section_and_tells_old_names() -> None:
    page = as_markdown(settings("quantize"))
    assert page.startswith("## [stages.quantize]\n")
    assert "Was called keep_float." in page
    assert "Was called aware." in page
    assert "| `max_error_percent` |" in page
    assert all(line.count(" | ") == 3 for line in page.splitlines() if line.startswith("| `"))
