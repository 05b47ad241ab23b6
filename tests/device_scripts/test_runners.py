"""All runners, built and run for real on this machine, must answer the same jobs in the same way."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.device_scripts.artifacts import (
    BROKEN_TOKEN,
    INPUTS,
    Artifact,
    expected,
    image_artifact_for,
    images,
    tiny_image_model,
    write_image_job,
    write_job,
)
from tests.device_scripts.conftest import Run


def test_outputs_are_those_of_torch_whatever_the_length(tmp_path: Path, artifact: Artifact, run: Run) -> None:
    ran = run(write_job(tmp_path, artifact))
    assert ran.status == 0
    assert len(ran.document["outputs"]) == len(INPUTS)
    for found, meant in zip(ran.document["outputs"], expected(), strict=True):
        assert found == pytest.approx(meant, abs=1e-5)


def test_a_result_tells_times_memory_and_what_ran(tmp_path: Path, artifact: Artifact, run: Run) -> None:
    result = run(write_job(tmp_path, artifact)).document
    assert (result["schema"], result["runtime"], result["sha256"]) == (1, artifact.runtime, artifact.sha256)
    assert result["runtime_version"][0].isdigit()
    assert result["load_ms"] > 0
    assert result["first_inference_ms"] > 0
    assert all(sample > 0 for sample in result["latency_ms"])
    phases = result["memory"]
    assert [each["phase"] for each in phases] == ["start", "loaded", "first", "steady"]
    for each in phases:
        assert 0 < each["anonymous_bytes"] < each["rss_bytes"] <= each["peak_bytes"] <= result["peak_rss_bytes"]
        assert each["anonymous_bytes"] + each["file_bytes"] == pytest.approx(each["rss_bytes"], rel=0.02)
    assert phases[0]["rss_bytes"] < phases[1]["rss_bytes"]
    assert result["peak_rss_bytes"] == max(each["peak_bytes"] for each in phases) < 100 << 20
    spent = result["sampling"]
    assert 0 < spent["own_cpu_s"] <= 1.5 * spent["seconds"] + 0.02
    assert spent["all_cpu_s"] >= 0
    assert spent["suspended_s"] < 0.01
    assert [state["s"] for state in spent["states"]] == sorted(state["s"] for state in spent["states"])


def test_sampling_ends_with_a_whole_pass_over_the_inputs(tmp_path: Path, artifact: Artifact, run: Run) -> None:
    assert len(run(write_job(tmp_path, artifact, samples=10)).document["latency_ms"]) == 12


def test_no_samples_are_taken_when_none_are_asked_for(tmp_path: Path, artifact: Artifact, run: Run) -> None:
    result = run(write_job(tmp_path, artifact, samples=0, warmup_s=50.0)).document
    assert result["latency_ms"] == []
    assert len(result["outputs"]) == len(INPUTS)


def test_sampling_goes_on_for_the_least_time_and_stops_at_the_most(
    tmp_path: Path, artifact: Artifact, run: Run
) -> None:
    longer = run(write_job(tmp_path, artifact, samples=1, min_seconds=0.05)).document["latency_ms"]
    assert len(longer) > len(INPUTS)
    assert len(run(write_job(tmp_path, artifact, samples=1000, max_seconds=0.0)).document["latency_ms"]) == 1


def test_two_threads_give_the_same_outputs(tmp_path: Path, artifact: Artifact, run: Run) -> None:
    result = run(write_job(tmp_path, artifact, threads=2)).document
    assert result["threads"] == 2
    assert result["outputs"][0] == pytest.approx(expected()[0], abs=1e-5)


def test_relative_paths_start_at_the_job_and_not_at_the_working_directory(
    tmp_path: Path, artifact: Artifact, run: Run
) -> None:
    (tmp_path / "job").mkdir()
    (tmp_path / "bundle").mkdir()
    shutil.copy(artifact.path, tmp_path / "bundle" / "model")
    write_job(tmp_path / "job", artifact, artifact="../bundle/model")
    assert run(Path("job/job.json"), cwd=tmp_path).status == 0


def test_an_artifact_with_one_flipped_bit_is_refused_before_it_is_loaded(
    tmp_path: Path, artifact: Artifact, run: Run
) -> None:
    data = bytearray(artifact.path.read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "altered").write_bytes(data)
    ran = run(write_job(tmp_path, artifact, artifact="altered"))
    assert ran.status == 1
    assert ran.document["error"]["kind"] == "hash-mismatch"
    assert artifact.sha256 in ran.document["error"]["message"]
    assert hashlib.sha256(data).hexdigest() in ran.document["error"]["message"]


@pytest.mark.parametrize("content", [b"", b"no model at all" * 50, b"\0" * 4096])
def test_a_file_that_is_no_model_is_a_bad_artifact(
    tmp_path: Path, artifact: Artifact, run: Run, content: bytes
) -> None:
    (tmp_path / "model").write_bytes(content)
    ran = run(write_job(tmp_path, artifact, artifact="model", sha256=hashlib.sha256(content).hexdigest()))
    assert (ran.status, ran.document["error"]["kind"]) == (1, "bad-artifact")


def test_a_model_cut_in_half_is_a_bad_artifact(tmp_path: Path, artifact: Artifact, run: Run) -> None:
    half = artifact.path.read_bytes()[: artifact.path.stat().st_size // 2]
    (tmp_path / "model").write_bytes(half)
    ran = run(write_job(tmp_path, artifact, artifact="model", sha256=hashlib.sha256(half).hexdigest()))
    assert (ran.status, ran.document["error"]["kind"]) == (1, "bad-artifact")


def test_a_missing_artifact_is_a_bad_artifact(tmp_path: Path, artifact: Artifact, run: Run) -> None:
    ran = run(write_job(tmp_path, artifact, artifact="nothing.here"))
    assert (ran.status, ran.document["error"]["kind"]) == (1, "bad-artifact")
    assert "nothing.here" in ran.document["error"]["message"]


def test_an_output_that_is_not_a_number_is_named(tmp_path: Path, artifact: Artifact, run: Run) -> None:
    ran = run(write_job(tmp_path, artifact, inputs=[[1, 2], [3, BROKEN_TOKEN, 4]]))
    assert (ran.status, ran.document["error"]["kind"]) == (1, "run-failed")
    assert ran.document["error"]["message"] == "output value 0 of input 1 is not a number"


def test_an_input_longer_than_the_artifact_takes_is_refused_with_both_numbers(
    tmp_path: Path, artifact: Artifact, run: Run
) -> None:
    ran = run(write_job(tmp_path, artifact, inputs=[[1, 2], [1] * 17]))
    assert ran.document["error"] == {"kind": "bad-job", "message": "input 1 has 17 ids; the artifact takes at most 16"}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"schema": 2}, "schema"),
        ({"artifact": ""}, "artifact"),
        ({"artifact": 7}, "artifact"),
        ({"sha256": "ABC"}, "sha256"),
        ({"threads": 0}, "threads"),
        ({"threads": True}, "threads"),
        ({"threads": 10**30}, "threads"),
        ({"samples": -1}, "samples"),
        ({"samples": 1.5}, "samples"),
        ({"warmup_s": "long"}, "warmup_s"),
        ({"max_seconds": -1}, "max_seconds"),
        ({"max_seconds": None}, "max_seconds"),
        ({"vectors": None}, "vectors"),
        ({"lengths": None}, "lengths"),
        ({"lengths": "all"}, "lengths"),
        ({"sampels": 10}, "sampels"),
        ({"profile": "yes"}, "profile"),
        ({"profile": 1}, "profile"),
        ({"cold": "yes"}, "cold"),
        ({"cores": 1}, "cores"),
        ({"cores": [-1]}, "cores"),
        ({"cores": [1.5]}, "cores"),
        ({"cores": [1000]}, "cores"),
        ({"batch": 0}, "batch"),
        ({"batch": "2"}, "batch"),
    ],
)
def test_a_job_with_a_fault_names_the_field(
    tmp_path: Path, artifact: Artifact, run: Run, changes: dict[str, Any], named: str
) -> None:
    ran = run(write_job(tmp_path, artifact, **changes))
    assert (ran.status, ran.document["error"]["kind"]) == (1, "bad-job")
    assert f'"{named}"' in ran.document["error"]["message"]


@pytest.mark.parametrize("inputs", [[[]], [["a"]], [[-1]], [[1.5]], [[2**31]], [[True]], ["text"], {"a": 1}])
def test_inputs_that_are_not_lists_of_ids_are_refused(
    tmp_path: Path, artifact: Artifact, run: Run, inputs: Any
) -> None:
    ran = run(write_job(tmp_path, artifact, inputs=inputs))
    assert ran.document["error"]["kind"] == "bad-job"
    assert '"inputs"' in ran.document["error"]["message"]


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\xff\x00", "[" * 5000])
def test_a_job_that_is_no_json_object_is_refused(tmp_path: Path, artifact: Artifact, run: Run, text: str) -> None:
    (tmp_path / "job.json").write_bytes(text.encode("latin-1"))
    ran = run(tmp_path / "job.json")
    assert (ran.status, ran.document["error"]["kind"]) == (1, "bad-job")


def test_a_missing_job_is_refused(tmp_path: Path, run: Run) -> None:
    assert run(tmp_path / "job.json").document["error"]["kind"] == "bad-job"


def test_vectors_may_carry_large_outputs_that_the_runner_does_not_need(
    tmp_path: Path, artifact: Artifact, run: Run
) -> None:
    job = write_job(tmp_path, artifact, samples=0)
    (tmp_path / "vectors.json").write_text(json.dumps({"outputs": [[0.5] * 500] * 500, "inputs": INPUTS}))
    ran = run(job)
    assert ran.status == 0
    if artifact.runtime == "executorch":
        assert ran.document["peak_rss_bytes"] < 16 << 20


@pytest.mark.parametrize("artifact", ["executorch", "onnx"], indirect=True)
def test_a_profile_tells_each_operator_and_adds_up_to_no_more_than_the_whole(
    tmp_path: Path, artifact: Artifact, run: Run
) -> None:
    result = run(write_job(tmp_path, artifact, profile=True)).document
    operators = {(each["name"], each["delegated"]): each for each in result["operators"]}
    assert len(operators) == len(result["operators"])
    assert all(each["ms"] >= 0 and each["calls"] >= 0 for each in operators.values())
    own = sum(each["ms"] for each in operators.values() if not each["delegated"])
    assert 0 < own <= result["profiled_ms"] * 1.001
    if artifact.runtime == "executorch":
        inside = sum(each["ms"] for each in operators.values() if each["delegated"])
        whole = operators["DELEGATE_CALL", False]
        assert whole["calls"] >= 1
        assert inside <= whole["ms"] * 1.01
        assert ("embedding.out", False) in operators
    else:
        assert {name for name, _ in operators} >= {"Gather"}
    assert len(result["outputs"]) == len(INPUTS)
    assert result["latency_ms"]


@pytest.mark.parametrize("artifact", ["litert"], indirect=True)
def test_a_runtime_that_does_not_tell_its_operators_gives_the_rest(
    tmp_path: Path, artifact: Artifact, run: Run
) -> None:
    result = run(write_job(tmp_path, artifact, profile=True)).document
    assert "operators" not in result
    assert result["latency_ms"]


@pytest.mark.parametrize("artifact", ["litert"], indirect=True)
def test_a_litert_artifact_without_the_signature_says_which_it_has(
    tmp_path: Path, artifact: Artifact, run: Run
) -> None:
    ran = run(write_job(tmp_path, artifact, lengths=[4, 8, 16]))
    assert ran.document["error"]["kind"] == "bad-artifact"
    assert "length_16" in ran.document["error"]["message"]


@pytest.mark.parametrize("artifact", ["onnx"], indirect=True)
def test_an_onnx_artifact_that_does_not_say_how_long_a_text_may_be_is_refused(
    tmp_path: Path, artifact: Artifact, run: Run
) -> None:
    import onnx

    model = onnx.load(artifact.path)
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "model")
    sha256 = hashlib.sha256((tmp_path / "model").read_bytes()).hexdigest()
    ran = run(write_job(tmp_path, artifact, artifact="model", sha256=sha256))
    assert ran.document["error"] == {"kind": "bad-artifact", "message": 'the model\'s metadata give no "max_length"'}


@pytest.mark.parametrize("artifact", ["onnx"], indirect=True)
def test_an_onnx_artifact_of_another_interface_is_refused_with_what_it_takes(
    tmp_path: Path, artifact: Artifact, run: Run
) -> None:
    import onnx

    model = onnx.load(artifact.path)
    for node in model.graph.node:
        node.output[:] = ["vector" if name == "output" else name for name in node.output]
    model.graph.output[0].name = "vector"
    onnx.save(model, tmp_path / "model")
    sha256 = hashlib.sha256((tmp_path / "model").read_bytes()).hexdigest()
    ran = run(write_job(tmp_path, artifact, artifact="model", sha256=sha256))
    assert ran.document["error"]["kind"] == "bad-artifact"
    assert "('vector', 'tensor(float)')" in ran.document["error"]["message"]


@pytest.mark.parametrize("arguments", [[], ["litert"], ["tensorrt", "job.json"], ["job.json", "onnx"]])
def test_the_python_runner_without_a_runtime_it_knows_and_a_job_is_refused(arguments: list[str]) -> None:
    script = Path(__file__).parents[2] / "device_scripts" / "python_runner.py"
    ended = subprocess.run(
        [sys.executable, script, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 1
    assert (
        json.loads(ended.stdout)["error"]["message"]
        == "give two arguments: litert or tflite or onnx, and the path of a job file"
    )


def test_images_are_read_from_their_bytes(tmp_path: Path, artifact: Artifact, run: Run) -> None:
    import torch

    ran = run(write_image_job(tmp_path, image_artifact_for(artifact.runtime)))
    assert ran.status == 0, ran.document
    with torch.no_grad():
        meant = tiny_image_model()(torch.from_numpy(images())).tolist()
    assert len(ran.document["outputs"]) == len(meant) == 5
    for found, wanted in zip(ran.document["outputs"], meant, strict=True):
        assert found == pytest.approx(wanted, abs=1e-5)
    assert len(ran.document["latency_ms"]) == 10


@pytest.mark.parametrize(
    ("content", "described", "said"),
    [
        (None, {"count": 7}, "into 7 images"),
        (b"", {}, "into 5 images"),
        (bytes(5 * 71), {}, "71 bytes; the artifact takes 72"),
        (None, {"count": 0}, '"count" must be an integer from 1'),
        (None, {"count": True}, '"count" must be an integer from 1'),
        (None, {"file": "other.bin"}, "cannot read"),
        (None, {"file": ""}, "file"),
    ],
)
def test_images_that_cannot_be_read_are_a_bad_job(
    tmp_path: Path, artifact: Artifact, run: Run, content: bytes | None, described: dict[str, Any], said: str
) -> None:
    ran = run(write_image_job(tmp_path, image_artifact_for(artifact.runtime), content, **described))
    assert ran.status == 1
    assert ran.document["error"]["kind"] == "bad-job"
    assert said in ran.document["error"]["message"]


def test_images_for_texts_and_texts_for_images_are_told(tmp_path: Path, artifact: Artifact, run: Run) -> None:
    texts, pictures = tmp_path / "texts", tmp_path / "pictures"
    texts.mkdir()
    pictures.mkdir()
    for job in (write_image_job(texts, artifact), write_job(pictures, image_artifact_for(artifact.runtime))):
        ran = run(job)
        assert ran.status == 1
        assert ran.document["error"]["kind"] in ("bad-job", "bad-artifact")
