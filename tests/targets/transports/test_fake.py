"""The fake target: real files and commands, and whatever answers and faults a test asks for."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import pytest

from edgewright.errors import TransferError, UnreachableError
from edgewright.targets.base import Completed
from edgewright.targets.transports.fake import FakeTarget


def answer(text: str) -> Completed:
    return Completed(argv=(), status=0, stdout=text, stderr="")


def test_the_longest_beginning_that_fits_answers(tmp_path: Path) -> None:
    target = FakeTarget(tmp_path, answers={"vcgencmd": answer("any"), "vcgencmd get_throttled": answer("throttled")})
    assert target.run(["vcgencmd", "get_throttled"], timeout_s=1).stdout == "throttled"
    assert target.run(["vcgencmd", "measure_temp"], timeout_s=1).stdout == "any"
    assert target.commands == [("vcgencmd", "get_throttled"), ("vcgencmd", "measure_temp")]


def test_a_beginning_is_one_of_words_and_what_has_no_answer_really_runs(tmp_path: Path) -> None:
    target = FakeTarget(tmp_path, answers={"ech": answer("no"), "echo one": UnreachableError("it is gone")})
    assert target.run(["echo", "two"], timeout_s=10).stdout == "two\n"
    with pytest.raises(UnreachableError, match="it is gone"):
        target.run(["echo", "one"], timeout_s=10)


def test_a_function_answers_with_arguments_and_input(tmp_path: Path) -> None:
    def reply(argv: Sequence[str], stdin: str) -> Completed:
        return answer(f"{len(argv)} {stdin}")

    assert FakeTarget(tmp_path, answers={"any": reply}).run(["any", "a"], timeout_s=1, stdin="x").stdout == "2 x"


def test_a_file_may_be_damaged_on_its_way_or_lost(tmp_path: Path) -> None:
    def damage(file: Path) -> None:
        file.write_bytes(file.read_bytes()[:-1])

    target = FakeTarget(tmp_path, on_put=damage)
    target.put(b"whole", PurePosixPath(tmp_path / "file"))
    assert (tmp_path / "file").read_bytes() == b"whol"
    assert target.puts == [PurePosixPath(tmp_path / "file")]

    def lose(file: Path) -> None:
        raise TransferError(f"{file.name} did not arrive")

    with pytest.raises(TransferError, match="file did not arrive"):
        FakeTarget(tmp_path, on_put=lose).put(b"x", PurePosixPath(tmp_path / "file"))


def test_it_is_what_the_test_says_and_remembers_that_it_was_closed(tmp_path: Path) -> None:
    target = FakeTarget(tmp_path, address="ssh://pi@board", emulated=True)
    assert (target.address, target.emulated, target.closed) == ("ssh://pi@board", True, False)
    target.close()
    assert target.closed
