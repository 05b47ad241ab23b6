import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from edgewright.targets import facts
from edgewright.targets.base import Completed
from edgewright.targets.facts import MACHINE, read_facts
from edgewright.targets.transports.fake import FakeTarget
from edgewright.targets.transports.local import LocalTarget
from tests.recordings.record import recorded


@pytest.mark.parametrize(
    ("board", "part", "model", "dot_product"),
    [
        ("emulated-cortex-a53", "0xd03", "Cortex-A53", False),
        ("emulated-cortex-a72", "0xd08", "Cortex-A72", False),
        ("emulated-cortex-a76", "0xd0b", "Cortex-A76", True),
    ],
)
def test_an_emulated_board_shows_its_core_and_that_cores_instructions(
    board: str, part: str, model: str, dot_product: bool
) -> None:
    found = recorded(board)
    assert (found["cpu_parts"], found["cpu_model"], found["cores"]) == ([part], model, 4)
    features = found["cpu_features"]
    assert isinstance(features, list)
    assert "asimd" in features
    assert ("asimddp" in features) is dot_product
    assert found["arch"] == "aarch64"
    assert found["libc"] == "glibc 2.36"
    assert found["os"] == "Debian GNU/Linux 12 (bookworm)"


def test_what_an_emulated_board_lacks_is_none() -> None:
    found = recorded("emulated-cortex-a72")
    absent = ("governor", "clock_mhz", "clock_max_mhz", "clock_firmware_mhz", "temperature_c", "throttling")
    assert {name: found[name] for name in absent} == dict.fromkeys(absent)
    assert found["swap_used_bytes"] == 0


def test_a_raspberry_pi_tells_its_model_its_clocks_and_what_throttles_it() -> None:
    found = recorded("raspberry-pi-4")
    assert found["board"] == "Raspberry Pi 4 Model B Rev 1.4"
    assert (found["cpu_model"], found["cores"]) == ("Cortex-A72", 4)
    assert found["cpu_features"] == ["asimd", "cpuid", "crc32", "evtstrm", "fp"]
    assert (found["governor"], found["temperature_c"]) == ("ondemand", 74.504)
    assert (found["clock_mhz"], found["clock_max_mhz"], found["clock_firmware_mhz"]) == (600, 1500, 1500)
    both = ["under-voltage", "throttled"]
    assert found["throttling"] == {"raw": "0x50005", "now": both, "since_start": both}


def test_an_android_phone_tells_its_name_its_cores_and_its_heat() -> None:
    found = recorded("pixel-8")
    assert (found["board"], found["os"], found["android"], found["libc"]) == ("Pixel 8", "Android 14", "14", None)
    assert found["core_kinds"] == {"Cortex-A510": 4, "Cortex-A715": 4, "Cortex-X3": 1}
    assert (found["clock_max_mhz"], found["word_bits"], found["governor"]) == (2914, 64, "sched_pixel")
    assert found["thermal_status"] == {"status": "moderate", "by": ["VIRTUAL-SKIN"], "cpu_c": 72.0}


def test_an_x86_machine_has_a_model_name_and_no_part_number() -> None:
    found = recorded("x86-64")
    assert found["cpu_parts"] is None
    assert isinstance(found["cpu_model"], str)
    assert found["cores"] == 2


@pytest.mark.parametrize("name", sorted(MACHINE))
@pytest.mark.parametrize("text", ["", "\n", "sh: not found\n", "\0", "::::", "MemTotal: many kB", "-99999999"])
def test_text_that_is_no_fact_is_none(name: str, text: str) -> None:
    value = MACHINE[name].parse(text)
    assert value is None or name in ("board", "governor")  # whose values may be any word


def test_all_facts_of_this_machine_come_in_one_command_and_are_json(tmp_path: Path) -> None:
    target = FakeTarget(tmp_path)
    found = read_facts(target)
    assert len(target.commands) == 1
    assert list(found) == list(MACHINE)
    assert isinstance(found["cores"], int)
    assert isinstance(found["ram_bytes"], int)
    json.dumps(found)


def test_facts_read_together_are_those_read_one_by_one() -> None:
    target = LocalTarget()
    together = read_facts(target)
    for name in ("cpu_model", "cpu_features", "cores", "ram_bytes", "kernel", "arch", "libc", "os"):
        fact = MACHINE[name]
        assert together[name] == fact.parse(target.run(fact.argv, timeout_s=20).stdout)


def test_a_machine_that_tells_nothing_gives_none_for_everything(tmp_path: Path) -> None:
    silent = Completed(argv=(), status=127, stdout="", stderr="sh: not found")
    assert read_facts(FakeTarget(tmp_path, answers={"sh -c": silent})) == dict.fromkeys(MACHINE)


def test_what_no_machine_is_like_is_what_it_does_not_tell(tmp_path: Path) -> None:
    said = {
        "/proc/meminfo": f"MemTotal: {10**16} kB\nMemAvailable: 1000 kB\n",
        "/proc/cpuinfo": "processor\t: 0\n" * 5000,
        "/proc/loadavg": "99999999.00 0 0\n",
    }

    def answer(argv: Sequence[str], stdin: str) -> Completed:
        commands = list(dict.fromkeys(fact.argv for fact in MACHINE.values()))
        texts = (said.get(argv[-1], "") for argv in commands)
        stdout = "".join(f"\n{facts.SEPARATOR}\n{text}" for text in texts)
        return Completed(argv=tuple(argv), status=0, stdout=stdout, stderr="")

    found = read_facts(FakeTarget(tmp_path, answers={"sh -c": answer}))
    assert (found["ram_bytes"], found["cores"], found["load_1min"]) == (None, None, None)
    assert found["ram_available_bytes"] == 1_024_000
