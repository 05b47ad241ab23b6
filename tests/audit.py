"""Ask which of the locked packages have known vulnerabilities: `python -m tests.audit`, which `make audit` and CI run.

In:  requirements.lock, and the advisories that pip-audit finds for it.
Out: exit status 1 where a package has one that is not among `ACCEPTED`; how many could not be asked is said, too, as
     where a mirror of the index has no advisories.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LOCK = Path(__file__).parent.parent / "requirements.lock"
LIMIT_S = 300
ACCEPTED: Mapping[str, str] = {}  # an advisory's id → why it does not concern Edgewright


def found(report: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """(a line for each vulnerability that is not accepted, the packages that could not be asked)."""
    faults, unknown = [], []
    for package in report["dependencies"]:
        if "skip_reason" in package:
            unknown.append(package["name"])
        for each in package.get("vulns", ()):
            if each["id"] in ACCEPTED or ACCEPTED.keys() & set(each.get("aliases", ())):
                continue
            fixed = ", ".join(each.get("fix_versions", ())) or "no version yet"
            faults.append(f"{package['name']} {package['version']} has {each['id']}; mended in {fixed}")
    return faults, unknown


def main() -> int:
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(LOCK), "--no-deps", "--disable-pip"]
    try:
        ended = subprocess.run(
            [*command, "--format", "json", "--progress-spinner", "off"],
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        report = json.loads(ended.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        print("no advisories could be asked for here: is the package index reachable?")
        return 0
    faults, unknown = found(report)
    asked = len(report["dependencies"]) - len(unknown)
    print(f"{asked} packages were asked for, {len(unknown)} could not be; {len(faults)} vulnerabilities")
    print("\n".join(faults), end="\n" if faults else "")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
