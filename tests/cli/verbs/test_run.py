"""The verb `run`: what it shows of a bundle's answer, and what it asks of the bundle."""

import json
from pathlib import Path
from typing import Any

import pytest

from edgewright.bundles.answering import Answer, AskOptions
from edgewright.bundles.written_text import WritingSettings
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
    asked: list[tuple[Path, str, AskOptions]] = []

    def ask(bundle: Path, given: str, how: AskOptions) -> Any:
        asked.append((bundle, given, how))
        return answered("classification", {"kind": "classification", "labels": []})

    stand_in(monkeypatch, ANSWERING, ask)
    assert main(["run", "out", "--input", "-x", "--json"]) == 0
    line = ["run", "out", "--input", "x", "--target", "local:", "--runtime", "litert", "--top", "2", "--json"]
    assert main(line) == 0
    settings = ["--max-tokens", "9", "--temperature", "0.5", "--top-k", "4", "--top-p", "0.9", "--seed", "3"]
    settings += ["--repetition-penalty", "1.1", "--stop", "a", "--stop", "b", "--context", "32", "--truncate"]
    assert main(["run", "out", "--input", "x", *settings, "--system", "Be short.", "--raw", "--json"]) == 0
    wanted = WritingSettings(
        max_tokens=9,
        temperature=0.5,
        top_k=4,
        top_p=0.9,
        repetition_penalty=1.1,
        seed=3,
        stop=("a", "b"),
        context=32,
        truncate=True,
        system="Be short.",
        raw=True,
    )
    assert asked == [
        (Path("out"), "-x", AskOptions(settings=WritingSettings())),
        (Path("out"), "x", AskOptions(address="local:", runtime="litert", top=2, settings=WritingSettings())),
        (Path("out"), "x", AskOptions(settings=wanted)),
    ]


@pytest.mark.parametrize(
    "line",
    [["--top", "0"], ["--target", "nowhere"], ["--temperature", "-1"], ["--top-p", "2"], ["--max-tokens", "0"]],
)
def test_what_cannot_be_asked_is_refused_before_the_bundle_is_opened(
    line: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("it was asked")

    stand_in(monkeypatch, ANSWERING, never)
    assert main(["run", "out", "--input", "x", *line]) == 2
    assert "it was asked" not in capfd.readouterr().err


WRITTEN = {
    "kind": "text",
    "text": "two\n\x1b[2Jwords",
    "tokens": 3,
    "ids": [5, 6, 7],
    "ended": "length",
    "stop": None,
    "prompt_tokens": 4,
    "dropped_tokens": 2,
    "first_token_ms": 41.25,
    "tokens_per_second": 23.125,
}


def writing(_: Path, __: str, asked: AskOptions) -> Answer:
    for piece in ("two", "\n\x1b[2J", "words"):
        if asked.on_text is not None:
            asked.on_text(piece)
    return Answer(document=dict(WRITTEN), heads=(), rows=[("text",)], streamed=asked.on_text is not None)


def test_a_text_is_shown_as_it_comes_and_how_it_ended_beside_it(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    stand_in(monkeypatch, ANSWERING, writing)
    assert main(["run", "out", "--input", "x"]) == 0
    said = capfd.readouterr()
    assert said.out == "two\nwords\n"
    assert said.err == (
        "3 tokens, the first after 41 ms, 23.1 tokens a second, 2 tokens of the prompt were cut off; no end came "
        "within the 3 tokens asked for; ask for more with --max-tokens\n"
    )


def test_a_text_as_json_is_one_document_with_nothing_before_it(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    stand_in(monkeypatch, ANSWERING, writing)
    assert main(["run", "out", "--input", "x", "--json"]) == 0
    assert json.loads(capfd.readouterr().out) == WRITTEN


def test_an_interrupted_text_keeps_what_was_written_and_has_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def interrupted(path: Path, given: str, asked: AskOptions) -> Answer:
        answer = writing(path, given, asked)
        answer.document.update(ended="interrupted", first_token_ms=None, tokens_per_second=None, dropped_tokens=0)
        return answer

    stand_in(monkeypatch, ANSWERING, interrupted)
    assert main(["run", "out", "--input", "x"]) == 130
    said = capfd.readouterr()
    assert said.out == "two\nwords\n"
    assert said.err == "3 tokens; it was interrupted\ninterrupted\n"


def test_a_reader_that_has_gone_away_ends_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    kept = os.dup(1)
    try:
        reading, out = os.pipe()
        os.dup2(out, 1)
        os.close(out)
        os.close(reading)
        stand_in(monkeypatch, ANSWERING, writing)
        assert main(["run", "out", "--input", "x"]) == 0
    finally:
        os.dup2(kept, 1)
        os.close(kept)
