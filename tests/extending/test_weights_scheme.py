"""A scheme in a file of its own goes through build, check, bench, run and report under two runtimes."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from edgewright import pipeline
from edgewright.bundles.bundle import Bundle
from edgewright.devices.benchmark import bench
from edgewright.quantize.schemes import QUANTIZATION_SCHEMES
from edgewright.report.page import markdown
from edgewright.runtimes.table import RUNTIMES, runtimes_that
from tests import tiny
from tests.extending.installed import edgewright, install
from tests.extending.weights_scheme import NAME, SCHEME
from tests.stages.builds import PROFILE, recipe

pytestmark = pytest.mark.usefixtures("own_places")
ABLE = ("litert", "onnx")


@pytest.fixture(scope="module")
def bundle(labelled: Path, tmp_path_factory: pytest.TempPathFactory, own_places: None) -> Bundle:
    preferences = PROFILE.preferences.model_copy(update={"runtimes": ABLE})
    profile = PROFILE.model_copy(update={"preferences": preferences})
    export = {"runtimes": ABLE, "float_reference": True, "lengths": [16]}
    with QUANTIZATION_SCHEMES.registered(NAME, SCHEME):
        given = recipe("classification", labelled, quantize={"scheme": NAME}, export=export)
        return pipeline.build(given, profile, tmp_path_factory.mktemp("weights") / "bundle").bundle


def test_it_brings_the_support_of_runtimes_that_know_nothing_of_it() -> None:
    with QUANTIZATION_SCHEMES.registered(NAME, SCHEME):
        assert runtimes_that(lambda each: each.supports(NAME)) == ABLE
        assert not any(NAME in each.schemes for each in RUNTIMES.values())


def test_another_runtime_is_refused_by_what_it_lacks(labelled: Path) -> None:
    with (
        QUANTIZATION_SCHEMES.registered(NAME, SCHEME),
        pytest.raises(ValidationError, match="litert and onnx alone: executorch has no file of int8 weights and float"),
    ):
        recipe("classification", labelled, quantize={"scheme": NAME}, export={"runtimes": ["executorch", "onnx"]})


@pytest.mark.slow
def test_it_is_built_and_every_artifact_is_small_and_agrees_with_the_student(bundle: Bundle) -> None:
    manifest = bundle.manifest
    assert [artifact.runtime for artifact in manifest.artifacts] == list(ABLE)
    for artifact in manifest.artifacts:
        assert artifact.parity.passed
        assert artifact.parity.cosine_min > 0.995
        assert artifact.score == pytest.approx(manifest.student.score, abs=0.05)
        assert artifact.float_file is not None
        saved = bundle.file(artifact.float_file).stat().st_size - artifact.bytes
        assert saved > 0.7 * 3 * manifest.student.parameters
    stages = {stage.name: stage for stage in manifest.stages}
    for runtime, scales in zip(ABLE, ("per channel", "per row"), strict=True):
        assert stages[f"int8 {runtime}"].settings["scheme"] == NAME
        assert stages[f"int8 {runtime}"].findings["format"] == NAME
        assert stages[f"int8 {runtime}"].findings["scales"] == scales


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ABLE)
def test_it_is_measured_here_and_answers(bundle: Bundle, runtime: str) -> None:
    found = bench(bundle, "local:", runtime=runtime, quick=True, against_float=True)
    assert found.parity.passed
    assert found.summary()["artifact"]["runtime"] == runtime
    answer = bundle.answer(tiny.sentences(1, seed=9, label=tiny.LABELS[0])[0])
    assert {each["label"] for each in answer["labels"]} == set(tiny.LABELS)


@pytest.mark.slow
def test_its_report_calls_it_by_its_name(bundle: Bundle) -> None:
    with QUANTIZATION_SCHEMES.registered(NAME, SCHEME):
        assert NAME in markdown(bundle.manifest, [])


@pytest.mark.slow
def test_a_bundle_of_it_is_measured_asked_and_reported_where_it_is_not_installed(bundle: Bundle) -> None:
    text = tiny.sentences(1, seed=9, label=tiny.LABELS[0])[0]
    for line in (("run", "--input", text), ("bench", "--target", "local:", "--quick"), ("report",)):
        verb, *more = line
        ended = edgewright(verb, str(bundle.path), *more, "--json", folders=())
        assert ended.returncode == 0, ended.stderr


@pytest.mark.slow
def test_installed_it_is_known_to_the_command_and_a_misspelt_one_gets_the_nearest_name(
    bundle: Bundle, labelled: Path, tmp_path: Path
) -> None:
    folder = install(tmp_path, "edgewright.schemes", {NAME: "weights_scheme:SCHEME"})
    for name, folders, status, told in (
        ("int8-weight", (folder,), 2, f"did you mean {NAME}?"),
        (NAME, (folder,), 2, "executorch has no file of int8 weights and float activations"),
        (NAME, (), 2, f'"{NAME}" is not one of dynamic-int8, static-int8, float16'),
    ):
        (tmp_path / "recipe.toml").write_text(
            f"""
[recipe]
name = "installed"
[model]
folder = "{tiny.bert_folder()}"
[task]
kind = "classification"
[data]
file = "{labelled}"
columns = {{ label = "label" }}
[stages.quantize]
scheme = "{name}"
""",
            encoding="utf-8",
        )
        line = ("build", str(tmp_path / "recipe.toml"), "--profile", "raspberry-pi-4", "-o", str(tmp_path / "out"))
        ended = edgewright(*line, "--json", folders=folders)
        assert ended.returncode == status, ended.stderr
        assert told in json.loads(ended.stdout)["error"]["message"]
