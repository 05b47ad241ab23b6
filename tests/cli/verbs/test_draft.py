"""The verb `draft` makes a bundle of two models, which `run` and `bench` use."""

import json
from pathlib import Path

import pytest

from edgewright.cli.main import main
from tests.bundles.drafted import TEXT, larger_bundle, smaller_bundle

pytestmark = pytest.mark.slow


def test_it_tells_what_of_the_draft_was_accepted_and_run_drafts_unless_it_is_told_not_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = tmp_path / "made"
    assert main(["draft", str(larger_bundle().path), str(smaller_bundle().path), "-o", str(made), "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["drafts"]
    assert row["accepted_share"] == row["accepted"] / row["drafted"]
    assert main(["run", str(made), "--input", TEXT, "--max-tokens", "12"]) == 0
    assert "drafted tokens accepted in" in capsys.readouterr().err
    assert main(["run", str(made), "--input", TEXT, "--max-tokens", "12", "--no-draft", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["draft"] is None
