"""The verbs around the history: what is listed, shown, exported, compared and let through."""

import csv
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from pyarrow import parquet

from edgewright.bundles import bundle as bundles
from edgewright.bundles.schema import Manifest
from edgewright.bundles.vectors import VECTORS
from edgewright.cli.main import main
from edgewright.store.history import History
from tests.report.documents import bench
from tests.report.test_compression import manifest, whole_build


@pytest.fixture
def three() -> None:
    """A baseline, the same once more, and one that is a tenth slower and has lost a point."""
    with History() as history:
        history.add("bench", bench(), commit="aaa111")
        history.add("bench", bench(seed=1), commit="bbb222")
        history.add("bench", bench(slower=1.1, seed=2, score=0.9), commit="ccc333")


def printed(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> dict[str, Any]:
    assert main([*arguments, "--json"]) == status
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


@pytest.mark.usefixtures("three")
def test_entries_are_listed_filtered_and_shown_again(capsys: pytest.CaptureFixture[str]) -> None:
    assert [each["id"] for each in printed(capsys, "history", "list")["entries"]] == [3, 2, 1]
    assert [each["id"] for each in printed(capsys, "history", "list", "--limit", "1")["entries"]] == [3]
    assert [each["id"] for each in printed(capsys, "history", "list", "--commit", "bbb")["entries"]] == [2]
    assert printed(capsys, "history", "list", "--runtime", "litert")["entries"] == []
    assert printed(capsys, "history", "show", "1") == bench()
    assert main(["history", "list"]) == main(["history", "show", "2"]) == 0
    shown = capsys.readouterr().out
    assert "ccc333" in shown
    assert "executorch" in shown
    assert "latency p50 / p90 / p99" in shown


@pytest.mark.usefixtures("three")
def test_entries_are_exported_in_three_formats(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for suffix in ("json", "csv", "parquet"):
        file = tmp_path / f"all.{suffix}"
        assert printed(capsys, "history", "export", str(file)) == {"file": str(file), "entries": 3}
    entries = json.loads((tmp_path / "all.json").read_text())["entries"]
    assert [each["document"] for each in entries][-1] == bench()
    with (tmp_path / "all.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    table = parquet.read_table(tmp_path / "all.parquet").to_pylist()
    for row, cells, entry in zip(rows, table, entries, strict=True):
        assert row["name"] == cells["name"] == entry["name"] == "demo"
        assert float(row["p50_ms"]) == cells["p50_ms"] == entry["p50_ms"]
    assert sorted(each.name for each in tmp_path.iterdir() if each.is_file()) == ["all.csv", "all.json", "all.parquet"]
    assert main(["history", "export", str(tmp_path / "all.xlsx")]) == 2
    assert "no format of a history '.xlsx'" in capsys.readouterr().err


@pytest.mark.usefixtures("three")
def test_two_entries_are_compared_and_so_are_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "new.json"
    file.write_text(json.dumps(bench(slower=1.1, seed=2)))
    for after in ("3", "latest", "commit:ccc", str(file)):
        latency = printed(capsys, "compare", "1", after)["differences"][0]
        assert latency["low_percent"] < 10 < latency["high_percent"]
        assert latency["low_percent"] > 5
    assert main(["compare", "1", "3"]) == 0
    assert "peak memory" in capsys.readouterr().out


@pytest.mark.usefixtures("three")
def test_a_gate_lets_through_what_is_no_worse_and_stops_what_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    limits = ["--max-slowdown", "3%", "--max-score-drop", "0.5"]
    assert printed(capsys, "gate", "2", "--baseline", "1", *limits)["passed"] is True
    files = ["--junit", str(tmp_path / "gate.xml"), "--markdown", str(tmp_path / "gate.md")]
    stopped = printed(capsys, "gate", "--baseline", "commit:aaa111", *limits, *files, status=1)
    assert [each["outcome"] for each in stopped["findings"]] == ["failed", "failed"]
    assert ElementTree.parse(tmp_path / "gate.xml").getroot().get("failures") == "2"
    assert (tmp_path / "gate.md").read_text().startswith("### edgewright gate: failed")
    assert main(["gate", "--baseline", "1", *limits]) == 1
    shown = " ".join(capsys.readouterr().out.split())
    assert "Latency went from" in shown
    assert "gate failed" in shown


@pytest.mark.usefixtures("three")
def test_what_should_not_be_compared_needs_force(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "other.json"
    file.write_text(json.dumps(bench(threads=4)))
    assert main(["gate", str(file), "--baseline", "1", "--max-slowdown", "3"]) == 2
    told = capsys.readouterr().err
    assert "other numbers of threads: 1 and 4" in told
    assert "--force" in told
    assert main(["gate", str(file), "--baseline", "1", "--max-slowdown", "3", "--force"]) == 0
    assert "compared by force" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["gate", "--baseline", "1", "--max-slowdown", "3"], "the history has no entry 1"),
        (["compare", "latest", "latest"], "no measurement for 'latest'"),
        (["compare", "commit:abc", "latest"], "no measurement for 'commit:abc'"),
        (["compare", "nowhere.json", "latest"], "there is no measurement 'nowhere.json'; give an entry's number"),
        (["gate", "--baseline", "1"], "needs at least one limit"),
        (["gate", "--baseline", "1", "--max-slowdown", "fast"], "--max-slowdown is 'fast'; give a number"),
        (["gate", "--baseline", "1", "--max-slowdown", "nan"], "--max-slowdown is 'nan'"),
        (["gate", "--baseline", "1", "--max-score-drop", "-1"], "--max-score-drop is '-1'"),
        (["history", "list", "--kind", "run"], "no kind of entry 'run'"),
        (["history", "show", "9"], "the history has no entry 9"),
    ],
)
def test_a_reference_or_limit_that_means_nothing_is_told(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert said in capsys.readouterr().err


def test_a_build_entry_is_no_measurement(capsys: pytest.CaptureFixture[str]) -> None:
    with History() as history:
        history.add("build", {"bundle": "x", "name": "x", "artifacts": []})
    assert main(["compare", "1", "1"]) == 2
    assert "entry 1 of the history is a build, which measures nothing" in capsys.readouterr().err


def bundle_at(place: Path, *, score: float = 0.44) -> Path:
    """A small bundle whose artifact is no model, but whole."""

    def fill(folder: Path) -> None:
        for artifact in manifest(whole_build()).artifacts:
            (folder / artifact.file).write_bytes(f"{artifact.file} {score}".encode().ljust(artifact.bytes))
        for name in ("tokenizer.json", VECTORS, "corpus.json", "index.safetensors"):
            (folder / name).write_text(f"{name} {score}")

    def described(hashes: dict[str, str]) -> Manifest:
        known = manifest(whole_build())
        first, *others = (each.model_copy(update={"sha256": hashes[each.file]}) for each in known.artifacts)
        first = first.model_copy(update={"score": score})
        return known.model_copy(update={"artifacts": (first, *others), "files": hashes})

    return bundles.write(place, described, fill).path


@pytest.mark.parametrize("suffix", ["", ".zip"])
def test_two_bundles_are_compared(tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = (bundle_at(tmp_path / f"{score}{suffix}", score=score) for score in (0.44, 0.40))
    found = printed(capsys, "compare", str(first), str(second))
    assert found["where"][0].startswith("After int8 executorch the second scores -0.0400")
    assert main(["compare", str(first), str(second)]) == 0
    assert "most of it comes with int8 executorch" in " ".join(capsys.readouterr().out.split())


@pytest.mark.usefixtures("three")
def test_a_bundle_and_a_measurement_are_not_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = str(bundle_at(tmp_path / "one"))
    for pair in (["1", place], [place, "1"]):
        assert main(["compare", *pair]) == 2
        assert f"{place} is a bundle and 1 is none; compare two bundles, or two" in capsys.readouterr().err


def test_measurements_whose_bundles_are_at_hand_are_also_compared_by_stage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = [bundle_at(tmp_path / name, score=score) for name, score in (("one", 0.44), ("two", 0.40))]
    with History() as history:
        for place in places:
            made = {**bench()["artifact"], "sha256": bundles.sha256_of(place / "model.executorch")}
            history.add("bench", bench(bundle=str(place), artifact=made))
        history.add("bench", bench(bundle=str(places[0])))  # another artifact than lies there now
    stages = printed(capsys, "compare", "1", "2")["stages"]
    assert [each["score_gap"] for each in stages if each["stage"] == "int8 executorch"] == [pytest.approx(-0.04)]
    assert main(["compare", "1", "2"]) == 0
    assert "int8 executorch" in capsys.readouterr().out
    assert printed(capsys, "compare", "1", "3")["stages"] == []


@pytest.mark.parametrize(
    "document", [{}, {"artifacts": 3}, {"artifacts": [{}]}, bench(latency_ms={"p50": 1}), bench(parity=1)]
)
def test_an_entry_that_is_damaged_is_told_by_its_number(
    document: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    with History() as history:
        history.add("bench", document)
    assert main(["history", "show", "1"]) == 2
    assert "error: entry 1 of the history has 1 fault: the document: lacks what" in capsys.readouterr().err
    assert main(["history", "show", "1", "--json"]) == 0


def test_a_damaged_bundle_is_not_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = bundle_at(tmp_path / "one")
    (place / "model.litert").write_text("altered")
    assert main(["compare", str(place), str(place)]) == 2
    assert "model.litert was altered" in capsys.readouterr().err
