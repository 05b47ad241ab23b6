"""A bundle whose artifact generates, on an emulated board: its text is as built, and instructions are counted."""

from pathlib import Path
from typing import Any

import pytest

from edgewright.devices.benchmark import bench
from tests.bundles.generating import CONTEXT, generating_bundle

pytestmark = pytest.mark.emulated

BOARD = "emulated://raspberry-pi-4"


@pytest.mark.parametrize("runtime", ["executorch", "litert"])
def test_text_is_that_of_where_it_was_built_and_instructions_of_tokens_are_counted(
    tmp_path: Path, runtime: str
) -> None:
    bundle = generating_bundle(tmp_path / "bundle", (runtime,))
    summary: Any = bench(bundle, BOARD, prompt_tokens=(4, 48), contexts=(20, CONTEXT)).summary()
    assert summary["clock"] == "instructions"
    assert summary["stable"], summary["reasons"]
    assert summary["parity"]["passed"] is True
    told = summary["generation"]
    assert told["tokens_per_second"] is told["first_token_ms"] is told["bandwidth_share"] is None
    short, long = told["prompts"]
    assert 0 < short["first_token_instructions"] < long["first_token_instructions"]
    # Read at once, a token of a prompt costs less than one that is written.
    assert all(each["instructions_per_token"] > long["prefill_instructions_per_token"] for each in told["contexts"])
    assert told["cache_bytes"] > 0
    assert list(summary["memory"]) == ["start", "loaded", "prefill", "decode"]
