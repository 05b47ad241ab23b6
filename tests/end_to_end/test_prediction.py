"""From a device that was calibrated to a prediction that `bench` shows beside its measurement, with real runners."""

import json
from pathlib import Path

import pytest

from edgewright.bundles.bundle import Bundle
from edgewright.cli.main import main
from edgewright.devices import calibration
from edgewright.devices.timed_models import BOTH

pytestmark = pytest.mark.slow


@pytest.fixture
def few_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enough to fit prices to, not to predict well by."""
    monkeypatch.setattr(calibration, "PROBES", {"int8": (BOTH[0], BOTH[4], BOTH[6])})
    monkeypatch.setattr(calibration, "ROUNDS", 1)


@pytest.mark.usefixtures("few_probes")
def test_a_calibrated_host_is_predicted_before_and_beside_a_measurement(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["calibrate", "--target", "local:", "--runtime", "executorch", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert (made["profile"], made["tables"][0]["runtime"]) == ("x86-64", "executorch")
    assert 0.5 < made["copy_bandwidth_gb_s"] < 500

    line = ["predict", str(bundle), "--profile", "x86-64", "--runtime", "executorch", "--json"]
    assert main(line) in (0, 1)
    (predicted,) = json.loads(capsys.readouterr().out)["predictions"]
    assert predicted["source"] == "calibrated on local"
    assert predicted["low_ms"] < predicted["latency_ms"] < predicted["high_ms"]
    assert predicted["roof"]["bandwidth_gb_s"] == pytest.approx(2 * made["copy_bandwidth_gb_s"])

    assert main(["bench", str(bundle), "--target", "local:", "--runtime", "executorch", "--quick", "--json"]) == 0
    measured = json.loads(capsys.readouterr().out)
    beside = measured["predicted"]
    assert beside["source"] == "calibrated on local"
    assert beside["latency_ms"] == pytest.approx(measured["latency_ms"]["p50"], rel=1.0)
    assert beside["peak_memory_bytes"] == pytest.approx(measured["peak_rss_bytes"], rel=0.3)


def test_a_bundle_and_its_recipe_are_predicted_from_facts_alone(
    bundle: Path, recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = {}
    for subject in (bundle, recipe):
        main(["predict", str(subject), "--profile", "raspberry-pi-zero-2-w", "--length", "12", "--json"])
        found[subject] = json.loads(capsys.readouterr().out)["predictions"]
    assert [each["runtime"] for each in found[bundle]] == ["executorch", "litert"]
    for built, planned in zip(found[bundle], found[recipe], strict=True):
        assert "facts of raspberry-pi-zero-2-w alone" in built["source"]
        assert planned["latency_ms"] == pytest.approx(built["latency_ms"], rel=0.1)
        assert sum(built["by_limit"].values()) == pytest.approx(built["latency_ms"])


def test_a_bundles_report_has_a_roof_for_each_artifact_on_the_device_it_was_built_for(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(bundle), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    profile = found["manifest"]["profile"]
    assert [(each["runtime"], each["profile"]) for each in found["predictions"]] == [
        (artifact["runtime"], profile) for artifact in found["manifest"]["artifacts"]
    ]
    assert all(each["roof"]["points"] for each in found["predictions"])


def test_the_bundle_says_what_each_artifact_computes(bundle: Path) -> None:
    for artifact in Bundle.open(bundle).manifest.artifacts:
        assert artifact.structure is not None
        assert {"linear", "matmul", "softmax"} <= {each.kind for each in artifact.structure.operators}
        assert artifact.structure.weight_bytes(int8=True) < artifact.bytes


def test_a_runtime_that_is_not_priced_and_images_before_a_build_are_refused(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", str(bundle), "--profile", "raspberry-pi-4", "--runtime", "onnx"]) == 2
    assert "has nothing for onnx; it has executorch, litert" in capsys.readouterr().err
    assert main(["predict", "digits", "--profile", "raspberry-pi-4"]) == 2
    assert "build it and predict the bundle" in capsys.readouterr().err
    assert main(["predict", str(bundle), "--profile", "raspberry-pi-4", "--emulated"]) == 2
    assert "edgewright calibrate --target emulated://raspberry-pi-4" in capsys.readouterr().err
