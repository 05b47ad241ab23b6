"""A bundle measured by the command line on every kind of target, and what goes wrong on the way."""

import json
import shutil
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from edgewright import Bundle
from edgewright.base.digest import sha256_of
from edgewright.bundles.files import seal
from edgewright.cli.main import main
from edgewright.errors import BundleError
from edgewright.store.history import History
from edgewright.targets import open_target
from edgewright.targets.device_store.lease import leased
from tests.targets.servers import Server, new_key

BOARD = "emulated://raspberry-pi-4"
PROMISED = {
    "bundle", "target", "emulated", "clock", "artifact", "latency_ms", "load_ms", "first_inference_ms",
    "peak_rss_bytes", "parity", "stable", "machine", "budget",
}  # fmt: skip

pytestmark = pytest.mark.slow


def benched(capsys: pytest.CaptureFixture[str], bundle: Path, address: str, *more: str) -> dict[str, Any]:
    """What `bench --json` prints, after checks that hold for every target."""
    status = main(["bench", str(bundle), "--target", address, "--quick", "--json", *more])
    printed = capsys.readouterr()
    assert status == 0, printed.err
    document: dict[str, Any] = json.loads(printed.out)
    assert set(document) >= PROMISED
    assert document["target"] == address
    assert document["parity"]["passed"]
    assert document["parity"]["cosine_min"] > 0.98
    assert document["latency_ms"]["samples"]
    assert document["latency_ms"]["p50"] <= document["latency_ms"]["p90"] <= document["latency_ms"]["p99"]
    assert document["budget"]["met"]
    return document


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """(exit code, the one line of the error)."""
    status = main([*arguments])
    told = capsys.readouterr().err
    lines = [line for line in told.splitlines() if line.startswith("error:")]
    assert len(lines) == 1, told
    return status, lines[0]


@pytest.mark.parametrize("runtime", ["executorch", "litert"])
def test_a_bundle_is_measured_on_this_machine(bundle: Path, runtime: str, capsys: pytest.CaptureFixture[str]) -> None:
    document = benched(capsys, bundle, "local:", "--runtime", runtime)
    assert document["artifact"]["runtime"] == runtime
    assert document["clock"] == "wall"
    assert document["emulated"] is False


