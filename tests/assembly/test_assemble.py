"""A bundle put together from a build that is done: each file as its stage made it, and nothing of ours in the way."""

import json
from pathlib import Path

import pytest

from edgewright.assembly.assemble import assemble
from edgewright.base.digest import sha256_of
from edgewright.errors import InputError
from edgewright.stages.exported import exported
from edgewright.stages.sides import student_of
from tests.assembly.made import timed_build

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("places_of_stages")]


def test_a_bundle_has_the_artifacts_as_they_were_exported_and_what_makes_their_inputs(
    labelled: Path, tmp_path: Path
) -> None:
    build = timed_build(labelled)
    bundle = assemble(build, tmp_path / "bundle", force=False).bundle
    (made,) = exported(build)
    assert set(bundle.manifest.files) == {"model.tflite", "tokenizer.json", "vectors.json"}
    assert sha256_of(bundle.file("model.tflite")) == sha256_of(made.file(made.int8))
    assert bundle.file("tokenizer.json").read_bytes() == build.result("inputs").file("tokenizer.json").read_bytes()
    assert bundle.manifest.best == "litert"


def test_the_vectors_are_what_a_device_is_asked_with_the_float_students_outputs(labelled: Path, tmp_path: Path) -> None:
    build = timed_build(labelled)
    bundle = assemble(build, tmp_path / "bundle.zip", force=False).bundle
    student = student_of(build)
    vectors, asked = bundle.vectors(), student.asked()
    assert [call.inputs["ids"][0].tolist() for call in vectors.calls] == list(map(list, student.examples_of(asked)))
    outputs = [call.outputs["output"][0].tolist() for call in vectors.calls]
    assert outputs == [pytest.approx(row.tolist()) for row in student.outputs(asked)]


def test_the_float_reference_is_there_where_the_recipe_asks_for_it(labelled: Path, tmp_path: Path) -> None:
    build = timed_build(labelled, float_reference=True)
    bundle = assemble(build, tmp_path / "bundle", force=False).bundle
    (artifact,), (made,) = bundle.manifest.artifacts, exported(build)
    assert artifact.float_file == made.float_name == "float-model.tflite"
    assert sha256_of(bundle.file("float-model.tflite")) == sha256_of(made.file(made.float_reference))


def test_what_lies_there_and_is_no_bundle_of_ours_is_replaced_with_force_alone(labelled: Path, tmp_path: Path) -> None:
    build, place = timed_build(labelled), tmp_path / "mine"
    place.mkdir()
    (place / "letter.txt").write_text("dear reader")
    with pytest.raises(InputError, match="mine"):
        assemble(build, place, force=False)
    assert (place / "letter.txt").read_text() == "dear reader"
    assemble(build, place, force=True)
    assert not (place / "letter.txt").exists()
    again = assemble(build, place, force=False)  # a bundle of ours
    assert json.loads((place / "manifest.json").read_text())["name"] == again.bundle.manifest.name
