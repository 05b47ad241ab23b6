"""All runners, built and run for real on this machine, must answer the same jobs in the same way."""

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.device_scripts.artifacts import (
    BROKEN_TOKEN,
    INPUTS,
    Artifact,
    calls_for,
    change_calls,
    expected,
    image_artifact_for,
    images,
    rows_in,
    tiny_image_model,
    write_calls_job,
    write_job,
)
from tests.device_scripts.conftest import Run


def test_outputs_are_those_of_torch_whatever_the_length(tmp_path: Path, artifact: Artifact, run: Run) -> None:
    ran = run(write_job(tmp_path, artifact))
    assert ran.status == 0
    assert len(ran.document["outputs"]) == len(INPUTS)
    for found, meant in zip(rows_in(ran.document), expected(), strict=True):
        assert found == pytest.approx(meant, abs=1e-5)


def test_a_result_tells_times_memory_and_what_ran(tmp_path: Path, artifact: Artifact, run: Run) -> None:
    result = run(write_job(tmp_path, artifact)).document
    assert (result["schema"], result["runtime"], result["sha256"]) == (2, artifact.runtime, artifact.sha256)
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
    assert rows_in(result)[0] == pytest.approx(expected()[0], abs=1e-5)


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
    assert ran.document["error"]["message"] == 'value 0 of the output "output" of call 1 is not a number'


def longer(document: dict[str, Any]) -> None:
    """The second call takes one number more than the first kind of call allows."""
    tensor = document["calls"][1]["inputs"][0]
    tensor["shape"] = [1, 17]


def test_a_shape_larger_than_the_artifact_takes_is_refused_with_both(
    tmp_path: Path, artifact: Artifact, run: Run
) -> None:
    job = write_job(tmp_path, artifact, inputs=[[1, 2], [1] * 16, [1] * 16])
    change_calls(tmp_path, longer)
    error = run(job).document["error"]
    assert error["kind"] == "bad-job"
    assert 'the tensor "ids" of call 1 has shape (1, 17); the artifact takes ' in error["message"]
    assert "16)" in error["message"]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"schema": 1}, "schema"),
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
        ({"calls": None}, "calls"),
        ({"calls": 7}, "calls"),
        ({"sampels": 10}, "sampels"),
        ({"profile": "yes"}, "profile"),
        ({"profile": 1}, "profile"),
        ({"cold": "yes"}, "cold"),
        ({"cores": 1}, "cores"),
        ({"cores": [-1]}, "cores"),
        ({"cores": [1.5]}, "cores"),
        ({"cores": [1000]}, "cores"),
        ({"batch": 1}, "batch"),
        ({"vectors": "vectors.json"}, "vectors"),
    ],
)
def test_a_job_with_a_fault_names_the_field(
    tmp_path: Path, artifact: Artifact, run: Run, changes: dict[str, Any], named: str
) -> None:
    ran = run(write_job(tmp_path, artifact, **changes))
    assert (ran.status, ran.document["error"]["kind"]) == (1, "bad-job")
    assert f'"{named}"' in ran.document["error"]["message"]


def call(**fields: Any) -> Callable[[dict[str, Any]], None]:
    return lambda document: document["calls"][1].update(fields)


def tensor(**fields: Any) -> Callable[[dict[str, Any]], None]:
    return lambda document: document["calls"][1]["inputs"][0].update(fields)


def document(**fields: Any) -> Callable[[dict[str, Any]], None]:
    return lambda document: document.update(fields)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (document(schema=1), '"schema" must be 2'),
        (document(calls=[]), '"calls" must be a list that is not empty'),
        (document(calls={}), '"calls" must be a list'),
        (document(images=[]), '"images" is not a field'),
        (document(calls=[7]), "call 0 must be an object"),
        (document(state=[{"name": "kv", "dtype": "float32", "shape": [1 << 20, 1 << 20]}]), "more than 1 GB"),
        (document(state=[{"name": "kv", "dtype": "float32", "shape": [1]}] * 2), 'the tensor "kv" twice'),
        (call(entry=""), 'call 1 has a "entry" that is no text'),
        (call(entry=["forward"]), 'call 1 has a "entry" that is no text'),
        (call(inputs=None), '"inputs" must be a list'),
        (call(outputs=[1]), 'call 1 has a "name" that is no text'),
        (call(outputs=["output", "output"]), 'call 1 names the'),
        (call(outputs="output"), '"outputs" must be a list'),
        (call(state=["kv"]), 'call 1 names the state "kv", which is not there'),
        (call(reset=1), '"reset" that is true or false'),
        (call(batch=2), 'call 1 has a field "batch" that no call has'),
        (tensor(name=7), 'call 1 has a "name" that is no text'),
        (tensor(dtype="complex64"), '"dtype" that is none of jobs'),
        (tensor(shape=[1, 0]), '"shape" must be a list'),
        (tensor(shape=[1, 2.5]), '"shape" must be a list'),
        (tensor(shape=[1, True]), '"shape" must be a list'),
        (tensor(shape=[1] * 17), '"shape" must be a list'),
        (tensor(shape=[2**40]), '"shape" must be a list'),
        (tensor(shape=[2**31 - 1, 2**31 - 1]), "more than 1 GB"),
        (tensor(shape="all"), '"shape" must be a list'),
        (tensor(offset=-1), '"offset" is no multiple of'),
        (tensor(offset=1), '"offset" is no multiple of'),
        (tensor(offset=True), '"offset" is no multiple of'),
        (tensor(offset=1 << 40), "beyond the end of its file"),
        (tensor(offset=1 << 62), "beyond the end of its file"),
        (tensor(file="other.bin"), "cannot read"),
        (tensor(file=""), 'call 1 has a "file" that is no text'),
        (tensor(data="AAAA"), 'a field "data" that no tensor has here'),
    ],
)  # fmt: skip
def test_calls_with_a_fault_are_a_bad_job_that_names_it(
    tmp_path: Path, artifact: Artifact, run: Run, change: Callable[[dict[str, Any]], None], said: str
) -> None:
    job = write_job(tmp_path, artifact)
    change_calls(tmp_path, change)
    ran = run(job)
    assert (ran.status, ran.document["error"]["kind"]) == (1, "bad-job")
    assert said in ran.document["error"]["message"]


