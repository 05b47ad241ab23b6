"""A build that ends as a test wants it to."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgewright.base.progress import Progress
from edgewright.specs.budget import Verdict
from tests.cli.verb_work import BUILDING, Result, build_document, stand_in


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
