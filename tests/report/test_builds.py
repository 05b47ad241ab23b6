"""Two bundles side by side: where the score went, how the students differ, and what must not be compared."""

import json
from typing import Any

import pytest
from rich.console import Console

from edgewright.bundles.schema import Manifest
from edgewright.report.builds import BundleComparison, compare_bundles
from edgewright.report.changes import bundles_report
from tests.report.test_compression import CUT, DISTILL, PRUNE, manifest, stage, whole_build


def smaller() -> Manifest:
    """A build that pruned harder, lost its score there, and never factorised; one part stayed float."""
    layers = [{**CUT[0], "neurons": 96}]
    cut = {**PRUNE, "predicted_layers_ms": 0.5, "score": 0.2, "layers": layers}
    made = [
        *whole_build()[:4],
        stage("prune", cut, enabled=True, reconstruct=True),
        stage("distill", {**DISTILL, "predicted_layers_ms": 0.5, "score": 0.37, "layers": layers}, enabled=True),
        stage("int8 executorch", {}, kept_float=["tokens"]),
        stage("int8 litert", {}, kept_float=["tokens", "head"]),
    ]
    document = manifest(made, score=0.37).model_dump(mode="json")
    document["artifacts"][0] |= {"score": 0.36, "bytes": 2_000_000}
    return Manifest.model_validate(document)


def told(comparison: BundleComparison) -> str:
    console = Console(width=160, color_system=None)
    with console.capture() as captured:
        console.print(bundles_report(comparison))
    return captured.get()


def test_a_bundle_against_itself_has_no_change() -> None:
    found = compare_bundles(manifest(whole_build()), manifest(whole_build()))
    assert found.obstacles == ()
    assert {each.percent for each in found.changes} == {0}
    assert {each.score_gap for each in found.stages} == {0}
    assert found.where == (
        "After int8 executorch both score the same.",
        "By the profile's estimate the layers of both take the same time.",
    )


def test_stages_of_the_same_name_stand_beside_each_other_and_say_where_the_score_went() -> None:
    found = compare_bundles(manifest(whole_build()), smaller())
    assert [each.stage for each in found.stages] == [
        *("teacher", "vocabulary, prune", "least squares", "low rank", "distill", "int8 executorch", "int8 litert"),
    ]
    by_name = {each.stage: each for each in found.stages}
    assert by_name["low rank"].after is None
    assert by_name["low rank"].score_gap is None
    assert by_name["least squares"].gap_change == pytest.approx(-0.1)
    assert by_name["distill"].gap_change == pytest.approx(0.02)  # which wins a part of it back
    assert found.where == (
        "After int8 executorch the second scores -0.0800; most of it comes with least squares: -0.1000 against the "
        "stage before.",
        "By the profile's estimate the second's layers take 0.40× the time of the first's; most of that comes with "
        "vocabulary, prune.",
    )


def test_sizes_scores_layers_and_the_parts_kept_float_are_told() -> None:
    found = compare_bundles(manifest(whole_build()), smaller())
    (size,) = (each for each in found.changes if (each.of, each.name) == ("executorch", "size"))
    assert size.percent == pytest.approx(-100 * 1.1 / 3.1)
    assert found.kept_float == ((), (), ("head (litert)", "tokens"))
    assert found.layers[1][1] is None
    shown = told(found)
    for line in (
        "executorch size 3.1 MB 2 MB -35.48 %",
        "distill 3,000,000 3,000,000 0.4500 0.3700 -0.0800 +0.0200",
        "1 2, 4, 96 –",
        "Kept in float by only the second: head (litert), tokens.",
    ):
        assert line in "\n".join(" ".join(each.split()) for each in shown.splitlines()), line


def test_an_artifact_that_only_one_has_is_no_change() -> None:
    document = manifest(whole_build()).model_dump(mode="json")
    document["artifacts"] = document["artifacts"][:1]
    found = compare_bundles(manifest(whole_build()), Manifest.model_validate(document))
    (size,) = (each for each in found.changes if (each.of, each.name) == ("litert", "size"))
    assert (size.before, size.after, size.percent) == (3_100_000, None, None)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"task": {"kind": "classification", "metric": "accuracy", "max_length": 32}}, "other tasks: embedding and"),
        ({"profile": "raspberry-pi-5"}, "other profiles: raspberry-pi-4 and raspberry-pi-5"),
        ({"recipe": {"data": {"builtin": "digits", "file": None}}}, "other data: unknown and digits"),
    ],
)
def test_what_is_unlike_stands_in_the_way(changes: dict[str, Any], said: str) -> None:
    other = Manifest.model_validate(manifest(whole_build()).model_dump(mode="json") | changes)
    assert said in "; ".join(compare_bundles(manifest(whole_build()), other).obstacles)


def test_data_that_only_lie_elsewhere_are_the_same() -> None:
    here, there = (
        Manifest.model_validate(manifest([]).model_dump(mode="json") | {"recipe": {"data": {"file": file}}})
        for file in ("/home/ann/tickets.csv", "/builds/7/tickets.csv")
    )
    assert compare_bundles(here, there).obstacles == ()


def test_latencies_of_builds_on_unlike_machines_are_left_out() -> None:
    other = manifest(whole_build()).model_copy(update={"machine": {"processor": "aarch64"}})
    assert "latency where it was built" not in {
        each.name for each in compare_bundles(manifest(whole_build()), other).changes
    }


def test_a_manifest_without_findings_is_compared_as_far_as_it_goes() -> None:
    found = compare_bundles(manifest([]), smaller())
    assert json.loads(json.dumps(found.document(), allow_nan=False)) == found.document()
    assert told(found)


def test_a_second_build_of_fewer_bits_is_the_better_one() -> None:
    def in_bits(made: Manifest) -> Manifest:
        return made.model_copy(update={"task": made.task.model_copy(update={"metric": "bits per byte"})})

    found = compare_bundles(in_bits(manifest(whole_build())), in_bits(smaller()))
    assert found.where[0].startswith("After int8 executorch the second scores -0.0800 (better); most of it comes with")
