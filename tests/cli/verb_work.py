"""What stands in for the work of `build`, `bench` and `run`: documents as they give them, and the way in."""

import sys
import types
from collections.abc import Callable
from typing import Any

import pytest

from edgewright.bundles.answering import Answer, AskOptions
from edgewright.specs.budget import Verdict
from edgewright.tasks.table import TASKS

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


def answered(task: str, document: dict[str, Any]) -> Answer:
    """What a bundle of this task says, for the verb to show."""
    heads, rows = TASKS[task].answer_table(document)
    return Answer(document=document, heads=heads, rows=rows)


def stand_in(monkeypatch: pytest.MonkeyPatch, name: str, function: Callable[..., Any]) -> None:
    module = types.ModuleType(name)
    if name == ANSWERING:
        module.AskOptions = AskOptions  # type: ignore[attr-defined]  # how it is asked is the real thing's
    setattr(module, VERBS[name], function)
    monkeypatch.setitem(sys.modules, name, module)
