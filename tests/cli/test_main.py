"""The command: exit codes, streams and documents. The work behind the verbs is replaced by small stand-ins."""

import json
import os
import signal
import subprocess
import sys
import types
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgewright.base.progress import Progress
from edgewright.cli.main import main
from edgewright.errors import ParityError, ToolchainError, UnreachableError
from edgewright.specs.budget import Budget, Verdict, as_good, judge
from edgewright.store.history import History
from edgewright.tasks.table import TASKS

ROOT = Path(__file__).parent.parent.parent
BUILD = ["build", "demo", "--profile", "raspberry-pi-4", "-o"]


class Result:
    """What `build` and `bench` give: a document and a verdict."""

    def __init__(self, verdict: Verdict, document: dict[str, Any]) -> None:
        self.verdict, self.document = verdict, document

    def summary(self) -> dict[str, Any]:
        return self.document | {"budget": self.verdict.summary()}


def build_document() -> dict[str, Any]:
    model = {"score": 0.458, "parameters": 22_700_000, "bytes": 90_900_000, "latency_ms": 7.6}
    return {
        "bundle": "out",
        "profile": "raspberry-pi-4",
        "teacher": model,
        "student": model | {"parameters": 5_000_000, "latency_ms": None},
        "baseline": {"name": "TF-IDF", "score": 0.373},
        "artifacts": [
            {
                "runtime": "executorch",
                "file": "model.pte",
                "bytes": 5_400_000,
                "score": 0.43,
                "latency_ms": 0.8,
                "speedup": {"value": 4.2, "low": 1.6, "high": 11.0},
                "speedup_sentence": "executorch is predicted 4.2× as fast; where it was built (a CPU) 9.5×.",
                "parity": {"passed": True, "cosine_min": 0.9991, "max_abs_error": 0.01},
            }
        ],
        "stages": [
            {"name": "prune", "seconds": 1.5, "cached": False},
            {"name": "distil", "seconds": 0, "cached": True},
        ],
    }


def bench_document(**changed: Any) -> dict[str, Any]:
    document = {
        "bundle": "out",
        "target": "emulated://raspberry-pi-4",
        "emulated": True,
        "clock": "instructions",
        "artifact": {"runtime": "executorch", "file": "model.pte", "bytes": 5_400_000, "sha256": "0" * 64},
        "latency_ms": {"p50": 11.5, "p90": 12.0, "p99": 13.0, "samples": [11.5]},
        "load_ms": 3.0,
        "first_inference_ms": 14.0,
        "peak_rss_bytes": 20_000_000,
        "parity": {"passed": True, "cosine_min": 0.99, "max_abs_error": 0.01},
        "stable": True,
        "machine": {},
    }
    return document | changed


# The modules that verbs import when they run, and what they call there.
BUILDING, BENCHING, ANSWERING = "edgewright.pipeline", "edgewright.devices.benchmark", "edgewright.bundles.answering"
VERBS = {BUILDING: "build", BENCHING: "bench", ANSWERING: "ask"}


def answered(task: str, document: dict[str, Any]) -> types.SimpleNamespace:
    """What a bundle of this task says, for the verb to show."""
    heads, rows = TASKS[task].answer_table(document)
    return types.SimpleNamespace(document=document, heads=heads, rows=rows)


