"""The verb `run`: what it shows of a bundle's answer, and what it asks of the bundle."""

import json
from pathlib import Path
from typing import Any

import pytest

from edgewright.cli.main import main
from tests.cli.verb_work import (
    ANSWERING,
    answered,
    stand_in,
)


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


def test_a_bundle_is_asked_as_the_line_says_on_the_machine_that_it_names(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[Any, ...]] = []

    def ask(bundle: Path, given: str, **how: Any) -> Any:
        asked.append((bundle, given, how))
        return answered("classification", {"kind": "classification", "labels": []})

    stand_in(monkeypatch, ANSWERING, ask)
    assert main(["run", "out", "--input", "-x", "--json"]) == 0
    line = ["run", "out", "--input", "x", "--target", "local:", "--runtime", "litert", "--top", "2", "--json"]
    assert main(line) == 0
    assert asked == [
        (Path("out"), "-x", {"address": None, "runtime": None, "top": 5}),
        (Path("out"), "x", {"address": "local:", "runtime": "litert", "top": 2}),
    ]


@pytest.mark.parametrize("line", [["--top", "0"], ["--target", "nowhere"]])
def test_what_cannot_be_asked_is_refused_before_the_bundle_is_opened(
    line: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("it was asked")

    stand_in(monkeypatch, ANSWERING, never)
    assert main(["run", "out", "--input", "x", *line]) == 2
    assert "it was asked" not in capfd.readouterr().err
