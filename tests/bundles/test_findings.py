"""What stages found, read back: the same values that were set, and nothing in place of what was not recorded."""

from dataclasses import fields
from typing import Any

import pytest

from edgewright.base.fields import Fields
from edgewright.bundles import findings as records
from edgewright.bundles.attributions import WordAttribution
from edgewright.bundles.findings import (
    AccountRecord,
    Int8Record,
    ModelRecord,
    PartSensitivityRecord,
    SensitivityRecord,
    VocabularyRecord,
)
from edgewright.stages import account, export_int8, factorise, float_models, prune, sensitivity, train, vocabulary

ODD: tuple[Any, ...] = (None, "many", [1], {"a": 1}, True, float("nan"), 10**400)


@pytest.mark.parametrize(
    ("record", "stages"),
    [
        (
            ModelRecord,
            (
                float_models.TrainedFindings,
                prune.PruneFindings,
                factorise.LowRankFindings,
                train.DistilledFindings,
            ),
        ),
        (records.LayerRecord, (float_models.KeptLayer,)),
        (records.PartRecord, (float_models.PartMacs,)),
        (VocabularyRecord, (vocabulary.VocabularyFindings,)),
        (SensitivityRecord, (sensitivity.SensitivityFindings,)),
        (PartSensitivityRecord, (sensitivity.PartSensitivity,)),
        (Int8Record, (export_int8.Int8Findings,)),
        (AccountRecord, (account.AccountFindings,)),
        (records.GroupRecord, (account.GroupFindings,)),
        (records.FlipRecord, (account.FlipFindings,)),
    ],
)
def test_what_is_read_is_what_the_stages_set_by_the_same_names(record: Any, stages: tuple[Any, ...]) -> None:
    set_by_stages = {name for stage in stages for name in stage.model_fields}
    assert {field.name for field in fields(record)} <= set_by_stages


def test_findings_of_a_stage_read_back_are_what_it_set() -> None:
    part = sensitivity.PartSensitivity(name="encoder.up", float_bytes=64.0, error=0.02, float_ms=1.5)
    found = sensitivity.SensitivityFindings(
        kept_float=("encoder.up",), int4=("head",), static=False, parts=(part,), error=0.3, left=0.1
    )
    read = SensitivityRecord.read(Fields.of(found.document()))
    assert (read.error, read.left, read.kept_float, read.int4, read.int4_parts) == (
        *(found.error, found.left, found.kept_float, found.int4),
        (),
    )
    assert read.parts == (PartSensitivityRecord(name="encoder.up", error=0.02, float_ms=1.5),)


def test_an_account_read_back_has_its_groups_flips_and_what_answers_rest_on() -> None:
    flip = account.FlipFindings(index=3, text="the rain", expected="weather", teacher="weather", student="sport")
    found = account.AccountFindings(
        count=10,
        lost=1,
        groups=(account.GroupFindings(name="weather", count=4, teacher=1.0, student=0.75),),
        flips=(flip,),
        attributions=(account.AttributionFindings(shown=["the", "rain"], teacher=[0.0, 1.0], student=[0.5, 0.1]),),
    )
    read = AccountRecord.read(Fields.of(found.document()))
    assert (read.count, read.lost, read.won) == (10, 1, None)  # what was not set is not recorded
    assert (read.groups[0].name, read.groups[0].student) == ("weather", 0.75)
    assert (read.flips[0].text, read.flips[0].student) == ("the rain", "sport")
    assert read.attributions == (
        WordAttribution(
            text="the rain",
            expected="weather",
            words=("the", "rain"),
            says={"teacher": (0.0, 1.0), "student": (0.5, 0.1)},
        ),
    )


@pytest.mark.parametrize("odd", ODD)
def test_figures_that_are_none_are_not_recorded(odd: Any) -> None:
    names = ("score", "parameters", "macs", "error", "left", "layers", "parts", "drift", "matrices", "fallbacks")
    wrong = Fields(dict.fromkeys((*names, "kept_float", "count", "delegated", "pieces", "format"), odd))
    assert ModelRecord.read(wrong) == ModelRecord()
    assert SensitivityRecord.read(wrong) == SensitivityRecord()
    assert Int8Record.read(wrong).delegated is None
    assert VocabularyRecord.read(wrong) is None
    assert AccountRecord.read(wrong) == AccountRecord()


def test_one_row_that_is_broken_hides_none_of_the_others() -> None:
    read = ModelRecord.read(Fields({"parts": [{"name": "a"}, 3, {"name": "b", "macs": 7}], "layers": [{}, "x"]}))
    assert [(part.name, part.macs) for part in read.parts] == [("b", 7)]
    assert read.layers == (records.LayerRecord(),)
