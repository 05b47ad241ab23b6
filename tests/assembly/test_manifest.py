"""A manifest says what was built from what: each stage as it ran, both models, and the machine."""

import platform
from importlib import metadata
from pathlib import Path

import pytest

import edgewright
from edgewright.assembly.artifacts import Sides, artifact_facts, best_of
from edgewright.assembly.manifest import manifest_of
from edgewright.base.cache import ARTIFACT_PACKAGES
from edgewright.bundles.build_record import BuildRecord
from edgewright.bundles.schema import Manifest
from edgewright.specs.recipe import Recipe
from edgewright.stages.exported import exported
from edgewright.stages.sides import student_of
from edgewright.stages.stage import Build
from edgewright.stages.teacher import TeacherFindings
from tests import tiny
from tests.assembly.made import timed_build

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("places_of_stages")]
HASHES = {"model.tflite": "ab" * 32}


@pytest.fixture
def build(labelled: Path) -> Build:
    return timed_build(labelled)


@pytest.fixture
def manifest(build: Build) -> Manifest:
    sides = Sides.of(build)
    artifacts = [artifact_facts(build, made, sides) for made in exported(build)]
    best = best_of(build.plan.recipe, build.findings("teacher", TeacherFindings), artifacts)
    return manifest_of(build, student_of(build), artifacts, best, HASHES)


def test_every_stage_is_told_as_it_ran(build: Build, manifest: Manifest) -> None:
    assert [stage.name for stage in manifest.stages] == [result.name for result in build.made]
    for stage, result in zip(manifest.stages, build.made, strict=True):
        assert stage.findings == result.findings.document()
        assert stage.settings.keys() == result.settings.keys()
        assert stage.made_in_seconds == pytest.approx(result.entry.made_in_seconds, abs=0.001)


def test_what_the_stages_found_is_read_back_from_it_as_typed_values(build: Build, manifest: Manifest) -> None:
    record, teacher = BuildRecord.of(manifest), build.findings("teacher", TeacherFindings)
    assert (record.teacher.score, record.teacher.parameters) == (teacher.score, teacher.parameters)
    assert (record.float_bytes("litert") or 0) > manifest.artifacts[0].bytes
    assert record.vocabulary is not None
    assert len(record.student_stages[-1].model.layers) == 2


def test_both_models_and_the_baseline_have_their_sizes_and_scores(build: Build, manifest: Manifest) -> None:
    teacher, student = build.findings("teacher", TeacherFindings), student_of(build)
    (artifact,) = manifest.artifacts
    assert (manifest.teacher.score, manifest.teacher.bytes) == (teacher.score, teacher.bytes)
    assert manifest.teacher.latency_ms == artifact.teacher_latency_ms
    assert manifest.student.parameters == student.subject().parameters_count
    assert manifest.student.bytes == 4 * manifest.student.parameters
    assert manifest.student.score == student.findings.score
    assert manifest.baseline.name == teacher.baseline.name


def test_it_says_the_recipe_the_task_the_packages_and_the_machine(build: Build, manifest: Manifest) -> None:
    assert Recipe.model_validate(manifest.recipe) == build.plan.recipe
    assert (manifest.name, manifest.profile) == (build.plan.recipe.name, "raspberry-pi-4")
    assert (manifest.task.kind, manifest.task.labels) == ("classification", tiny.LABELS)
    assert manifest.task.max_length == tiny.MAX_LENGTH
    assert manifest.edgewright == edgewright.__version__
    assert manifest.packages == {name: metadata.version(name) for name in ARTIFACT_PACKAGES}
    assert manifest.machine["processor"] == platform.machine()
    assert manifest.files == HASHES


def test_it_survives_its_own_file(manifest: Manifest) -> None:
    written = manifest.model_dump_json()
    assert Manifest.model_validate_json(written).model_dump_json() == written
