"""The options all benchmarks share."""

import argparse
from pathlib import Path


def parsed(description: str | None, *, kept: bool = False, **switches: str) -> argparse.Namespace:
    """`--json`, `--quick`, and any further switches with their help; with `kept` also `--keep FOLDER`."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of a table")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, for a first look")
    if kept:
        parser.add_argument(
            "--keep", type=Path, metavar="FOLDER", help="keep what is measured there, and go on from what is there"
        )
    for name, explained in switches.items():
        parser.add_argument(f"--{name}", action="store_true", help=explained)
    return parser.parse_args()
