from typing import Any

import pytest

from edgewright.errors import RunnerError
from edgewright.measure.results import parse_result
from edgewright.measure.runner_documents import RunnerResult
from edgewright.targets.base import Completed
from tests.measure.examples import asked, completed


def parse(ended: Completed, *, sampled: bool = True) -> RunnerResult:
    return parse_result(ended, asked(sampled=sampled))


HELD = "INFO: x\nedgewright-memory start 5000000\nedgewright-memory loaded 412000000\n"
BOARD = {"ram_bytes": 478_000_000, "ram_available_bytes": 430_000_000, "memory_limit_bytes": None}


@pytest.mark.parametrize(
    ("machine", "said"),
    [
        (BOARD, "(it held 412 MB once the model was loaded; the machine has 478 MB, of which 430 MB were free before)"),
        ({**BOARD, "memory_limit_bytes": 420_000_000}, "; it may have 420 MB, the limit of its control group)"),
        ({}, "(it held 412 MB once the model was loaded);"),
    ],
)
def test_what_a_killed_runner_held_is_told_with_what_there_was(machine: dict[str, Any], said: str) -> None:
    with pytest.raises(RunnerError) as caught:
        parse_result(completed("", status=137, stderr=HELD), asked(), machine)
    assert said in str(caught.value)


def test_a_runner_that_could_get_no_memory_says_what_it_held() -> None:
    told = {"schema": 2, "error": {"kind": "out-of-memory", "message": "memory ran out"}}
    with pytest.raises(RunnerError, match=r"more memory than the device gives it \(it held 412 MB"):
        parse(completed(told, status=1, stderr=HELD))


def test_an_instruction_that_the_core_does_not_know_is_named_with_the_core() -> None:
    crashed = completed("", status=132, stderr="edgewright-illegal 0x4e829420\n")
    machine = {"cpu_model": "Cortex-A72", "cpu_features": ["fp", "asimd"]}
    with pytest.raises(RunnerError, match=r"int8 dot product \(asimddp\), which Cortex-A72 does not have"):
        parse_result(crashed, asked(), machine)


@pytest.mark.parametrize("status", [-9, 137])
def test_a_killed_runner_is_told_as_memory_that_ran_out(status: int) -> None:
    with pytest.raises(RunnerError, match="killed on the device, most likely because its memory ran out"):
        parse(completed("", status=status))


@pytest.mark.parametrize(
    ("status", "stderr", "said"),
    [
        (-11, "", "SIGSEGV: it said nothing"),
        (134, "terminate called\nindex out of range", "SIGABRT: index out of range"),
        (132, "", "SIGILL"),
        (127, "sh: edgewright-runner: not found", "could not be started .* not found"),
        (1, "./edgewright-runner: /lib/libc.so.6: version `GLIBC_2.34' not found", "newer C library"),
        (3, "", "status 3 and no result"),
        (0, "nothing to print", "without a result: nothing to print"),
    ],
)
def test_an_early_end_is_told_in_words(status: int, stderr: str, said: str) -> None:
    with pytest.raises(RunnerError, match=said):
        parse(completed("", status=status, stderr=stderr))


def test_control_characters_of_a_device_never_reach_the_terminal() -> None:
    with pytest.raises(RunnerError) as caught:
        parse(completed("", status=1, stderr="\x1b[31mred\x07 " + "x" * 5000))
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400
