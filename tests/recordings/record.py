"""Record what a target prints for every fact: `python -m tests.recordings.record ADDRESS DIRECTORY`."""

import re
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from edgewright.targets import open_target
from edgewright.targets.identity import IDENTITY

HERE = Path(__file__).parent
LONGEST_NAME = 120


def recording_name(argv: Sequence[str]) -> str:
    """The file's name for a command; of a long one its beginning."""
    return re.sub(r"[^a-z0-9]+", "-", " ".join(argv).lower()).strip("-")[:LONGEST_NAME] + ".txt"


def recorded(board: str) -> dict[str, object]:
    """Every fact, as its parser reads it out of what this board printed; nothing was recorded for what it lacks."""
    found = {}
    for name, fact in IDENTITY.items():
        file = HERE / board / recording_name(fact.argv)
        found[name] = fact.parse(file.read_text().replace("\0", "") if file.exists() else "")
    return found


def record(address: str, directory: Path) -> None:
    """Write a file for every command that prints something there."""
    directory.mkdir(parents=True, exist_ok=True)
    with closing(open_target(address)) as target:
        for argv in {fact.argv for fact in IDENTITY.values()}:
            if printed := target.run(argv, timeout_s=60).stdout:
                (directory / recording_name(argv)).write_text(printed)


if __name__ == "__main__":
    record(sys.argv[1], HERE / sys.argv[2])
