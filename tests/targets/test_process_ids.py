import os
import subprocess
from dataclasses import replace

from edgewright.targets.process_ids import ENDED, Process


def test_a_process_is_ended_and_then_lives_no_longer() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        process = Process.of(child.pid)
        assert process is not None
        assert process.lives()
        process.kill()
        assert not process.lives()
        process.kill()
        assert child.wait(5) == -9
    assert Process.of(child.pid) is None


def test_another_process_of_the_same_number_is_never_ended() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        process = Process.of(child.pid)
        assert process is not None
        for other in (replace(process, started=process.started - 1), replace(process, boot="an earlier one"), ENDED):
            assert not other.lives()
            other.kill()
        assert child.poll() is None
        child.kill()


def test_this_process_is_known_from_call_to_call() -> None:
    assert Process.of(os.getpid()) == Process.of(os.getpid()) is not None
