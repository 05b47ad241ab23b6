"""What libraries print to themselves stays off the terminal, and leaves nothing behind that would speak later."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgewright.base.quiet import quiet

ROOT = Path(__file__).parents[2]


def test_nothing_of_python_or_native_code_is_printed_within_and_all_of_it_after(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with quiet():
        print("from Python")
        os.write(2, b"from C++\n")
        logging.getLogger("a library").warning("a record")
    print("afterwards")
    said = capfd.readouterr()
    assert (said.out, said.err) == ("afterwards\n", "")


def test_a_library_that_sets_up_logging_within_breaks_no_record_of_later() -> None:
    program = """
import logging
from edgewright.base.quiet import quiet
with quiet():
    logging.basicConfig()
assert logging.root.handlers == []
log = logging.getLogger("edgewright.measure")
log.setLevel(logging.INFO)
log.addHandler(logging.StreamHandler())
log.info("compiling the runner")
"""
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stderr == "compiling the runner\n"