def test_a_bundle_is_measured_over_ssh_on_a_device_that_nobody_else_uses_and_nothing_but_its_store_is_left(
    bundle: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    benched(capsys, bundle, server.address)
    left = {path.name for path in (server.remote_home / ".edgewright").iterdir()}
    assert left <= {"bundles", "runtimes", "jobs", "lease", "sums"}
    assert not any((server.remote_home / ".edgewright" / "jobs").iterdir())
    with closing(open_target(server.address)) as target, leased(target, "bench another"):
        status, line = refused(capsys, "bench", str(bundle), "--target", server.address, "--quick", "--wait", "0.5")
    assert status == 3
    assert f"{server.address} is still in use after 0.5 s: " in line
    assert "bench another" in line


def test_a_group_is_measured_at_once_and_a_device_that_is_not_there_stops_none_of_the_others(
    bundle: Path, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    inventory = tmp_path / "targets.toml"
    monkeypatch.setenv("EDGEWRIGHT_TARGETS", str(inventory))
    inventory.write_text(
        f'[targets.far]\naddress = "{server.address}"\n'
        '[targets.gone]\naddress = "ssh://nobody@127.0.0.1:1"\n'
        '[targets.here]\naddress = "local:"\n[groups]\nlab = ["far", "gone", "here"]\n'
    )
    command = ["bench", str(bundle), "--target", "lab", "--quick", "--runtime", "executorch"]
    assert main([*command, "--json"]) == 3
    printed = capfd.readouterr()
    far, gone, here = json.loads(printed.out)["devices"]
    assert [(each["name"], each["exit_code"]) for each in (far, gone, here)] == [("far", 0), ("gone", 3), ("here", 0)]
    assert far["measurement"]["target"] == server.address
    assert here["measurement"]["parity"]["passed"]
    assert gone["error"]["kind"] == "UnreachableError"
    assert "gone: connect to ssh://nobody@127.0.0.1:1 failed" in printed.err.splitlines()
    with History() as history:
        assert {entry.target for entry in history.find()} == {server.address, "local:"}


@pytest.mark.emulated
@pytest.mark.parametrize("runtime", ["executorch", "litert"])
def test_a_bundle_is_measured_on_an_emulated_board_by_its_instructions(
    bundle: Path, runtime: str, capsys: pytest.CaptureFixture[str]
) -> None:
    document = benched(capsys, bundle, BOARD, "--runtime", runtime)
    assert document["emulated"] is True
    assert document["clock"] == "instructions"
    assert document["machine"]["arch"] == "aarch64"
    assert document["machine"]["cpu_parts"] == ["0xd08"]
    assert main(["bench", str(bundle), "--target", BOARD, "--runtime", runtime]) == 0
    assert "not a board's milliseconds" in " ".join(capsys.readouterr().out.split())


def test_where_the_time_goes_is_told_on_this_machine(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = benched(capsys, bundle, "local:", "--runtime", "executorch", "--operators")["operators"]
    assert found["delegated_share"] + found["own_share"] + found["between_share"] == pytest.approx(1)
    assert 0.1 < found["delegated_share"] < 1
    names = {row["name"] for row in found["rows"]}
    assert {"native_layer_norm.out", "embedding_byte.out"} <= names
    assert "DELEGATE_CALL" not in names
    assert main(["bench", str(bundle), "--target", "local:", "--quick", "--runtime", "executorch", "--operators"]) == 0
    assert "native_layer_norm.out" in capsys.readouterr().out


def test_a_runtime_that_does_not_tell_its_operators_says_so(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", str(bundle), "--target", "local:", "--quick", "--runtime", "litert", "--operators"]) == 0
    assert "the litert runtime does not tell the time of its operators" in capsys.readouterr().err


@pytest.mark.emulated
def test_where_the_time_goes_is_told_on_an_emulated_board(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = benched(capsys, bundle, BOARD, "--runtime", "executorch", "--operators")["operators"]
    assert 0.1 < found["delegated_share"] < 1
    assert {"native_layer_norm.out", "embedding_byte.out"} <= {row["name"] for row in found["rows"]}


@pytest.fixture(scope="module")
def with_floats(recipe: Path, bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same bundle with its float twins and for four at once; the student is in the cache."""
    folder = tmp_path_factory.mktemp("floats")
    shutil.copytree(recipe.parent, folder / "recipe")
    path = folder / "recipe" / recipe.name
    path.write_text(path.read_text() + "float_reference = true\nbatch = 4\n")
    assert main(["build", str(path), "--profile", "raspberry-pi-4", "-o", str(folder / "bundle")]) == 0
    return folder / "bundle"


@pytest.mark.parametrize("runtime", ["executorch", "litert"])
def test_int8_is_measured_in_turn_with_its_float_twin_and_said_to_be_faster_only_where_it_is(
    with_floats: Path, runtime: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = benched(capsys, with_floats, "local:", "--runtime", runtime, "--against-float")["against_float"]
    assert found["runtime"] == runtime
    assert found["low"] <= found["speedup"] <= found["high"]
    # Taken input by input, so that it is near the ratio of the medians over all inputs, and seldom equal to it.
    assert found["speedup"] == pytest.approx(found["float_latency_ms"] / found["latency_ms"], rel=0.2)
    assert found["faster"] == (found["low"] > 1 and found["speedup"] >= 1.02)
    assert ("as fast as the float student" in found["verdict"]) == found["faster"]
    assert ("it saves space, not time" in found["verdict"]) != found["faster"]


@pytest.mark.parametrize("runtime", ["executorch", "litert"])
def test_several_examples_are_measured_at_once(
    with_floats: Path, runtime: str, capsys: pytest.CaptureFixture[str]
) -> None:
    alone, together = (
        benched(capsys, with_floats, "local:", "--runtime", runtime, *more) for more in ((), ("--batch",))
    )
    assert (alone["batch"], together["batch"]) == (1, 4)
    assert len(alone["input_lengths"]) == 4 * len(together["input_lengths"])
    for document in (alone, together):
        expected = 1e3 * document["batch"] / document["latency_ms"]["p50"]
        assert document["examples_per_second"] == pytest.approx(expected)
    # Of several the time is no latency of the budget's.
    assert main(["bench", str(with_floats), "--target", "local:", "--runtime", runtime, "--quick", "--batch"]) == 0
    assert "of 4 at once" in capsys.readouterr().out


def test_a_bundle_for_one_at_a_time_says_how_to_get_a_batch(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, line = refused(capsys, "bench", str(bundle), "--target", "local:", "--batch")
    assert status == 2
    assert "stages.export.batch = 8" in line


@pytest.mark.emulated
def test_by_instructions_the_ratio_to_the_float_twin_repeats(
    with_floats: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [
        benched(capsys, with_floats, BOARD, "--runtime", "executorch", "--against-float")["against_float"]["speedup"]
        for _ in range(2)
    ]
    assert runs[0] == pytest.approx(runs[1], rel=0.005)
    assert main(["bench", str(with_floats), "--target", BOARD, "--runtime", "executorch", "--against-float"]) == 0
    assert "the float student" in " ".join(capsys.readouterr().out.split())


def test_float_twins_are_in_the_manifest_like_every_other_file(with_floats: Path) -> None:
    manifest = Bundle.open(with_floats).manifest
    assert {each.float_file for each in manifest.artifacts} == {"float-model.pte", "float-model.tflite"}
    (with_floats / "float-model.pte").rename(with_floats / "aside")
    try:
        with pytest.raises(BundleError, match=r"lacks float-model\.pte"):
            Bundle.open(with_floats)
    finally:
        (with_floats / "aside").rename(with_floats / "float-model.pte")


def test_a_bundle_without_its_float_twin_says_how_to_get_one(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, line = refused(capsys, "bench", str(bundle), "--target", "local:", "--against-float")
    assert status == 2
    assert "stages.export.float_reference = true" in line


@pytest.mark.emulated
def test_an_emulated_board_answers_as_this_machine_does(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = json.loads(Bundle.open(bundle).file("corpus.json").read_text())["texts"][0]
    found = []
    for address in ("local:", BOARD):
        assert main(["run", str(bundle), "--input", asked, "--target", address, "--json"]) == 0
        found.append(json.loads(capsys.readouterr().out)["matches"])
    assert found[0][0]["text"] == found[1][0]["text"] == asked


def test_an_unreachable_host_is_the_targets_fault(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, line = refused(capsys, "bench", str(bundle), "--target", "ssh://nobody@127.0.0.1:1")
    assert status == 3
    assert "127.0.0.1" in line


def test_an_unknown_host_key_is_refused_with_the_command_that_trusts_it(
    bundle: Path, start_server: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    status, line = refused(capsys, "bench", str(bundle), "--target", start_server().address)
    assert status == 3
    assert "SHA256:" in line
    assert "ssh-keyscan" in line


def test_a_wrong_key_is_refused(
    bundle: Path, server: Server, own_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (own_home / ".ssh" / "id_ed25519").unlink()
    new_key(own_home / ".ssh" / "id_ed25519")
    status, line = refused(capsys, "bench", str(bundle), "--target", server.address)
    assert status == 3
    assert "key" in line


def test_a_device_out_of_space_is_told_how_much_is_missing(
    bundle: Path,
    server_with_a_small_disk: tuple[Server, Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    server, _ = server_with_a_small_disk
    status, line = refused(capsys, "bench", str(bundle), "--target", server.address, "--runtime", "executorch")
    assert status == 3
    assert "MB free" in line


def test_one_flipped_bit_stops_a_bench_before_anything_is_sent(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    harmed = tmp_path / "harmed"
    shutil.copytree(bundle, harmed)
    content = bytearray((harmed / "model.pte").read_bytes())
    content[len(content) // 2] ^= 1
    (harmed / "model.pte").write_bytes(content)
    status, line = refused(capsys, "bench", str(harmed), "--target", "ssh://nobody@127.0.0.1:1")
    assert status == 2
    assert "model.pte" in line


def test_an_artifact_that_is_too_new_for_the_runtime_is_told_with_both_versions(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    newer = tmp_path / "newer"
    shutil.copytree(bundle, newer)
    content = (newer / "model.pte").read_bytes()
    (newer / "model.pte").write_bytes(content[:4] + b"ET99" + content[8:])  # the schema's version
    manifest = json.loads((newer / "manifest.json").read_text(encoding="utf-8"))
    manifest["files"]["model.pte"] = sha256_of(newer / "model.pte")
    (artifact,) = (each for each in manifest["artifacts"] if each["file"] == "model.pte")
    made, artifact["runtime_version"] = artifact["runtime_version"], "99.1.0"
    artifact["sha256"] = manifest["files"]["model.pte"]
    del manifest["sha256"]
    (newer / "manifest.json").write_text(seal(manifest), encoding="utf-8")
    status, line = refused(capsys, "bench", str(newer), "--target", "local:", "--runtime", "executorch")
    assert status == 3
    assert f"made with executorch 99.1.0, and what runs it there is {made}: update Edgewright" in line


def test_a_folder_that_is_no_bundle_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, line = refused(capsys, "bench", str(tmp_path), "--target", "local:")
    assert status == 2
    assert "manifest.json" in line
