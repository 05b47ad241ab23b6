"""A user's configuration of SSH, and both ways of reading it."""

from pathlib import Path

import pytest

from edgewright.targets.transports import ssh_config
from tests.targets.transports.logins import Configure


@pytest.fixture
def configure(own_home: Path) -> Configure:
    def write(text: str) -> Path:
        path = own_home / ".ssh" / "config"
        path.write_text(text)
        path.chmod(0o600)
        return path

    return write


@pytest.fixture(params=["with ssh", "without ssh"])
def either(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways of reading a configuration."""
    if request.param == "without ssh":
        monkeypatch.setattr(ssh_config.shutil, "which", lambda name: None)
    return str(request.param)
