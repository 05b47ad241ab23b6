"""Small stand-ins for the work behind verbs: a verb is tested by what it asks of them, prints and ends with."""

import json
import sys
import types
from typing import Any

import pytest

from edgewright.cli.main import main


def stand_in(monkeypatch: pytest.MonkeyPatch, module: str, **members: Any) -> None:
    """Let whoever imports the module from now on find these members alone."""
    made = types.ModuleType(module)
    vars(made).update(members)
    monkeypatch.setitem(sys.modules, module, made)


class Recorder:
    """A function that remembers what it was called with, and gives or raises what it is to."""

    def __init__(self, outcome: Any = None) -> None:
        self.outcome = outcome
        self.arguments: tuple[Any, ...] = ()
        self.options: dict[str, Any] = {}

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        self.arguments, self.options = arguments, options
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome


def document(capfd: pytest.CaptureFixture[str], *line: str, status: int = 0) -> Any:
    """The one document that a command line prints with --json."""
    assert main([*line, "--json"]) == status
    return json.loads(capfd.readouterr().out)