def stand_in(monkeypatch: pytest.MonkeyPatch, name: str, function: Callable[..., Any]) -> None:
    module = types.ModuleType(name)
    setattr(module, VERBS[name], function)
    monkeypatch.setitem(sys.modules, name, module)


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Let `build` end with a verdict, or raise."""

    def use(outcome: Verdict | BaseException) -> None:
        def build(recipe: Any, profile: Any, output: Path, *, progress: Progress, **_options: bool) -> Result:
            with progress.stage("prune"):
                progress.update(1, 2, "half")
                print("a library talks")
                os.write(1, b"native code talks\n")
                if isinstance(outcome, BaseException):
                    raise outcome
            return Result(outcome, build_document())

        stand_in(monkeypatch, BUILDING, build)

    return use


def test_a_build_within_its_budget_ends_with_0(
    builds: Callable[[Any], None], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    builds(Verdict(met=True))
    assert main([*BUILD, str(tmp_path / "out")]) == 0
    said = capfd.readouterr()
    assert said.out.splitlines()[-1] == "Budget met."
    assert "TF-IDF" in said.out
    assert "4.2×" in said.out
    assert "where it was built (a CPU) 9.5×." in " ".join(said.out.split())
    assert "prune …" in said.err


def test_a_baseline_that_is_as_good_as_the_student_is_the_last_word_and_no_failure(
    builds: Callable[[Any], None], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    found = as_good("TF-IDF", 0.87, 0.84)
    builds(Verdict(met=True, undecided=("latency_ms",), baseline=found))
    assert main([*BUILD, str(tmp_path / "out")]) == 0
    last = " ".join(capfd.readouterr().out.split("Not measured here: latency_ms.")[1].split())
    assert last == (
        "Budget met, but TF-IDF (0.870) is at least as good as the student (0.840): you need no network for this task."
    )
    builds(replace(judge(Budget(artifact_mb=5), artifact_bytes=5_400_000), baseline=found))
    assert main([*BUILD, str(tmp_path / "missed"), "--json"]) == 1
    told = json.loads(capfd.readouterr().out)["budget"]
    assert (told["met"], told["baseline_at_least_as_good"]["score"]) == (False, 0.87)


def test_a_missed_budget_ends_with_1_and_says_which_stage_fell_short(
    builds: Callable[[Any], None], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    builds(judge(Budget(artifact_mb=5), artifact_bytes=5_400_000))
    assert main([*BUILD, str(tmp_path / "out")]) == 1
    assert "Budget missed: artifact_mb is 5.4 MB, 8 % over" in capfd.readouterr().out


def test_what_the_stages_want_known_stands_before_the_budget(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    summary = {**build_document(), "notes": ["3 texts stand in the data with different answers"], "budget": {}}
    result = Result(Verdict(met=True), summary)
    stand_in(monkeypatch, BUILDING, lambda *_, **__: result)
    assert main([*BUILD, str(tmp_path / "out")]) == 0
    said = " ".join(capfd.readouterr().out.split())
    assert "Note: 3 texts stand in the data with different answers Budget met." in said


def test_with_json_only_the_document_is_on_standard_output(
    builds: Callable[[Any], None], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    builds(Verdict(met=True))
    assert main([*BUILD, str(tmp_path / "out"), "--json"]) == 0
    said = capfd.readouterr()
    assert json.loads(said.out) == build_document() | {"budget": Verdict(met=True).summary()}
    assert "a library talks" in said.err
    assert "native code talks" in said.err


@pytest.mark.parametrize(
    ("error", "status"),
    [(UnreachableError("no way there"), 3), (ParityError("too far apart"), 4), (ToolchainError("odd"), 4)],
)
def test_an_error_is_one_line_a_document_and_its_branchs_exit_code(
    builds: Callable[[Any], None],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    error: ToolchainError,
    status: int,
) -> None:
    builds(error)
    assert main([*BUILD, str(tmp_path / "out"), "--json"]) == status
    said = capfd.readouterr()
    about = json.loads(said.out)["error"]
    assert about == {"kind": type(error).__name__, "message": str(error), "exit_code": status}
    assert said.err.splitlines()[-1] == f"error: {error}"
    assert "Traceback" not in said.err


def test_an_unexpected_error_keeps_its_traceback_for_debug(
    builds: Callable[[Any], None], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    builds(RuntimeError("two\nlines \x1b[31mred"))
    assert main([*BUILD, str(tmp_path / "out")]) == 4
    said = capfd.readouterr().err
    assert "error: unexpected RuntimeError: two lines [31mred; run it again as `edgewright --debug …`" in said
    assert "Traceback" not in said
    assert main(["--debug", *BUILD, str(tmp_path / "out")]) == 4
    assert "Traceback" in capfd.readouterr().err


def test_a_full_disk_is_told_without_a_traceback(
    builds: Callable[[Any], None], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    builds(OSError(28, "No space left on device", "/cache/x"))
    assert main([*BUILD, str(tmp_path / "out")]) == 2
    assert "error: /cache/x: No space left on device; check" in capfd.readouterr().err


def test_an_interrupted_build_says_what_is_kept(
    builds: Callable[[Any], None], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    builds(KeyboardInterrupt())
    assert main([*BUILD, str(tmp_path / "out")]) == 130
    assert "every finished stage is kept" in capfd.readouterr().err


def test_a_build_goes_over_an_earlier_bundle_but_over_nothing_else(
    builds: Callable[[Any], None], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    builds(Verdict(met=True))
    (tmp_path / "diary.txt").write_text("dear diary")
    assert main([*BUILD, str(tmp_path)]) == 2
    assert "holds files that are no bundle" in capfd.readouterr().err
    assert main([*BUILD, str(tmp_path / "diary.txt"), "--force"]) == 2
    assert main([*BUILD, str(tmp_path), "--force"]) == 0
    (tmp_path / "manifest.json").write_text("{}")
    assert main([*BUILD, str(tmp_path)]) == 2
    assert "holds files that are no bundle" in capfd.readouterr().err


def test_names_are_checked_before_anything_heavy_is_loaded(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["build", "demo", "--profile", "raspberry-pie-4", "-o", str(tmp_path / "out")]) == 2
    assert "did you mean raspberry-pi-4" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("changed", "note"),
    [
        ({}, "these are not a board's milliseconds"),
        ({"clock": "wall"}, "They say nothing about a board's speed"),
    ],
)
def test_a_bench_on_an_emulated_target_says_what_its_clock_is_not(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], changed: dict[str, Any], note: str
) -> None:
    given: dict[str, Any] = {}

    def bench(bundle: Path, address: str, **options: Any) -> Result:
        given.update(options, bundle=bundle, address=address)
        return Result(Verdict(met=True, undecided=("latency_ms",)), bench_document(**changed))

    stand_in(monkeypatch, BENCHING, bench)
    assert main(["bench", "out", "--target", "emulated://raspberry-pi-4", "--threads", "2", "--quick"]) == 0
    said = capfd.readouterr().out
    assert note in " ".join(said.split())
    assert "Not measured here: latency_ms." in said
    given.pop("progress")
    assert given == {
        "bundle": Path("out"),
        "address": "emulated://raspberry-pi-4",
        "runtime": None,
        "quick": True,
        "threads": 2,
        "batched": False,
        "against_float": False,
        "operators": False,
        "wait_s": 0,
        "cores": (),
        "etdump": None,
    }


def test_what_was_built_and_measured_is_in_the_history_unless_told_otherwise(
    builds: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    builds(Verdict(met=True))
    stand_in(monkeypatch, BENCHING, lambda *_, **__: Result(Verdict(met=True), bench_document()))
    for line in (
        [*BUILD, str(tmp_path / "out")],
        ["bench", "out", "--target", "local:"],
        ["bench", "out", "--target", "local:", "--no-history"],
    ):
        assert main(line) == 0
    with History() as history:
        assert [each.kind for each in history.find()] == ["bench", "build"]
        assert history.document(2)["target"] == bench_document()["target"]
    assert "warning" not in capfd.readouterr().err


def test_a_history_that_cannot_be_written_is_a_warning_and_the_result_stands(
    monkeypatch: pytest.MonkeyPatch, own_history: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    own_history.parent.mkdir()
    own_history.write_text("no database")
    stand_in(monkeypatch, BENCHING, lambda *_, **__: Result(Verdict(met=True), bench_document()))
    assert main(["bench", "out", "--target", "local:", "--json"]) == 0
    said = capfd.readouterr()
    assert json.loads(said.out)["bundle"] == bench_document()["bundle"]
    assert "warning: this bench is not in the history" in said.err


def test_a_bench_on_a_real_board_has_no_such_note(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    document = bench_document(emulated=False, clock="wall", target="ssh://pi@board")
    stand_in(monkeypatch, BENCHING, lambda *_, **__: Result(Verdict(met=True), document))
    assert main(["bench", "out", "--target", "ssh://pi@board"]) == 0
    assert "Emulated" not in capfd.readouterr().out


def test_a_search_shows_its_matches_without_reading_markup(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    found = {"kind": "search", "matches": [{"score": 0.91234, "title": "[red]zipfile[/red]", "text": "Read a [zip]."}]}
    stand_in(monkeypatch, ANSWERING, lambda *_, **__: answered("embedding", found))
    assert main(["run", "out", "--input", "how do I read a zip file"]) == 0
    said = capfd.readouterr().out
    assert "[red]zipfile[/red]" in said
    assert "0.9123" in said
    assert main(["run", "out", "--input", "x", "--json"]) == 0
    assert json.loads(capfd.readouterr().out) == found


def test_a_classification_shows_labels_and_scores(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    found = {"kind": "classification", "labels": [{"label": "asyncio", "score": 0.75}]}
    stand_in(monkeypatch, ANSWERING, lambda *_, **__: answered("classification", found))
    assert main(["run", "out", "--input", "await"]) == 0
    assert "asyncio" in capfd.readouterr().out


def test_tags_are_shown_word_by_word_and_a_word_that_was_not_read_has_none(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    words = [{"word": "[Anna]", "label": "PERSON", "score": 0.9}, {"word": "sleeps", "label": None, "score": None}]
    stand_in(monkeypatch, ANSWERING, lambda *_, **__: answered("token-classification", {"words": words}))
    assert main(["run", "out", "--input", "[Anna] sleeps"]) == 0
    rows = [line.split() for line in capfd.readouterr().out.splitlines() if line.strip()]
    assert ["[Anna]", "PERSON", "0.9"] in rows
    assert ["sleeps", "–", "–"] in rows


@pytest.mark.parametrize(
    ("line", "document"),
    [
        (["recipes", "list", "--json"], lambda found: found["recipes"][0]["name"] == "demo"),
        (["recipes", "show", "demo", "--json"], lambda found: found["stages"]["quantize"]["max_error_percent"] == 10),
        (["profiles", "list", "--json"], lambda found: len(found["profiles"]) == 12),
        (["profiles", "show", "raspberry-pi-5", "--json"], lambda found: found["processor"]["cores"]["value"] == 4),
    ],
)
def test_listings_are_documents_too(
    line: list[str], document: Callable[[Any], bool], capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(line) == 0
    assert document(json.loads(capfd.readouterr().out))


def test_a_shown_recipe_can_be_saved_and_built_from(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["recipes", "show", "demo"]) == 0
    copy = tmp_path / "mine.toml"
    copy.write_text(capfd.readouterr().out, encoding="utf-8")
    assert main(["recipes", "show", str(copy), "--json"]) == 0


def test_a_faulty_file_gives_each_fault_in_the_document(
    toml_file: Callable[[str], Path], capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["recipes", "show", str(toml_file("[recipe]\nname = 3\n")), "--json"]) == 2
    faults = json.loads(capfd.readouterr().out)["error"]["faults"]
    assert {"place": "line 2, recipe.name", "what": "must be text in quotes, not 3"} in faults


@pytest.mark.parametrize("line", [["biuld"], ["build"], ["bench", "x"], ["run", "x", "--inputs", "y"]])
def test_a_wrong_command_line_is_wrong_input(line: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert main(line) == 2
    assert capfd.readouterr().err.startswith("error: ")


@pytest.mark.parametrize("line", [[], ["recipes"], ["profiles"], ["runner"], ["history"]])
def test_a_group_without_its_verb_shows_its_help(line: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert main(line) == 2
    assert capfd.readouterr().err.startswith("Usage: edgewright")


@pytest.mark.parametrize(
    "verb",
    [
        *("build", "bench", "run", "predict", "calibrate", "compare", "gate", "report", "runner build"),
        *("recipes list", "recipes show", "profiles list", "profiles show", "profiles check", "profiles new"),
        *("history list", "history show", "history export"),
    ],
)
def test_every_verbs_help_has_an_example(verb: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main([*verb.split(), "--help"]) == 0
    said = capfd.readouterr().out
    assert "Example" in said
    assert f"\n    edgewright {verb}" in said


def test_output_cut_off_by_its_reader_is_no_error() -> None:
    line = f"{sys.executable} -m edgewright.cli.main profiles show raspberry-pi-4 | true"
    ended = subprocess.run(["bash", "-c", line], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stderr == ""


def test_a_terminated_command_unwinds_and_says_so_by_its_status(
    builds: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    closed = []

    def build(*_: Any, **_options: Any) -> Result:
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            closed.append(True)
        raise AssertionError

    stand_in(monkeypatch, BUILDING, build)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as caught:
        main([*BUILD, str(tmp_path / "out")])
    assert caught.value.code == 143
    assert closed == [True]
    assert signal.getsignal(signal.SIGTERM) is before
