"""A runtime in a file of its own goes through build, check, bench, run and report, also as it is installed."""

import json
import zipfile
from pathlib import Path

import pytest

from edgewright import pipeline
from edgewright.bundles.bundle import Bundle
from edgewright.devices.benchmark import bench
from edgewright.errors import InvalidFileError, TargetError
from edgewright.measure.deployment import deploy
from edgewright.report.page import markdown
from edgewright.runtimes.table import RUNTIMES
from edgewright.targets.transports.fake import FakeTarget
from tests import tiny
from tests.extending.installed import edgewright, install
from tests.extending.programs_runtime import DESCRIPTOR
from tests.stages.builds import PROFILE, recipe

pytestmark = pytest.mark.usefixtures("own_places")


@pytest.fixture(scope="module")
def bundle(labelled: Path, tmp_path_factory: pytest.TempPathFactory, own_places: None) -> Bundle:
    with RUNTIMES.registered("programs", DESCRIPTOR):
        preferences = PROFILE.preferences.model_copy(update={"runtimes": ("programs",)})
        profile = PROFILE.model_copy(update={"preferences": preferences})
        given = recipe("classification", labelled, export={"runtimes": ["programs"]})
        return pipeline.build(given, profile, tmp_path_factory.mktemp("programs") / "bundle").bundle


@pytest.mark.slow
def test_it_is_built_and_its_programs_agree_with_the_student(bundle: Bundle) -> None:
    (artifact,) = bundle.manifest.artifacts
    assert (artifact.runtime, artifact.file) == ("programs", "program.pt2")
    assert artifact.parity.passed
    assert artifact.score == pytest.approx(bundle.manifest.student.score, abs=0.05)
    with zipfile.ZipFile(bundle.file("program.pt2")) as archive:
        weights = sum(each.file_size for each in archive.infolist() if "/weights/weight_" in each.filename)
    assert 0 < weights < 2 * bundle.manifest.student.parameters


@pytest.mark.slow
def test_nothing_in_an_artifact_is_a_pickle(bundle: Bundle) -> None:
    with zipfile.ZipFile(bundle.file("program.pt2")) as archive:
        for name in archive.namelist():
            content = archive.read(name)
            assert not content.startswith((b"\x80", b"PK")) or "/weights/weight_" in name, name


@pytest.mark.slow
def test_it_is_measured_here_and_answers(bundle: Bundle) -> None:
    with RUNTIMES.registered("programs", DESCRIPTOR):
        found = bench(bundle.path, "local:", quick=True)
        answer = bundle.answer(tiny.sentences(1, seed=9, label=tiny.LABELS[0])[0])
    assert found.parity.passed
    assert found.summary()["artifact"]["runtime"] == "programs"
    assert answer["runtime"] == "programs"
    assert {each["label"] for each in answer["labels"]} == set(tiny.LABELS)
    assert "programs" in markdown(bundle.manifest, [])


def test_a_machine_without_pytorch_is_told(tmp_path: Path) -> None:
    (tmp_path / "program.pt2").write_bytes(b"x")
    with RUNTIMES.registered("programs", DESCRIPTOR), pytest.raises(TargetError, match="on local: alone, not on fake:"):
        deploy(FakeTarget(tmp_path), tmp_path / "program.pt2", runtime="programs")


@pytest.mark.slow
def test_a_bundle_of_a_runtime_that_is_not_installed_is_told_by_its_name(bundle: Bundle) -> None:
    with pytest.raises(InvalidFileError, match='"programs" is not one of executorch, litert, onnx, tflite'):
        Bundle.open(bundle.path)


@pytest.mark.slow
def test_installed_it_is_known_to_the_command(bundle: Bundle, tmp_path: Path) -> None:
    folder = install(tmp_path, "edgewright.runtimes", {"programs": "programs_runtime:DESCRIPTOR"})
    text = tiny.sentences(1, seed=9, label=tiny.LABELS[0])[0]
    ended = edgewright("run", str(bundle.path), "--input", text, "--json", folders=(folder,))
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["runtime"] == "programs"
    ended = edgewright("bench", str(bundle.path), "--target", "local:", "--quick", "--json", folders=(folder,))
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["artifact"]["runtime"] == "programs"
