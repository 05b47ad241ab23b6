"""A measurement that was kept: any document is read, or refused with every fault."""

import json
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewright.errors import InputError, InvalidFileError
from edgewright.report.measured import measured_of, read_measured
from tests.report.documents import bench


def test_samples_are_known_by_process_and_by_input() -> None:
    found = measured_of(bench(inputs=2, rounds=10), "new.json")
    assert [len(run) for run in found.latency_by_run] == [4] * 5
    assert [[len(of_input) for of_input in run] for run in found.grouped_ms] == [[2, 2]] * 5
    assert tuple(chain.from_iterable(found.latency_by_run)) == found.latency_ms.samples


def test_every_fault_of_a_document_is_told_with_its_place() -> None:
    broken = bench(threads=0, peak_rss_bytes="much")
    broken["artifact"].pop("sha256")
    with pytest.raises(InvalidFileError) as caught:
        measured_of(broken, "new.json")
    assert {place for place, _ in caught.value.faults} == {"threads", "peak_rss_bytes", "artifact.sha256"}
    with pytest.raises(InvalidFileError, match="the runs have 100 samples, latency_ms has 1"):
        measured_of(bench(latency_ms={"samples": [1.0]}), "new.json")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"[]", b'"text"', b"null"])
def test_a_file_that_is_no_measurement_is_told(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "new.json"
    file.write_bytes(content)
    with pytest.raises(InputError, match="measurement"):
        read_measured(file)


def test_a_measurement_in_a_file_is_read_as_it_was_printed(tmp_path: Path) -> None:
    file = tmp_path / "new.json"
    file.write_text(json.dumps(bench()))
    assert read_measured(file) == measured_of(bench(), "")


leaves = st.none() | st.booleans() | st.floats() | st.text()
names = st.sampled_from(sorted(bench()))


@given(st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(names, inner)))
def test_any_document_is_either_read_or_refused_with_its_faults(document: Any) -> None:
    with pytest.raises(InvalidFileError):
        measured_of(document, "somewhere")
