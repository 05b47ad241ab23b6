"""Every reader of text from outside gives a value or an error of ours, with its exit code, whatever the text is."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgewright.base.numbers import float_or_none, hex_or_none, int_or_none
from edgewright.base.untrusted import parse_json, parse_toml
from edgewright.bundles.files import read_manifest, seal
from edgewright.cli.verbs.compare import number_of
from edgewright.data.readers import read_rows
from edgewright.data.tagged import read_tagged
from edgewright.devices.inventory import find_target, load_inventory
from edgewright.errors import InputError, TargetError, ToolchainError
from edgewright.measure.results import parse_bandwidth, parse_result
from edgewright.report.compare import compare
from edgewright.report.measured import read_measured
from edgewright.specs.profiles import load_profile
from edgewright.specs.recipe import find_recipe, load_recipe
from edgewright.targets import cores, facts, quota, speed
from edgewright.targets.base import Completed
from edgewright.targets.device_store import lease_holder, space
from edgewright.targets.facts import MACHINE
from edgewright.targets.identity import IDENTITY
from edgewright.targets.transports.adb_devices import read_devices
from edgewright.targets.transports.ssh_address import read_address
from tests.measure.examples import asked, result_document
from tests.mutations import NASTY, texts_like
from tests.report.documents import bench
from tests.report.test_compression import manifest, whole_build

RECORDINGS = Path(__file__).parent.parent / "recordings"
EXAMPLES = int(os.environ.get("EDGEWRIGHT_EXAMPLES", "60"))  # few in CI; thousands by hand
FEW = settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")
PROFILE = """
[profile]
extends = "raspberry-pi-4"
name = "mine"
title = "My board"
"""
INVENTORY = """
[targets.pi]
address = "ssh://pi@10.0.0.2"
profile = "raspberry-pi-4"
[groups]
all-of-them = ["pi"]
"""


def taken(read: Callable[[], Any], *kinds: type[ToolchainError]) -> Any:
    """What is read, or None where it was refused by an error of these kinds, in one line that is not too long."""
    error: ToolchainError | None = None
    found = None
    try:
        found = read()
    except kinds as refused:
        error = refused
    assert error is None or 0 < len(str(error).strip()) < 20_000
    return found


def written(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    return file


@FEW
@given(text=texts_like(find_recipe("demo").text, find_recipe("digits").text))
def test_a_recipe(tmp_path: Path, text: str) -> None:
    taken(lambda: load_recipe(written(tmp_path, "x.toml", text)), InputError)


@FEW
@given(text=texts_like(PROFILE))
def test_a_profile(tmp_path: Path, text: str) -> None:
    taken(lambda: load_profile(written(tmp_path, "x.toml", text)), InputError)


@FEW
@given(text=texts_like(INVENTORY))
def test_an_inventory(tmp_path: Path, text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGEWRIGHT_TARGETS", str(written(tmp_path, "targets.toml", text)))
        taken(load_inventory, InputError)
        taken(lambda: find_target("pi"), InputError)


@FEW
@given(text=texts_like(seal(manifest(whole_build()).model_dump(mode="json"))))
def test_a_manifest(text: str) -> None:
    sound = manifest(whole_build()).model_dump(mode="json")
    found = taken(lambda: read_manifest(text.encode("utf-8", "surrogatepass"), shown="manifest.json"), InputError)
    assert found is None or found == sound or found.get("schema_version") == 1


@FEW
@given(text=texts_like('text,label\nrain falls,weather\n"a, b",kitchen\n', '{"text": "rain", "label": "weather"}\n'))
@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_a_table(tmp_path: Path, suffix: str, text: str) -> None:
    file = written(tmp_path, f"x.{suffix}", text)
    for row in taken(lambda: read_rows(file, {"text": "text", "label": "label"}), InputError) or ():
        assert all(isinstance(cell, str) and cell.encode() for cell in row.values())
    for row in taken(lambda: read_rows(file, {"value": "label"}, numbers=("value",)), InputError) or ():
        assert row["value"] - row["value"] == 0


@FEW
@given(text=texts_like("rain B-W\nfalls O\n\nsoup B-K\n", '{"words": ["rain"], "tags": ["B-W"]}\n'))
@pytest.mark.parametrize("suffix", ["conll", "jsonl"])
def test_tagged_words(tmp_path: Path, suffix: str, text: str) -> None:
    file = written(tmp_path, f"x.{suffix}", text)
    taken(lambda: read_tagged(file, words="words", tags="tags"), InputError)


@FEW
@given(text=texts_like(json.dumps(result_document())), status=st.sampled_from([0, 0, 1, -9, 134, 255]))
def test_a_runners_answer(text: str, status: int) -> None:
    completed = Completed(argv=("runner",), status=status, stdout=text, stderr=text)
    found = taken(lambda: parse_result(completed, asked()), TargetError)
    assert found is None or (found.sha256 == asked().sha256 and len(found.outputs) == len(asked().outputs))
    taken(lambda: parse_bandwidth(completed), TargetError)


RECORDED = sorted(path.read_text(errors="replace") for path in RECORDINGS.glob("raspberry-pi-4/*.txt"))


@FEW
@given(text=texts_like(*RECORDED))
def test_every_fact_of_a_machine(text: str) -> None:
    for fact in {
        **MACHINE,
        **IDENTITY,
        **facts.WATCHED,
        **facts.AT_REST,
    }.values():
        json.dumps(fact.parse(text), allow_nan=False)
    for parse in (
        cores.cores_in, quota.quota_cores, quota.held_back, space.free_bytes,
        speed.copied_s, read_devices,
    ):  # fmt: skip
        json.dumps(parse(text), allow_nan=False)


@FEW
@given(text=texts_like('3 80\n{"who": "me@here", "pid": 12, "what": "a bench"}'))
def test_the_holder_of_a_device(text: str) -> None:
    assert lease_holder.read_holder(text).left_s >= 0


@FEW
@given(
    text=texts_like("ssh://pi@10.0.0.2:22?identity=/nowhere/key", "adb://1234", "emulated://raspberry-pi-4", "local:")
)
def test_an_address(text: str) -> None:
    taken(lambda: read_address(text), InputError)
    taken(lambda: find_target(text), InputError)


@pytest.mark.parametrize("key", ["x" * 300, "~no-such-user-here/key", "a%00b", "/etc/shadow/key"])
def test_a_key_file_that_cannot_be_is_told(key: str) -> None:
    with pytest.raises(InputError):
        read_address(f"ssh://pi@10.0.0.2?identity={key}")


@FEW
@given(text=texts_like(json.dumps(bench())))
def test_a_measurement_that_was_kept(tmp_path: Path, text: str) -> None:
    found = taken(lambda: read_measured(written(tmp_path, "x.json", text)), InputError)
    if found is not None:
        compare(found, found).document()


@FEW
@given(text=texts_like("3%", "0.5", "12"))
def test_a_number(text: str) -> None:
    assert (taken(lambda: number_of("--limit", text), InputError) or 0) >= 0
    for read in (int_or_none, float_or_none, hex_or_none):
        json.dumps(read(text), allow_nan=False)


@FEW
@given(text=texts_like('{"a": [1, 2.5, "x", null]}', "a = [1, 2.5]\n[b]\nc = 'd'\n"))
def test_json_and_toml_themselves(text: str) -> None:
    for read in (parse_json, parse_toml):
        found = taken(lambda read=read: read(text, name="x"), InputError)  # type: ignore[misc]
        json.dumps(found, allow_nan=False, default=str).encode()
    if not isinstance(text, str) or text not in NASTY:
        assert json.loads(json.dumps(text)) == text
