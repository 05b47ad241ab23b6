"""A bundle measured, asked, predicted and reported by the light install, without torch and the exporters."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import light

HEAVY = {"torch", "transformers", "executorch", "sklearn", "scipy"}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory, shared_cache: Path) -> light.LightInstall:
    return light.install(tmp_path_factory.mktemp("light"))


@pytest.mark.parametrize("runtime", ["executorch", "litert"])
def test_a_bundle_is_measured_and_asked(
    installed: light.LightInstall, bundle: Path, tmp_path: Path, runtime: str
) -> None:
    """ExecuTorch's SDK and LiteRT's package are not installed, so they are fetched as for a device."""
    benched = installed.edgewright(
        "bench", str(bundle), "--target", "local:", "--runtime", runtime, "--quick", "--json", cwd=tmp_path
    )
    assert benched.returncode == 0, benched.stderr
    document = json.loads(benched.stdout)
    assert document["artifact"]["runtime"] == runtime
    assert document["parity"]["passed"]
    asked = installed.edgewright(
        "run", str(bundle), "--input", "a question", "--runtime", runtime, "--json", cwd=tmp_path
    )
    assert asked.returncode == 0, asked.stderr
    assert len(json.loads(asked.stdout)["matches"]) == 5


def test_it_is_predicted_advised_upon_and_reported(installed: light.LightInstall, bundle: Path, tmp_path: Path) -> None:
    for argv in (
        ("predict", str(bundle), "--profile", "raspberry-pi-4", "--json"),
        ("advise", str(bundle), "--profile", "raspberry-pi-4", "--json"),
        ("report", str(bundle), "--format", "md", "-o", "-"),
        ("history", "list", "--json"),
        ("target", "probe", "local:", "--json"),
        ("recipes", "list", "--json"),
        ("profiles", "show", "raspberry-pi-5", "--json"),
    ):
        ended = installed.edgewright(*argv, cwd=tmp_path)
        assert ended.returncode == 0, (argv, ended.stderr)
        assert ended.stdout


def test_a_bench_imports_no_torch_where_it_is_installed(bundle: Path, tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from edgewright.cli.main import main\n"
        f"status = main(['bench', {str(bundle)!r}, '--target', 'local:', '--quick', '--json'])\n"
        f"sys.exit(status or ' '.join({HEAVY!r} & set(sys.modules)) or 0)"
    )

    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=os.environ, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
