from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.errors import TransferError
from edgewright.targets import identity
from edgewright.targets.cores import core_name, cores_in
from edgewright.targets.identity import IDENTITY
from edgewright.targets.speed import copied_s, measure_speeds
from edgewright.targets.transports.fake import FakeTarget
from tests.recordings.record import recorded


def test_a_board_tells_its_caches_clocks_sensors_memory_and_disk() -> None:
    found = recorded("raspberry-pi-5")
    assert found["core_kinds"] == {"Cortex-A76": 4}
    assert found["caches"] == {
        "l1_data_kib": 64, "l1_instruction_kib": 64, "l2_kib": 512, "l2_cores": 1, "l3_kib": 2048,
    }  # fmt: skip
    assert (found["clock_min_mhz"], found["clock_limit_mhz"]) == (1500, 2400)
    assert found["sensors_c"] == {"cpu-thermal": 49.95}
    assert found["sold_ram_bytes"] == 4 << 30
    assert (found["word_bits"], found["musl"]) == (64, None)
    assert found["disk"] == {
        "device": "/dev/nvme0n1p2", "bytes": 479150516 * 1024, "free_bytes": (479150516 - 5120340) * 1024,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("board", "gigabytes"),
    [("raspberry-pi-zero-2-w", 0.5), ("raspberry-pi-3b-plus", 1), ("raspberry-pi-4", 8), ("jetson-orin-nano", None)],
)
def test_a_revision_code_tells_the_memory_a_raspberry_pi_was_sold_with(board: str, gigabytes: float | None) -> None:
    assert recorded(board)["sold_ram_bytes"] == (gigabytes * (1 << 30) if gigabytes else None)


def test_a_sensor_that_cannot_be_read_is_left_out_and_a_shared_cache_counts_its_cores() -> None:
    found = recorded("jetson-orin-nano")
    assert found["sensors_c"] == {"cpu-thermal": 47.843, "gpu-thermal": 47.593, "tj-thermal": 48.093}
    assert recorded("raspberry-pi-4")["caches"] == {
        "l1_data_kib": 32, "l1_instruction_kib": 48, "l2_kib": 1024, "l2_cores": 4,
    }  # fmt: skip


def test_an_emulated_board_tells_its_cores_its_word_size_and_its_disk() -> None:
    found = recorded("emulated-cortex-a76")
    assert found["core_kinds"] == {"Cortex-A76": 4}
    assert found["word_bits"] == 64
    disk = found["disk"]
    assert isinstance(disk, dict)
    assert disk["bytes"] > 2 << 30
    assert found["sold_ram_bytes"] is None


@pytest.mark.parametrize(
    ("implementer", "part", "name"),
    [
        ("0x41", "0xD08", "Cortex-A72"),
        ("0x4e", "0x004", "Carmel"),
        ("0x41", "0xfff", "part 0xfff"),
        ("0x51", "0xfff", "Qualcomm part 0xfff"),
        ("0x99", "0x001", "0x99 part 0x001"),
    ],
)
def test_a_core_has_its_makers_name_for_it(implementer: str, part: str, name: str) -> None:
    assert core_name(implementer, part) == name


def test_musl_and_lists_of_cores_are_read() -> None:
    ldd = "musl libc (aarch64)\nVersion 1.2.4_git20230717\nDynamic Program Loader\n"
    assert identity.musl_version(ldd) == "musl 1.2.4"
    assert [cores_in(text) for text in ("0", "0-3", "0-1,4-5", "", "x-y")] == [1, 4, 4, 0, 0]


@settings(max_examples=30)
@given(text=st.text() | st.from_regex(r"(/sys/\w+/(level|size|temp|type):\w*\n)*|Revision\t: \w*", fullmatch=True))
def test_no_text_of_a_device_breaks_a_parser(text: str) -> None:
    for fact in IDENTITY.values():
        fact.parse(text)


@pytest.mark.parametrize(
    ("printed", "seconds"),
    [
        ("16+0 records in\n16+0 records out\n16777216 bytes (17 MB, 16 MiB) copied, 0.0289 s, 579 MB/s\n", 0.0289),
        ("16+0 records in\n16+0 records out\n16777216 bytes (16.0MB) copied, 1.5 seconds, 10.7MB/s\n", 1.5),
        ("16777216 bytes (17 MB, 16 MiB) copied, 3.2e-05 s, 520 GB/s\n", 3.2e-05),
        ("16777216 bytes copied, 0 s\n", None),
        ("dd: failed to open", None),
        ("16+0 records in\n16+0 records out\n812.04 813.54\n", 1.5),
        ("16+0 records in\n16+0 records out\n812.04 812.05\n", None),
    ],
)
def test_the_seconds_of_any_dd_are_read(printed: str, seconds: float | None) -> None:
    assert copied_s(printed) == pytest.approx(seconds)


def test_speeds_are_measured_with_a_file_of_which_nothing_stays(tmp_path: Path) -> None:
    target = FakeTarget(tmp_path)
    found = measure_speeds(target, file_bytes=1 << 20)
    assert found.upload_mb_s > 1
    assert found.download_mb_s > 1
    assert found.round_trip_ms > 0
    assert found.storage_write_mb_s is None or found.storage_write_mb_s > 1
    assert list(Path(target.home).rglob("*")) == [Path(target.home / "probe")]


def test_a_transfer_that_breaks_off_leaves_nothing_either(tmp_path: Path) -> None:
    def cut(path: Path) -> None:
        raise TransferError("cut off")

    target = FakeTarget(tmp_path, on_put=cut)
    with pytest.raises(TransferError):
        measure_speeds(target, file_bytes=1 << 20)
    assert [path for path in Path(target.home).rglob("*") if path.is_file()] == []
