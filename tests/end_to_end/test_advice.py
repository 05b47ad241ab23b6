"""Advice on a real small bundle, its roof, what `bench` learns, and a budget that is out of reach."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgewright.base.places import data_dir
from edgewright.cli.main import main
from edgewright.specs.recipe import TaskSettings

pytestmark = pytest.mark.slow


def advice(bundle: Path, capsys: pytest.CaptureFixture[str], *more: str) -> list[dict[str, object]]:
    capsys.readouterr()
    assert main(["advise", str(bundle), "--json", *more]) == 0
    found: list[dict[str, object]] = json.loads(capsys.readouterr().out)["advice"]
    return found


def test_advice_names_what_limits_and_prices_each_change(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = advice(bundle, capsys, "--profile", "raspberry-pi-4", "--length", "12")
    assert [each["runtime"] for each in found] == ["executorch", "litert"]
    for each in found:
        changes = {change["what"]: change for change in each["changes"]}  # type: ignore[attr-defined]
        assert all(change["latency_ms"] < each["latency_ms"] for change in changes.values())
        assert [change["latency_ms"] for change in each["changes"]] == sorted(  # type: ignore[attr-defined]
            change["latency_ms"] for change in changes.values()
        )
        assert "a student of 1 layers instead of 2" not in changes
        assert "a student of 1 layer instead of 2" in changes
        assert any("overhead" in sentence for sentence in each["limits"])  # type: ignore[attr-defined]
    executorch, litert = found
    padded = "a signature of 12 tokens, where texts of so many are padded to 16"
    told = {*(change["what"] for change in litert["changes"]), *litert["no_changes"]}  # type: ignore[attr-defined]
    assert any(str(each).startswith(padded) for each in told)
    assert not any("padded" in change["what"] for change in executorch["changes"])  # type: ignore[attr-defined]


def test_advice_says_why_int8_is_faster_where_bytes_are_multiplied_by_fours(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = {}
    for name in ("raspberry-pi-4", "raspberry-pi-5"):
        (found,) = advice(bundle, capsys, "--profile", name, "--runtime", "executorch")
        told[name] = " ".join(found["int8"]["sentences"])  # type: ignore[call-overload, index]
    assert (
        "Cortex-A72 has no dot product of bytes: 16 int8 operations a cycle against 8 in float"
        in told["raspberry-pi-4"]
    )
    assert "Cortex-A76 multiplies bytes four at a time" in told["raspberry-pi-5"]


def test_advice_in_plain_words(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["advise", str(bundle), "--profile", "raspberry-pi-zero-2-w", "--runtime", "executorch"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "on raspberry-pi-zero-2-w" in shown
    assert "Its peak memory is about" in shown
    assert main(["advise", str(bundle), "--profile", "raspberry-pi-4", "--runtime", "onnx"]) == 2
    assert "has nothing for onnx that advice could be given on; it has executorch, litert" in capsys.readouterr().err


def test_a_roof_is_drawn_into_a_page_that_asks_for_nothing(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "roof.html"
    line = ["predict", str(bundle), "--profile", "raspberry-pi-5"]
    assert main([*line, "--plot", str(file), "--json"]) in (0, 1)
    predicted = json.loads(capsys.readouterr().out)["predictions"]
    for each in predicted:
        roof = each["roof"]
        assert sum(point["ms"] for point in roof["points"]) <= 1.001 * each["latency_ms"]
        for point in roof["points"]:
            assert point["gops"] <= 1.001 * max(roof["int8_gops"], roof["float_gops"])
    page = file.read_text(encoding="utf-8")
    assert page.count("one core's roof") == 2
    assert "src=" not in page.split("<body>")[1]
    assert main([*line, "--emulated", "--plot", str(file)]) == 2
    assert "the instruction clock knows none" in capsys.readouterr().err


def test_bench_corrects_the_next_prediction(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["bench", str(bundle), "--target", "local:", "--runtime", "executorch", "--quick", "--json"]
    capsys.readouterr()
    main([*line, "--no-history"])
    first = json.loads(capsys.readouterr().out)
    assert first["predicted"]["uncorrected_ms"] == first["predicted"]["latency_ms"]
    assert not list(data_dir("corrections").iterdir())
    main(line)
    second = json.loads(capsys.readouterr().out)
    main([*line, "--no-history"])
    third = json.loads(capsys.readouterr().out)
    if not second["stable"]:
        assert not list(data_dir("corrections").iterdir())
        return
    off = second["latency_ms"]["p50"] / second["predicted"]["uncorrected_ms"]
    factor = third["predicted"]["latency_ms"] / third["predicted"]["uncorrected_ms"]
    assert factor == pytest.approx(min(max(off**0.5, 0.5), 2.0), rel=0.01)
    assert "by 1 measurement since" in third["predicted"]["source"]


def test_a_budget_that_is_out_of_reach_is_refused_before_anything_is_taught(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hard = recipe.with_name("hard.toml")
    hard.write_text(recipe.read_text(encoding="utf-8").replace("artifact_mb = 1", "latency_ms = 0.0001"))
    place = tmp_path / "bundle"
    line = ["build", str(hard), "--profile", "raspberry-pi-zero-2-w", "-o", str(place), "--no-history"]
    assert main(line) == 2
    told = capsys.readouterr().err
    assert "latency_ms is to be 0.0001 ms" in told
    assert "no student of this teacher can keep to it" in told
    assert "--even-if-unreachable" in told
    assert not place.exists()
    nearest = float(told.split("the nearest budget is latency_ms = ")[1].split(";")[0])
    hard.write_text(hard.read_text(encoding="utf-8").replace("latency_ms = 0.0001", f"latency_ms = {nearest}"))
    assert main([*line, "--even-if-unreachable"]) in (0, 1)
    assert place.is_dir()


@pytest.mark.parametrize("length", [4, 8, 9, 12, 16, 24])
def test_every_length_that_is_advised_may_be_set(bundle: Path, capsys: pytest.CaptureFixture[str], length: int) -> None:
    for found in advice(bundle, capsys, "--profile", "raspberry-pi-4", "--length", str(length)):
        changes: list[dict[str, str]] = found["changes"]  # type: ignore[assignment]
        told = [change["how"] for change in changes if "task.max_length = " in change["how"]]
        advised = [int(how.rpartition("= ")[2]) for how in told]
        assert advised == ([max(length // 2, 8)] if length > 8 else [])
        assert all(TaskSettings(kind="embedding", max_length=each).max_length < length for each in advised)


def test_advice_and_answers_are_written_in_a_c_locale(bundle: Path) -> None:
    plain = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    for line in (
        ("advise", str(bundle), "--profile", "raspberry-pi-4"),
        ("advise", str(bundle), "--profile", "raspberry-pi-4", "--json"),
        ("run", str(bundle), "--input", "the old tree"),
        ("run", str(bundle), "--input", "the old tree", "--json"),
        ("predict", str(bundle), "--profile", "raspberry-pi-4"),
    ):
        command = [sys.executable, "-m", "edgewright.cli.main", *line]
        done = subprocess.run(command, env=plain, capture_output=True, check=False)
        assert (done.returncode, b"Traceback" in done.stderr) == (0, False)
        said = done.stdout.decode("ascii")
        if "--json" in line:
            json.loads(said)
