"""The verbs `compare` and `gate`: what a reference names, what may be compared, and the exit code of a decision."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from edgewright.cli.main import main
from edgewright.cli.verbs.compare import is_bundle, measured, number_of
from edgewright.errors import InputError
from edgewright.store.history import History
from tests.cli.stand_ins import document
from tests.report.documents import bench


def saved(folder: Path, stem: str, **changes: Any) -> str:
    place = folder / f"{stem}.json"
    place.write_text(json.dumps(bench(**changes)))
    return str(place)


def test_two_measurements_are_compared_by_their_files(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    found = document(capfd, "compare", saved(tmp_path, "one"), saved(tmp_path, "two", slower=1.5, seed=1))
    (latency,) = (each for each in found["differences"] if each["name"].startswith("latency"))
    assert latency["change_percent"] == pytest.approx(50, abs=2)
    assert found["obstacles"] == []


def test_what_is_unlike_is_compared_by_force_alone(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    line = ("compare", saved(tmp_path, "one"), saved(tmp_path, "two", threads=4))
    error = document(capfd, *line, status=2)["error"]
    assert "should not be compared: they have other numbers of threads: 1 and 4; make them again" in error["message"]
    assert document(capfd, *line, "--force")["obstacles"] == ["they have other numbers of threads: 1 and 4"]


def test_a_bundle_and_a_measurement_are_two_kinds(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bundle").mkdir()
    for pair in ((saved(tmp_path, "one"), str(tmp_path / "bundle")), (str(tmp_path / "bundle"), "latest")):
        message = document(capfd, "compare", *pair, status=2)["error"]["message"]
        assert message.startswith(f"{tmp_path / 'bundle'} is a bundle and ")


def test_a_reference_is_a_number_the_latest_a_commit_or_a_file(tmp_path: Path) -> None:
    with History() as history:
        first = history.add("bench", bench(name="first")).id
        history.add("bench", bench(name="second"))
        assert measured(str(first), history).name == "first"
        assert measured("latest", history).name == "second"
        assert measured(saved(tmp_path, "third", name="third"), history).name == "third"
        for reference in ("commit:0000000", "nowhere.json", "999"):
            with pytest.raises(InputError):
                measured(reference, history)


def test_without_any_measurement_the_latest_is_told_to_be_missing() -> None:
    with (
        History() as history,
        pytest.raises(InputError, match="no measurement for 'latest'; `edgewright history list`"),
    ):
        measured("latest", history)


def test_a_folder_or_an_archive_is_a_bundle_and_a_document_is_none(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"")
    assert is_bundle(str(tmp_path))
    assert is_bundle(str(tmp_path / "x.zip"))
    assert not is_bundle(saved(tmp_path, "one"))
    assert not is_bundle(str(tmp_path / "none.zip"))


@pytest.mark.parametrize(("text", "number"), [(None, None), ("3", 3), (" 3% ", 3), ("0.5", 0.5), ("0", 0)])
def test_a_limit_is_a_number_or_a_share(text: str | None, number: float | None) -> None:
    assert number_of("--max-slowdown", text) == number


@pytest.mark.parametrize("text", ["", "-1", "three", "3%%", "nan", "1e999", "3 %x"])
def test_a_limit_that_is_none_is_told_with_its_flag(text: str) -> None:
    with pytest.raises(InputError, match=r"--max-slowdown is .*; give a number such as 3"):
        number_of("--max-slowdown", text)


@pytest.mark.parametrize(("limit", "status"), [("3%", 1), ("60%", 0)])
def test_a_gate_ends_with_1_only_where_the_whole_interval_is_beyond(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], limit: str, status: int
) -> None:
    before, after = saved(tmp_path, "one"), saved(tmp_path, "two", slower=1.5, seed=1)
    junit, markdown = tmp_path / "gate.xml", tmp_path / "gate.md"
    line = ("gate", after, "--baseline", before, "--max-slowdown", limit)
    found = document(capfd, *line, "--junit", str(junit), "--markdown", str(markdown), status=status)
    assert found["passed"] is (status == 0)
    assert ElementTree.parse(junit).getroot().get("failures") == str(status)
    assert ("gate: passed" in markdown.read_text()) is (status == 0)
    assert main([*line]) == status
    assert ("gate passed" in capfd.readouterr().out) is (status == 0)


def test_a_gate_without_a_limit_decides_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    place = saved(tmp_path, "one")
    assert "at least one limit" in document(capfd, "gate", place, "--baseline", place, status=2)["error"]["message"]
