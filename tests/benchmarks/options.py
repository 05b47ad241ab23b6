"""The options all benchmarks share."""

import argparse
from pathlib import Path

from tests.benchmarks.machine import Watch


def parsed(description: str | None, *, kept: bool = False, **switches: str) -> argparse.Namespace:
    """`--json`, `--quick`, and any further switches with their help; with `kept` also `--keep FOLDER`.

    `watch` begins to look at the machine, for what `machine.shown` says under the table.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of a table")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, for a first look")
    if kept:
        parser.add_argument(
            "--keep", type=Path, metavar="FOLDER", help="keep what is measured there, and go on from what is there"
        )
    for name, explained in switches.items():
        parser.add_argument(f"--{name}", action="store_true", help=explained)
    options = parser.parse_args()
    options.watch = Watch()
    return options
