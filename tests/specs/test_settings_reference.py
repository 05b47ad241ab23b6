"""Every setting of a recipe and of a profile says what it is, where it is declared, and nothing else is listed."""

import pytest

from edgewright.base.renamed import inner_model
from edgewright.errors import UnknownNameError
from edgewright.specs.profiles import Profile, Sourced
from edgewright.specs.recipe import Recipe
from edgewright.specs.settings_reference import Setting, as_markdown, settings, values_of

EVERY = settings()
FIELDS = settings(model=Profile)


def declared(model: object = Recipe, prefix: str = "") -> set[str]:
    places: set[str] = set()
    for name, field in model.model_fields.items():  # type: ignore[attr-defined]
        inner = inner_model(field.annotation)
        is_section = inner is not None and not issubclass(inner, Sourced)
        places |= declared(inner, f"{prefix}{name}.") if is_section else {prefix + name}
    return places


@pytest.mark.parametrize(("model", "reference"), [(Recipe, EVERY), (Profile, FIELDS)], ids=["recipe", "profile"])
def test_the_reference_has_every_setting_once_and_no_other(model: object, reference: tuple[Setting, ...]) -> None:
    places = [setting.place for setting in reference]
    assert len(places) == len(set(places))
    assert set(places) == declared(model)


@pytest.mark.parametrize("setting", [*EVERY, *FIELDS], ids=lambda setting: setting.place)
def test_a_setting_is_described_and_a_number_has_a_unit_or_a_range(setting: Setting) -> None:
    description = setting.description
    assert description.endswith(".")
    assert description[0].isupper() or description[0].isdigit() or description[0] == "`"
    if "number" in setting.kind:
        assert setting.unit or setting.range


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


def test_a_fact_of_a_profile_is_described_by_its_value_with_unit_range_and_default() -> None:
    (clock,) = settings("processor.clock_mhz", model=Profile)
    assert values_of(clock) == "fact: whole number, more than 0, MHz"
    assert clock.default == "needed"
    (usable,) = settings("memory.usable_mb", model=Profile)
    assert (usable.kind, usable.unit, usable.default) == ("fact: whole number", "MiB", "–")
    (dot_product,) = settings("processor.slower.dot_product", model=Profile)
    assert dot_product.kind == "fact: true or false"
    assert {setting.section for setting in settings("processor", model=Profile)} == {"processor", "processor.slower"}
    with pytest.raises(UnknownNameError, match="did you mean memory"):
        settings("memry", model=Profile)


def test_the_reference_of_a_profile_has_a_heading_for_each_section() -> None:
    page = as_markdown(FIELDS, model=Profile)
    assert page.startswith("## Above the sections\n")
    headings = [line for line in page.splitlines() if line.startswith("## [")]
    assert headings == [f"## [{name}]" for name in (
        "processor", "processor.slower", "caches", "memory", "preferences", "thermal", "budget", "emulation"
    )]  # fmt: skip
