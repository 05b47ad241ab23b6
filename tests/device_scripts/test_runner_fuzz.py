"""A short fuzz of the native runner under sanitizers; `python -m tests.device_scripts.fuzzed --runs 5000` is long."""

from pathlib import Path

import pytest

from tests.device_scripts.fuzzed import KINDS, run_once

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("seed", range(8 * len(KINDS)))
def test_whatever_is_asked_the_runner_answers_or_refuses_in_one_document(seed: int, tmp_path: Path) -> None:
    ending = run_once(seed, tmp_path)
    # A damaged artifact is read by ExecuTorch's own libraries: what they crash on is theirs, and told by the long run.
    allowed = ("answered", "refused", "crashed") if ending.kind == "artifact" else ("answered", "refused")
    assert ending.how in allowed, ending
