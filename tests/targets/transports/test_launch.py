import subprocess

import pytest

from edgewright.errors import TargetError
from edgewright.targets.transports.conversation import OUTPUT_LIMIT_BYTES
from edgewright.targets.transports.launch import MARK, Leader, ended, for_any_shell, launched

WORDS = ["a b", "$HOME", "`id`", "'", '"', "!", "%s", "%%", "\\", "\\101", "", "ü", "\x01", "new\nline", "-n", "{a,b}"]


@pytest.mark.parametrize("shell", ["sh", "bash", "dash", "tcsh", "fish", "zsh", "busybox"])
def test_a_command_line_is_read_alike_by_any_shell(shell: str) -> None:
    line = for_any_shell(launched("printf", "<%s>", *WORDS))
    words = [shell, "sh", "-c", line] if shell == "busybox" else [shell, "-c", line]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    mark, _, rest = done.stdout.partition("\n")
    assert mark.startswith(f"{MARK} ")
    assert rest == "".join(f"<{word}>" for word in WORDS)


def test_the_mark_is_found_in_any_pieces_and_what_is_behind_it_is_output() -> None:
    text = b"Welcome\n@edgewright \n" + f"{MARK} 4321\n".encode() + b"out\nput"
    for size in (1, 2, 7, len(text)):
        got: list[bytes] = []
        leader = Leader("ssh://board", "true", got.append)
        for start in range(0, len(text), size):
            leader.add(text[start : start + size])
        assert (leader.pid, b"".join(got)) == (4321, b"out\nput")
        leader.check(0, "")


@pytest.mark.parametrize("said", ["", " ", " -1", " 0", " 1", " 1e3", " 0x10", " 12 34", " ٣٣", " 9999999999", "5"])
def test_a_process_number_that_is_none_is_a_targets_fault(said: str) -> None:
    with pytest.raises(TargetError, match="the process number of true came back as"):
        Leader("ssh://board", "true", lambda chunk: None).add(f"{MARK}{said}\n".encode())


def test_endless_noise_before_the_mark_ends_and_takes_little_memory() -> None:
    leader = Leader("ssh://board", "true", lambda chunk: None)
    for _ in range(OUTPUT_LIMIT_BYTES // 30_000):
        leader.add(b"noise" * 6000)
    with pytest.raises(TargetError, match="16 MiB before it ran true"):
        leader.add(b"noise" * 6000)
    assert len(leader._early) < 200_000


def test_a_command_that_was_not_begun_is_reported_with_what_was_printed_instead() -> None:
    leader = Leader("ssh://board", "true", lambda chunk: None)
    leader.add(b"Hello\nThis account is closed.\n")
    with pytest.raises(TargetError, match=r"did not run true .* status 1 and printed 'This account is closed\.'"):
        leader.check(1, "")
    with pytest.raises(TargetError, match="printed 'bash: no'"):
        leader.check(1, "bash: no\n")


def test_a_status_above_128_is_a_signal() -> None:
    assert [ended(status) for status in (0, 127, 128, 137, 192, 193, 255)] == [0, 127, 128, -9, -64, 193, 255]
