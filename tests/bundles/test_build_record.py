"""A build as its manifest tells it: what each stage found, and what the stages want known."""

from typing import Any

from edgewright.bundles.build_record import BuildRecord
from tests.report.test_compression import VOCABULARY, manifest, stage, whole_build

AGAIN = {"parameters": 1000, "layers": [0.5, 0.2]}


def notes(*recorded: Any) -> tuple[str, ...]:
    stages = [
        {
            "name": f"stage {place}",
            "seconds": 0.1,
            "made_in_seconds": 0.1,
            "cached": False,
            "settings": {},
            "findings": {} if each is None else {"notes": each},
        }
        for place, each in enumerate(recorded)
    ]
    return record(stages).notes


def record(stages: list[dict[str, Any]]) -> BuildRecord:
    return BuildRecord.of(manifest(stages))


def test_notes_are_told_once_each_and_in_order() -> None:
    assert notes(["two", "one"], None, ["one", "three"]) == ("two", "one", "three")


def test_what_is_no_list_of_sentences_is_left_out() -> None:
    assert notes("a sentence", {"one": 1}, [3, None, "kept"]) == ("kept",)
    assert notes() == ()


def test_each_stage_is_found_by_its_name_with_what_it_found_as_typed_values() -> None:
    build = record([*whole_build(), stage("int8 litert", {"format": "int8", "delegated": 7, "fallbacks": {"add": 2}})])
    assert (build.teacher.parameters, build.teacher.macs, build.teacher_layers) == (22_000_000, 340_000_000, 3)
    assert build.vocabulary is not None
    assert (build.vocabulary.pieces, build.vocabulary.of) == (VOCABULARY["pieces"], VOCABULARY["of"])
    assert [each.name for each in build.student_stages] == ["prune", "low rank", "distill"]
    assert build.student_stages[-1].model.drift == {0: 0.99, 1: 0.84}
    assert build.float_bytes("litert") == 12_000_000
    assert (build.int8("litert").delegated, build.int8("litert").fallbacks) == (7, {"add": 2})


def test_a_build_without_a_stage_has_nothing_recorded_of_it() -> None:
    build = record([])
    assert (build.teacher_layers, build.vocabulary, build.student_stages) == (None, None, ())
    assert (build.teacher.score, build.sensitivity.error, build.account.count) == (None, None, None)
    assert (build.int8("onnx").format, build.float_bytes("onnx"), build.teacher_notes) == (None, None, ())
    assert not build.int8_settings("onnx")


def test_the_teachers_layers_are_those_of_the_first_importance_also_where_a_gradual_cut_measured_more() -> None:
    assert record([*whole_build(), stage("importance", {"layers": [0.5, 0.2]})]).teacher_layers == 3


def test_findings_of_a_stage_that_nobody_here_knows_stay_as_the_document_that_they_are() -> None:
    found = {"curves": [[0.1, 0.2], []], "deep": {"note": None}}
    assert record([stage("my own stage", found)]).findings("my own stage").values == found


def test_a_setting_of_which_nothing_is_said_is_on() -> None:
    (on,), (off,) = (record([stage("prune", {}, **settings)]).stages for settings in ({}, {"enabled": False}))
    assert (on.is_set("enabled"), off.is_set("enabled")) == (True, False)
