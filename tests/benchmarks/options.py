"""The options all benchmarks share."""

import argparse


def parsed(description: str | None, **switches: str) -> argparse.Namespace:
    """`--json`, `--quick`, and any further switches with their help."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of a table")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, for a first look")
    for name, explained in switches.items():
        parser.add_argument(f"--{name}", action="store_true", help=explained)
    return parser.parse_args()
