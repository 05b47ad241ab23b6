"""What a build's stages won and lost, read from constructed manifests and shown in tables."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from rich.console import Console

from edgewright.bundles.schema import Manifest
from edgewright.report.compression import Compression, StageRow, compression_of
from edgewright.report.terminal import compression_report
from tests.bundles.made import SIGNATURE

SIZES = {"parameters": 4_000_000, "macs": 30_000_000, "predicted_layers_ms": 1.25}
CUT = [{"from_layer": 0, "heads": 6, "neurons": 384}, {"from_layer": 2, "heads": 4, "neurons": 96}]
DRIFT = [{"layer": 0, "from_layer": 0, "cosine": 0.99}, {"layer": 1, "from_layer": 2, "cosine": 0.84}]
TEACHER = {"score": 0.5, "parameters": 22_000_000, "macs": 340_000_000, "bytes": 90_000_000}
VOCABULARY = {"pieces": 8000, "of": 30_522, "coverage": 0.99, "held_out_tokens_affected": 0.0123}
PRUNE = {**SIZES, "score_before_reconstruction": 0.1, "score": 0.3, "layers": CUT}
LOW_RANK = {**SIZES, "parameters": 3_000_000, "score": 0.28, "layers": CUT, "matrices": [{"part": "tokens"}]}
DISTILL = {**SIZES, "parameters": 3_000_000, "score": 0.45, "layers": CUT, "drift": DRIFT, "steps": 10}


def stage(name: str, findings: Mapping[str, Any], **settings: Any) -> dict[str, Any]:
    spent = {"seconds": 0.1, "made_in_seconds": 0.1, "cached": False}
    return {"name": name, **spent, "settings": settings, "findings": dict(findings)}


def whole_build() -> list[dict[str, Any]]:
    return [
        stage("texts", {"examples": {"train": 10}}),
        stage("teacher", TEACHER),
        stage("vocabulary", VOCABULARY),
        stage("importance", {"layers": [0.5, 0.2, 0.3]}),
        stage("prune", PRUNE, enabled=True, reconstruct=True),
        stage("low rank", LOW_RANK, enabled=True),
        stage("distill", DISTILL, enabled=True),
        stage("float litert", {"bytes": 12_000_000}),
        stage("float executorch", {"bytes": 12_345_678}),
    ]


def artifact(runtime: str, *, score: float, latency_ms: float) -> dict[str, Any]:
    return {
        "runtime": runtime,
        "runtime_version": "1.0",
        "file": f"model.{runtime}",
        "bytes": 3_100_000,
        "sha256": "0" * 64,
        "signature": SIGNATURE,
        "score": score,
        "parity": {"passed": True, "cosine_min": 0.99, "max_abs_error": 0.1, "cosine_limit": 0.98},
        "latency_ms": latency_ms,
        "float_latency_ms": 2.5 * latency_ms,
        "teacher_latency_ms": 10 * latency_ms,
        "speedup": 10.0,
        "peak_rss_bytes": 1000,
    }


def manifest(stages: list[dict[str, Any]], **student: Any) -> Manifest:
    return Manifest.model_validate(
        {
            "name": "tiny",
            "edgewright": "0.1.0",
            "created": "2026-11-23T10:00:00+00:00",
            "profile": "raspberry-pi-4",
            "recipe": {},
            "task": {"kind": "embedding", "metric": "mean reciprocal rank", "max_length": 32},
            "teacher": {"score": 0.5, "parameters": 22_000_000, "bytes": 90_000_000, "latency_ms": 8.0},
            "student": {"score": 0.45, "parameters": 3_000_000, "bytes": 12_000_000, "latency_ms": 2.0} | student,
            "baseline": {"name": "TF-IDF", "score": 0.4},
            "artifacts": [
                artifact("executorch", score=0.44, latency_ms=0.8),
                artifact("litert", score=0.46, latency_ms=0.9),
            ],
            "best": "executorch",
            "stages": stages,
            "budget": {},
            "verdict": {},
            "packages": {},
            "machine": {},
            "files": {},
        }
    )


def rows_of(stages: list[dict[str, Any]]) -> dict[str, StageRow]:
    return {row.stage: row for row in compression_of(manifest(stages)).stages}


def shown(found: Compression | Mapping[str, Any], *, width: int = 200) -> str:
    console = Console(width=width, color_system=None)
    summary = found.summary() if isinstance(found, Compression) else found
    with console.capture() as captured:
        console.print(compression_report(summary))
    return captured.get()


def line_of(table: str, start: str) -> list[str]:
    (line,) = (line for line in table.splitlines() if line.strip().startswith(start))
    return line.strip().removeprefix(start).split()


def test_each_stage_that_changes_the_model_has_a_row_in_the_order_it_was_made() -> None:
    found = compression_of(manifest(whole_build()))
    assert [row.stage for row in found.stages] == [
        "teacher",
        "vocabulary, prune",
        "least squares",
        "low rank",
        "distill",
        "int8 executorch",
        "int8 litert",
    ]


def test_what_a_stage_won_or_lost_is_signed_and_against_the_row_before() -> None:
    changes = [row.score_change for row in compression_of(manifest(whole_build())).stages]
    assert changes[0] is None
    assert changes[1:5] == pytest.approx([-0.4, 0.2, -0.02, 0.17])


def test_every_int8_artifact_is_compared_with_the_float_student_and_not_with_its_sibling() -> None:
    rows = rows_of(whole_build())
    assert rows["int8 executorch"].score_change == pytest.approx(-0.01)
    assert rows["int8 litert"].score_change == pytest.approx(0.01)
    assert rows["int8 litert"].bytes == 3_100_000
    assert rows["int8 litert"].parameters == 3_000_000


def test_latencies_stand_where_something_was_measured_by_runtime() -> None:
    rows = rows_of(whole_build())
    assert rows["teacher"].measured_ms == {"executorch": 8.0, "litert": 9.0}
    assert rows["least squares"].measured_ms == {}
    assert rows["distill"].measured_ms == {"executorch": 2.0, "litert": 2.25}
    assert rows["int8 litert"].measured_ms == {"litert": 0.9}


def test_the_float_student_has_the_size_of_its_file_for_the_best_runtime() -> None:
    rows = rows_of(whole_build())
    assert (rows["teacher"].bytes, rows["distill"].bytes) == (90_000_000, 12_345_678)
    assert rows["low rank"].bytes is None


def test_the_cut_and_least_squares_have_the_same_sizes_and_each_its_score() -> None:
    rows = rows_of(whole_build())
    cut, refitted = rows["vocabulary, prune"], rows["least squares"]
    assert (cut.parameters, cut.macs, cut.predicted_layers_ms) == (4_000_000, 30_000_000, 1.25)
    assert (refitted.parameters, refitted.macs, refitted.predicted_layers_ms) == (4_000_000, 30_000_000, 1.25)
    assert (cut.score, refitted.score) == (0.1, 0.3)


def test_a_last_lesson_has_a_row_of_its_own() -> None:
    stages = whole_build()
    stages.insert(7, stage("finish", DISTILL | {"score": 0.495}, enabled=True))
    found = compression_of(manifest(stages))
    assert [row.stage for row in found.stages][-4:] == ["distill", "finish", "int8 executorch", "int8 litert"]


def test_a_cut_that_was_not_refitted_has_one_row() -> None:
    stages = whole_build()
    stages[4] = stage("prune", PRUNE, enabled=True, reconstruct=False)
    assert "least squares" not in rows_of(stages)
    assert rows_of(stages)["vocabulary, prune"].score == 0.3


def test_stages_that_are_turned_off_have_no_row() -> None:
    off = {"score": 0.5, "parameters": 22_000_000, "layers": CUT}
    stages = [
        stage("teacher", TEACHER),
        stage("vocabulary", VOCABULARY | {"pieces": 30_522}),
        stage("prune", off, enabled=False),
        stage("low rank", off | {"matrices": []}, enabled=True),
        stage("distill", off, enabled=False),
    ]
    found = compression_of(manifest(stages))
    assert [row.stage for row in found.stages] == ["teacher", "int8 executorch", "int8 litert"]
    assert found.stages[1].score_change == pytest.approx(-0.06)


def test_a_trimmed_vocabulary_has_a_row_of_its_own_where_nothing_is_cut() -> None:
    stages = whole_build()
    stages[4] = stage("prune", SIZES | {"score": 0.49, "layers": CUT}, enabled=False)
    assert rows_of(stages)["vocabulary"].score_change == pytest.approx(-0.01)


def test_low_rank_that_paid_nowhere_has_no_row() -> None:
    stages = whole_build()
    stages[5] = stage("low rank", PRUNE | {"matrices": [{"part": "query", "rank": None}]}, enabled=True)
    rows = rows_of(stages)
    assert "low rank" not in rows
    assert rows["distill"].score_change == pytest.approx(0.15)


def test_a_student_that_starts_from_random_numbers_has_a_row_though_it_is_not_taught() -> None:
    stages = whole_build()
    stages[6] = stage("distill", DISTILL, enabled=False, from_scratch=True)
    assert "distill" in rows_of(stages)


def test_the_steps_of_a_gradual_pruning_are_numbered() -> None:
    stages = whole_build()
    again = [stage("importance", {"layers": [0.5]}), stages[4], stages[5], stages[6]]
    del stages[5]
    found = compression_of(manifest([*stages[:6], *again, *stages[6:]]))
    assert [row.stage for row in found.stages[1:-2]] == [
        "vocabulary, prune 1/2",
        "least squares 1/2",
        "distill 1/2",
        "prune 2/2",
        "least squares 2/2",
        "low rank",
        "distill 2/2",
    ]
    assert found.stages[3].measured_ms == {}
    assert found.stages[4].score_change == pytest.approx(0.1 - 0.45)


def test_where_the_score_was_lost_is_told_by_stage_and_by_layer() -> None:
    by_stage, by_layer = compression_of(manifest(whole_build())).where_lost
    assert by_stage == "By stage, most is lost in vocabulary, prune: the score falls from 0.5 to 0.1."
    assert by_layer == (
        "By layer, most is lost after layer 1 (the teacher's 2): the cosine to the teacher falls from 0.99 to 0.84."
    )


def test_a_build_that_lost_nothing_says_so() -> None:
    stages = [stage("prune", {"score": 0.5, "layers": CUT}), stage("distill", {"drift": []})]
    stages[1]["findings"]["drift"] = [{"layer": 0, "cosine": 1.0}, {"layer": 1, "cosine": 0.9995}]
    found = compression_of(
        manifest(stages, score=0.5).model_copy(update={"artifacts": ()})  # int8 that scores less would be a loss
    )
    assert found.where_lost == (
        "By stage, nothing is lost: no score is below the one before it.",
        "By layer, hardly anything is lost: no cosine to the teacher falls by 0.001.",
    )


def test_layers_have_what_the_last_student_kept_and_how_close_each_is_to_the_teacher() -> None:
    first, second = compression_of(manifest(whole_build())).layers
    assert (first.from_layer, first.heads, first.neurons, first.cosine) == (0, 6, 384, 0.99)
    assert (second.from_layer, second.heads, second.neurons, second.cosine) == (2, 4, 96, 0.84)
    assert first.cosine_change == pytest.approx(-0.01)
    assert second.cosine_change == pytest.approx(-0.15)


def test_layers_that_could_not_be_compared_are_listed_without_a_cosine() -> None:
    stages = whole_build()
    stages[6] = stage("distill", DISTILL | {"drift": []})
    found = compression_of(manifest(stages))
    assert [row.cosine for row in found.layers] == [None, None]
    assert len(found.where_lost) == 1
    assert line_of(shown(found), "1 ") == ["2", "4", "96", "–", "–"]


def test_a_manifest_without_any_findings_is_still_shown() -> None:
    found = compression_of(manifest([stage(name, {}) for name in ("teacher", "vocabulary", "prune", "distill")]))
    assert [row.stage for row in found.stages][:3] == ["teacher", "prune", "distill"]
    assert (found.layers, found.vocabulary) == ((), None)
    assert found.stages[2].score == 0.45  # the manifest itself says what the student scores
    assert line_of(shown(found), "prune") == ["–"] * 8
    assert "Vocabulary" not in shown(found)


def test_a_manifest_of_the_first_version_is_read_as_far_as_it_goes() -> None:
    stages = [
        stage("teacher", {"score": 0.5, "parameters": 22_000_000, "bytes": 90_000_000}),
        stage("vocabulary", VOCABULARY),
        stage("prune", {"score": 0.2, "parameters": 3_000_000, "layers": CUT}, enabled=True, layers=2),
        stage("distill", {"score": 0.45, "steps": 10, "losses": [1.0]}, enabled=True),
    ]
    found = compression_of(manifest(stages))
    assert [row.stage for row in found.stages[:3]] == ["teacher", "vocabulary, prune", "distill"]
    assert [row.score_change for row in found.stages[1:3]] == pytest.approx([-0.3, 0.25])
    assert found.stages[2].parameters == 3_000_000
    assert [row.from_layer for row in found.layers] == [0, 2]


@pytest.mark.parametrize("odd", [None, "many", [1], {"a": 1}, True, float("nan"), float("inf"), 10**400])
def test_findings_that_are_no_numbers_are_left_out(odd: Any) -> None:
    names = ("score", "parameters", "macs", "predicted_layers_ms", "score_before_reconstruction", "pieces", "of")
    wrong = dict.fromkeys((*names, "layers", "drift", "bytes", "matrices"), odd)
    found = compression_of(manifest([stage(name, wrong) for name in ("vocabulary", "prune", "low rank", "distill")]))
    assert found.stages[1] == StageRow(stage="prune")
    json.dumps(found.summary(), allow_nan=False)
    assert "–" in shown(found)


def test_the_summary_survives_json_and_is_shown_the_same_after_it() -> None:
    found = compression_of(manifest(whole_build()))
    again = json.loads(json.dumps(found.summary(), allow_nan=False))
    assert set(again) == {"compression", "layers", "vocabulary", "where_lost"}
    assert again["compression"][4]["measured_ms"] == {"executorch": 2.0, "litert": 2.25}
    assert shown(again) == shown(found)


def test_the_table_shows_every_figure_and_says_which_is_an_estimate() -> None:
    table = shown(compression_of(manifest(whole_build())))
    assert line_of(table, "teacher ") == ["22M", "340M", "–", "8", "9", "90.00", "MB", "0.5", "–"]
    assert line_of(table, "distill ") == ["3M", "30M", "1.25", "2", "2.25", "12.35", "MB", "0.45", "+0.1700"]
    assert line_of(table, "int8 litert")[3:] == ["–", "0.9", "3.10", "MB", "0.46", "+0.0100"]
    assert "est. ms: an estimate" in table
    assert "most is lost after layer 1" in table


def test_the_table_fits_eighty_columns_without_breaking_a_number() -> None:
    stages = whole_build()
    table = shown(compression_of(manifest([*stages[:5], stages[6], *stages[4:]])), width=80)
    assert max(map(len, table.splitlines())) <= 80
    assert "…" not in table
    assert line_of(table, "distill 1/2")[-1] == "+0.1500"
    assert line_of(table, "int8 executorch")[-4:] == ["3.10", "MB", "0.44", "-0.0100"]


@pytest.mark.parametrize(
    ("vocabulary", "sentence"),
    [
        (VOCABULARY, "Vocabulary: 8,000 of 30,522 pieces stay; 1.23 % of the held-out tokens are split otherwise."),
        (VOCABULARY | {"pieces": 30_522, "held_out_tokens_affected": 0.0}, "Vocabulary: all 30,522 pieces stay;"),
        ({"pieces": 8000}, "Vocabulary: 8,000 of – pieces stay; – of the held-out tokens are split otherwise."),
    ],
)
def test_one_line_tells_of_the_vocabulary(vocabulary: Mapping[str, Any], sentence: str) -> None:
    assert sentence in shown(compression_of(manifest([stage("vocabulary", vocabulary)])))


def test_text_from_data_is_never_read_as_markup() -> None:
    summary = {
        "compression": [{"stage": "[red]prune[/red]", "measured_ms": {"[bold]x": 1.0}}],
        "layers": [{"layer": "[i]0[/i]"}],
        "where_lost": ["[link=x]lost[/nothing]"],
    }
    table = shown(summary)
    for text in ("[red]prune[/red]", "[bold]x", "[i]0[/i]", "[link=x]lost[/nothing]"):
        assert text in table


def test_a_summary_without_compression_shows_nothing_of_it() -> None:
    assert shown({}).strip() == ""


def test_where_less_is_better_most_is_lost_where_the_score_rises_most() -> None:
    task = manifest([]).task.model_copy(update={"metric": "bits per byte"})
    found = compression_of(manifest(whole_build(), score=0.45).model_copy(update={"task": task}))
    assert found.where_lost[0] == "By stage, most is lost in least squares: the score rises from 0.1 to 0.3."
