import base64
import json
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest

from edgewright.measure.job import (
    ALIGNMENT,
    CALLS,
    COLD_JOB,
    JOB,
    TENSORS,
    calls_document,
    calls_line,
    job_document,
    job_on,
    little_endian,
)
from edgewright.measure.protocol import Protocol, RemoteArtifact, RunOptions
from edgewright.specs.signature import Axis, Method, Signature, Tensor
from tests.measure.examples import TWO_CALLS, ThisMachine

SIGNATURE = Signature(
    methods=(
        Method(
            name="decode",
            inputs=(
                Tensor(name="ids", dtype="int32", shape=(1, Axis(name="length", most=8, buckets=(4, 8)))),
                Tensor(name="scale", dtype="float16", shape=()),
            ),
            outputs=(Tensor(name="logits", dtype="float32", shape=(1, 3)),),
            state=("kv",),
        ),
    ),
    state=(Tensor(name="kv", dtype="float32", shape=(2, 5)),),
)
CALL = SIGNATURE.method("decode").call(
    {"ids": np.array([[7, 8, 9]], dtype=np.int32), "scale": np.array(0.5, dtype=np.float16)}
)


def test_paths_stay_relative_where_a_targets_home_is() -> None:
    there = RemoteArtifact(path=PurePosixPath(".edgewright/bundles/ab/model.pte"), sha256="0" * 64, size_bytes=1)
    job = job_document(there, PurePosixPath(".edgewright/jobs/cd"), Protocol(), 2)
    assert job["artifact"] == "../../bundles/ab/model.pte"


def test_each_call_is_sampled_at_least_three_times() -> None:
    there = RemoteArtifact(path=PurePosixPath("/model.pte"), sha256="0" * 64, size_bytes=1)
    assert job_document(there, PurePosixPath("/jobs"), Protocol.instructions(), 50)["samples"] == 150


def test_calls_name_their_tensors_and_point_to_their_bytes_each_where_it_may_begin() -> None:
    document, content = calls_document([CALL, CALL], SIGNATURE.state)
    assert document["state"] == [{"name": "kv", "dtype": "float32", "shape": [2, 5]}]
    first, second = (each for each in json.loads(json.dumps(document))["calls"])
    assert (first["entry"], first["outputs"], first["state"], first["reset"]) == (
        "decode_length_4", ["logits"], ["kv"], False,
    )  # fmt: skip
    for call in (first, second):
        ids, scale = call["inputs"]
        assert (ids["name"], ids["dtype"], ids["shape"], ids["file"]) == ("ids", "int32", [1, 4], TENSORS)
        assert np.frombuffer(content, dtype="<i4", count=4, offset=ids["offset"]).tolist() == [7, 8, 9, 0]
        assert (scale["dtype"], scale["shape"]) == ("float16", [])
        assert np.frombuffer(content, dtype="<f2", count=1, offset=scale["offset"]).tolist() == [0.5]
        assert ids["offset"] % ALIGNMENT == scale["offset"] % ALIGNMENT == 0


def test_a_line_carries_the_same_calls_with_their_bytes_in_it() -> None:
    document: Any = calls_line([CALL], SIGNATURE.state)
    ids, scale = document["calls"][0]["inputs"]
    assert np.frombuffer(base64.b64decode(ids["data"]), dtype="<i4").tolist() == [7, 8, 9, 0]
    assert base64.b64decode(scale["data"]) == np.array(0.5, dtype="<f2").tobytes()
    assert "file" not in ids
    assert document["state"] == calls_document([CALL], SIGNATURE.state)[0]["state"]


@pytest.mark.parametrize("array", [np.arange(6).reshape(2, 3).T, np.arange(6, dtype=">i4"), np.array(7, dtype=np.int8)])
def test_numbers_are_written_little_endian_and_the_last_axis_first(array: np.ndarray) -> None:
    written = np.frombuffer(little_endian(array), dtype=array.dtype.newbyteorder("<"))
    assert written.tolist() == array.ravel().tolist()


def test_a_job_lies_in_a_directory_of_its_own_and_goes_with_it(tmp_path: Path) -> None:
    there = RemoteArtifact(path=PurePosixPath("/model.pte"), sha256="0" * 64, size_bytes=1, state=SIGNATURE.state)
    options = RunOptions(threads=2, cores=(1,), profile=True, etdump=tmp_path / "dump")
    with job_on(ThisMachine(tmp_path), there, [CALL], Protocol(cold=True), options) as job:
        folder = Path(job).parent
        assert {each.name for each in folder.iterdir()} == {JOB, COLD_JOB, CALLS, TENSORS}
        usual, cold = (json.loads((folder / name).read_text()) for name in (JOB, COLD_JOB))
        assert json.loads((folder / CALLS).read_text())["state"][0]["name"] == "kv"
        assert (usual["threads"], usual["cores"], usual["profile"]) == (2, [1], True)
        assert (cold["cold"], cold["samples"], cold["profile"]) == (True, 0, False)
        assert "etdump" in usual
        assert "etdump" not in cold
    assert list((tmp_path / "jobs").iterdir()) == []


def test_calls_without_state_name_none() -> None:
    document: Any = calls_document(TWO_CALLS)[0]
    assert (document["state"], document["calls"][0]["state"]) == ([], [])
