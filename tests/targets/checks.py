"""What several tests look for."""

import os
import time
from pathlib import Path

import pytest


def assert_gone(pid: int) -> None:
    """Within two seconds this process has ended."""
    for _ in range(100):
        try:
            os.kill(pid, 0)
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (ProcessLookupError, FileNotFoundError):
            return
        if state == "Z":  # killed; in a container nobody may be there to reap it
            return
        time.sleep(0.02)
    pytest.fail(f"process {pid} is still there")