@pytest.mark.parametrize(
    ("change", "kind", "said"),
    [
        (call(entry="backward"), "bad-artifact", "there is no entry"),
        (call(inputs=[]), "bad-job", "call 1"),
        (call(outputs=[]), "bad-job", "call 1"),
        (call(outputs=["output", "more"]), "bad-job", "call 1"),
        (tensor(dtype="float32", shape=[1, 2]), "bad-job", 'tensor "ids" of call 1 is float32; the artifact takes int'),
        (tensor(shape=[1, 1, 2]), "bad-job", 'the tensor "ids" of call 1 has shape (1, 1, 2); the artifact takes '),
        (tensor(shape=[2, 1]), "bad-job", 'the tensor "ids" of call 1 has shape (2, 1); the artifact takes '),
    ],
)  # fmt: skip
def test_what_is_not_in_the_artifact_is_told_in_one_sentence(
    tmp_path: Path, artifact: Artifact, run: Run, change: Callable[[dict[str, Any]], None], kind: str, said: str
) -> None:
    job = write_job(tmp_path, artifact)
    change_calls(tmp_path, change)
    ran = run(job)
    assert (ran.status, ran.document["error"]["kind"]) == (1, kind)
    assert said in ran.document["error"]["message"]
    assert "\n" not in ran.document["error"]["message"]


@pytest.mark.parametrize("artifact", ["litert", "tflite", "onnx"], indirect=True)
@pytest.mark.parametrize("change", [tensor(name="pixels"), call(outputs=["vector"])])
def test_a_runtime_whose_files_have_names_checks_them(
    tmp_path: Path, artifact: Artifact, run: Run, change: Callable[[dict[str, Any]], None]
) -> None:
    job = write_job(tmp_path, artifact)
    change_calls(tmp_path, change)
    error = run(job).document["error"]
    assert error["kind"] == "bad-job"
    assert "'ids'" in error["message"] or "'output'" in error["message"]


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\xff\x00", "[" * 5000])
def test_a_job_that_is_no_json_object_is_refused(tmp_path: Path, artifact: Artifact, run: Run, text: str) -> None:
    (tmp_path / "job.json").write_bytes(text.encode("latin-1"))
    ran = run(tmp_path / "job.json")
    assert (ran.status, ran.document["error"]["kind"]) == (1, "bad-job")


def test_a_missing_job_is_refused(tmp_path: Path, run: Run) -> None:
    assert run(tmp_path / "job.json").document["error"]["kind"] == "bad-job"


def test_what_a_job_takes_to_read_is_little(tmp_path: Path, artifact: Artifact, run: Run) -> None:
    ran = run(write_job(tmp_path, artifact, inputs=INPUTS * 300, samples=0))
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
    ran = run(write_calls_job(tmp_path, artifact, calls_for(replace(artifact, lengths=(4, 8, 16)))))
    assert ran.document["error"]["kind"] == "bad-artifact"
    assert "forward_length_4" in ran.document["error"]["message"]
    assert "forward_length_16" in ran.document["error"]["message"]


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
    assert ran.document["error"]["kind"] == "bad-job"
    assert "float32 'vector' (1, 8)" in ran.document["error"]["message"]


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


def test_bytes_of_any_rank_are_taken(tmp_path: Path, artifact: Artifact, run: Run) -> None:
    import torch

    ran = run(write_job(tmp_path, image_artifact_for(artifact.runtime), inputs=images()))
    assert ran.status == 0, ran.document
    with torch.no_grad():
        meant = tiny_image_model()(torch.from_numpy(images())).tolist()
    assert len(ran.document["outputs"]) == len(meant) == 5
    for found, wanted in zip(rows_in(ran.document), meant, strict=True):
        assert found == pytest.approx(wanted, abs=1e-5)
    assert len(ran.document["latency_ms"]) == 10


@pytest.mark.parametrize("shape", [[1, 6, 4, 2], [1, 3, 4, 3], [1, 72]])
def test_a_shape_that_a_fixed_one_does_not_allow_is_refused_with_both(
    tmp_path: Path, artifact: Artifact, run: Run, shape: list[int]
) -> None:
    job = write_job(tmp_path, image_artifact_for(artifact.runtime), inputs=images())
    change_calls(tmp_path, tensor(shape=shape))
    error = run(job).document["error"]
    assert error["kind"] == "bad-job"
    asked = f"({', '.join(map(str, shape))})"
    assert f'the tensor "pixels" of call 1 has shape {asked}; the artifact takes ' in error["message"]
    assert "(1, 6, 4, 3)" in error["message"]


def test_calls_of_one_artifact_given_to_another_are_told(tmp_path: Path, artifact: Artifact, run: Run) -> None:
    texts, pictures = tmp_path / "texts", tmp_path / "pictures"
    texts.mkdir()
    pictures.mkdir()
    for job in (
        write_job(texts, artifact, inputs=images()),
        write_job(pictures, replace(image_artifact_for(artifact.runtime), lengths=(16,))),
    ):
        ran = run(job)
        assert ran.status == 1
        assert ran.document["error"]["kind"] in ("bad-job", "bad-artifact")
