"""Record what a target prints for every fact: `python -m tests.recordings.record ADDRESS DIRECTORY`."""

import re
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from targets import open_target
from targets.facts import MACHINE

HERE = Path(__file__).parent


def recording_name(argv: Sequence[str]) -> str:
    """The file's name for a command."""
    return re.sub(r"[^a-z0-9]+", "-", " ".join(argv).lower()).strip("-") + ".txt"


def record(address: str, directory: Path) -> None:
    """Write a file for every command that prints something there."""
    directory.mkdir(parents=True, exist_ok=True)
    with closing(open_target(address)) as target:
        for argv in {fact.argv for fact in MACHINE.values()}:
            if printed := target.run(argv, timeout_s=60).stdout:
                (directory / recording_name(argv)).write_text(printed)


if __name__ == "__main__":
    record(sys.argv[1], HERE / sys.argv[2])
