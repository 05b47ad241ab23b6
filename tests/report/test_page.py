"""The report is one file that needs nothing from outside, shows what is known, and runs nothing that data say."""

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from edgewright.base import extras
from edgewright.bundles.schema import Manifest
from edgewright.errors import EnvironmentFaultError
from edgewright.report import figures, page
from edgewright.report.measured import Measured, measured_of
from tests.report.documents import bench
from tests.report.test_compression import manifest, whole_build

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"
OPERATORS = {
    "rows": [
        {"name": HOSTILE, "delegated": True, "calls": 6, "ms": 1.0, "share": 0.5},
        {"name": "layer_norm", "delegated": False, "calls": 3, "ms": 0.4, "share": 0.2},
    ]
}
SENSITIVITY = {
    "name": "sensitivity",
    "seconds": 0.1,
    "made_in_seconds": 0.1,
    "cached": False,
    "settings": {},
    "findings": {
        "parts": [{"name": "encoder.layers.1.down", "float_bytes": 300, "error": 0.02}],
        "error": 0.05,
        "kept_float": ["encoder.layers.1.down"],
        "left": 0.01,
    },
}


PLOTS = 9  # trade, sizes, stages, network, sensitivity, places, samples, memory, operators


class Page(HTMLParser):
    """What a browser would find: the tags with their attributes, and the text that is shown."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.shown: list[str] = []
        self.scripts = 0
        self.within: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.scripts += tag == "script"
        self.within.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self.within and self.within.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self.within):
            self.shown.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.shown).split())


ACCOUNT = {
    **SENSITIVITY,
    "name": "account",
    "findings": {
        "count": 300,
        "lost": 7,
        "won": 2,
        "groups": [{"name": "asyncio", "count": 20, "teacher": 0.9, "student": 0.75}],
        "flips": [
            {"text": "Run a loop.", "expected": "asyncio", "teacher": "asyncio", "student": "email"},
            {"text": "example 7", "expected": "asyncio", "teacher": "asyncio", "student": "email"},
        ],
        "attributions": [
            {"shown": ["run", "a", "<b>loop</b>"], "teacher": [0.1, -0.04, 0.4], "student": [0.3, 0.0, 0.05]},
            {"shown": [[0.0, 1.0], [0.5, 0.0]], "teacher": [[0.1, 0.2], [0, 0]], "student": [[0.0, -0.1], [0, 0]]},
        ],
    },
}


def built() -> Manifest:
    return manifest([*whole_build(), ACCOUNT, SENSITIVITY])


def measured(**changes: Any) -> Measured:
    return measured_of(bench(rss_bytes={"start": 1_000_000, "loaded": 9_000_000}, **changes), "here")


def test_the_page_shows_verdict_models_stages_precision_measurements_and_provenance() -> None:
    emulated = measured(emulated=True, clock="instructions")
    shown = Page(page.page(built(), [measured(operators=OPERATORS), emulated])).text
    for part in (
        "Budget met",
        "int8 executorch is 2.50× as fast as the float student",
        "Kept in float: encoder.layers.1.down",
        "the student answers 7 worse than its teacher and 2 better",
        "asyncio 20 90.0 % 75.0 % -15.0",
        "Run a loop. asyncio asyncio email",
        "Measured on ssh://pi@raspberrypi.local",
        "these are not a board's milliseconds",
        "100 of 5 processes",
        "Run a loop. asyncio student run +0.30, <b>loop</b> +0.05, a +0.00",
        "the profile's estimate 1.25 ms, of its layers alone",
        "low rank 0.1 s",
        "Raspberry Pi 4 Model B",
        "Provenance",
    ):
        assert part in shown, part


PHASES = {
    phase: {"rss_bytes": rss, "anonymous_bytes": rss // 4, "file_bytes": rss - rss // 4, "peak_bytes": rss + 500_000}
    for phase, rss in (("start", 5_000_000), ("loaded", 9_000_000), ("first", 11_000_000), ("steady", 11_500_000))
}
DURING = {
    "seconds": 1.5,
    "own_cpu_s": 1.5,
    "states": [
        {"s": 0.25 * place, "clock_khz": 1_500_000 - place, "temperature_mc": 50_000 + 400 * place}
        for place in range(6)
    ],
}


def test_it_is_one_file_below_six_megabytes_that_asks_for_nothing_from_outside() -> None:
    text = page.page(built(), [measured(operators=OPERATORS)])
    assert len(text.encode()) < 6_000_000
    found = Page(text)
    assert not [name for name, attributes in found.tags for key in ("src", "href", "action") if attributes.get(key)]
    assert ("meta", "default-src 'none'") in [(n, (a.get("content") or "").partition(";")[0]) for n, a in found.tags]
    drawn = [attributes for name, attributes in found.tags if "plotly-graph-div" in (attributes.get("class") or "")]
    assert len(drawn) == PLOTS


def test_hostile_names_are_text_wherever_they_stand() -> None:
    document = built().model_dump(mode="json")
    account = document["stages"][-2]["findings"]
    account["groups"][0]["name"] = account["attributions"][0]["shown"][0] = HOSTILE
    for flip in account["flips"]:
        flip |= dict.fromkeys(("text", "expected", "teacher", "student"), HOSTILE)
    document["name"] = document["task"]["metric"] = document["baseline"]["name"] = HOSTILE
    document["stages"][-1]["findings"]["parts"][0]["name"] = HOSTILE
    hostile = Manifest.model_validate(document)
    device = measured(operators=OPERATORS, target=HOSTILE, machine={"board": HOSTILE}, stable=False, reasons=[HOSTILE])
    plain = Page(page.page(built(), [measured(operators=OPERATORS)]))
    text = page.page(hostile, [device])
    found = Page(text)
    assert found.scripts == plain.scripts
    assert "img" not in [name for name, _ in found.tags]
    assert not [key for _, attributes in found.tags for key in attributes if key.startswith("on")]
    assert HOSTILE in found.text
    for script in re.findall(r"<script[^>]*>(.*?)</script>", text, re.S)[1:]:
        assert "<img" not in script  # plotly would read it as HTML in a label


def test_a_missed_budget_stands_at_the_top_with_its_sentences() -> None:
    document = built().model_dump(mode="json")
    document["verdict"] = {"met": False, "missed": [{"sentence": "artifact_mb is 5.4 MB"}], "undecided": ["latency_ms"]}
    shown = Page(page.page(Manifest.model_validate(document), [])).text
    assert shown.index("Budget missed") < shown.index("artifact_mb is 5.4 MB") < shown.index("What was made")
    assert "Only a device can decide latency_ms." in shown


def test_what_a_device_decided_stands_at_the_top_too() -> None:
    missed = {"met": False, "missed": [{"sentence": "latency_ms is 2.5, 2 is allowed"}], "undecided": []}
    shown = Page(page.page(built(), [measured(budget=missed), measured(target="local:")])).text
    assert shown.startswith("tiny – edgewright tiny Budget missed Verdict Budget met, as far as")
    assert "On ssh://pi@raspberrypi.local the budget is missed: latency_ms is 2.5, 2 is allowed." in shown
    assert "On local: the budget is met." in shown
    assert "Only a device" not in shown


def test_measurements_alone_are_drawn_with_their_front_where_they_may_be_compared() -> None:
    pair = [measured(), measured(name="other", slower=2, score=0.95), measured(name="worse", slower=3, score=0.8)]
    figure = figures.measured(pair)
    assert figure is not None
    assert list(figure.data[-1].y) == [0.912, 0.95]
    assert figures.measured([pair[0], measured(target="local:")]) is None
    shown = Page(page.page(None, pair)).text
    assert shown.startswith("demo, other, worse – edgewright")
    assert "What was made" not in shown
    assert set(page.document(None, pair)) == {"measurements"}


def test_a_bundle_of_an_earlier_version_shows_what_it_has() -> None:
    shown = Page(page.page(manifest([]), [])).text
    assert "What was made" in shown
    assert "Precision" not in shown


def test_markdown_has_the_same_sections_and_no_markup_of_the_datas() -> None:
    document = built().model_dump(mode="json")
    document["name"] = "*x* <b>|"
    text = page.markdown(Manifest.model_validate(document), [measured()])
    assert text.startswith("# \\*x\\* \\<b\\>\\|\n")
    assert re.findall(r"^## (.*)$", text, re.M)[:3] == ["Verdict", "What was made", "How it was made smaller"]
    tables = [line for line in text.splitlines() if line.startswith("| ---")]
    assert len(tables) >= 6


def test_the_document_is_everything_the_page_is_made_from() -> None:
    found = page.document(built(), [measured()])
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert {"manifest", "compression", "int8", "precision", "measurements"} <= set(found)
    assert found["measurements"][0]["latency_ms"]["samples"] == bench()["latency_ms"]["samples"]


def test_the_pareto_front_is_what_nothing_beats_in_both() -> None:
    assert figures._front([(1, 0.5), (2, 0.4), (3, 0.9), (1, 0.3), (4, 0.9)], "accuracy") == [(1, 0.5), (3, 0.9)]


def test_without_the_extra_the_package_to_install_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    with pytest.raises(EnvironmentFaultError, match=r"edgewright\[report\]"):
        page.page(built(), [])
