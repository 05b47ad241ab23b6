"""The verbs `cache`, `cache clear` and `cache sweep`; what they do to entries is `base.housekeeping`'s."""

from pathlib import Path

import pytest

from edgewright.cli.main import main
from tests.cli.stand_ins import document


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGEWRIGHT_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_an_empty_cache_has_every_kind_and_no_bytes(cache: Path, capfd: pytest.CaptureFixture[str]) -> None:
    found = document(capfd, "cache")
    assert (found["folder"], found["bytes"]) == (str(cache), 0)
    assert {"stages", "bundles", "runtimes"} <= {each["kind"] for each in found["kinds"]}
    assert all((each["entries"], each["used_days_ago"]) == (0, None) for each in found["kinds"])


def test_limits_come_from_the_environment(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEWRIGHT_CACHE_GB", "5")
    monkeypatch.setenv("EDGEWRIGHT_CACHE_DAYS", "7")
    assert document(capfd, "cache")["limits"] == {"bytes": 5e9, "days": 7.0}


@pytest.mark.parametrize("verb", ["clear", "sweep"])
def test_where_there_is_nothing_nothing_is_removed(verb: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert document(capfd, "cache", verb) == {"removed": {}, "unfinished_bytes": 0, "freed_bytes": 0}
    assert main(["cache", verb]) == 0
    assert "0 entries were removed" in capfd.readouterr().out


@pytest.mark.parametrize("flags", [("--kind", "stage"), ("--older-than", "-1"), ("--older-than", "old")])
def test_a_kind_or_an_age_that_is_none_is_wrong_input(flags: tuple[str, ...]) -> None:
    assert main(["cache", "clear", *flags]) == 2
