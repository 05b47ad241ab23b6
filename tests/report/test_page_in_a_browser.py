"""The report in a real browser: every plot is drawn, nothing is complained of, and nothing leaves the page."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from edgewright.bundles.schema import Manifest
from edgewright.report import page
from tests.report.test_page import HOSTILE, OPERATORS, PLOTS, Page, built, measured

BROWSER = shutil.which("chromium")
BROWSERS_OWN = (".google.com", ".googleapis.com", ".gvt1.com")  # whom it asks for updates and the time, in vain

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="chromium is not installed"),
]


def browsed(file: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Chromium's standard output and error for a page that may talk to no one."""
    assert BROWSER is not None
    fixed = (
        *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
        *("--disable-background-networking", "--disable-component-update", "--virtual-time-budget=20000"),
        *(
            "--host-resolver-rules=MAP * ~NOTFOUND",
            "--enable-logging=stderr",
            f"--user-data-dir={file.parent / 'user'}",
        ),
    )
    command = [BROWSER, *fixed, *options, file.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


@pytest.fixture(scope="module")
def hostile_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything that can be drawn, with names that want to run."""
    document = built().model_dump(mode="json")
    document["name"] = document["task"]["metric"] = document["baseline"]["name"] = HOSTILE
    file = tmp_path_factory.mktemp("page") / "report.html"
    device = measured(operators=OPERATORS, target=HOSTILE)
    file.write_text(page.page(Manifest.model_validate(document), [device]), encoding="utf-8")
    return file


def test_every_plot_is_drawn_and_the_console_is_silent(hostile_page: Path) -> None:
    found = browsed(hostile_page, "--dump-dom")
    assert len(re.findall(r'<div[^>]*class="[^"]*js-plotly-plot', found.stdout)) == PLOTS
    assert found.stdout.count('class="main-svg"') >= PLOTS
    assert not [line for line in found.stderr.splitlines() if ":CONSOLE" in line]
    drawn = Page(found.stdout).tags
    assert "img" not in [name for name, _ in drawn]
    assert not [key for _, attributes in drawn for key in attributes if key.startswith("on")]


def test_no_request_leaves_the_page(hostile_page: Path, tmp_path: Path) -> None:
    log = tmp_path / "net.json"
    browsed(hostile_page, "--dump-dom", f"--log-net-log={log}")
    events = json.loads(log.read_text(encoding="utf-8"))["events"]
    asked = {each["params"]["url"] for each in events if "url" in each.get("params", {})}
    hosts = {urlsplit(url).hostname or "" for url in asked if not url.startswith("file:")}
    assert not {host for host in hosts if not host.endswith(BROWSERS_OWN)}


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("light", ("--window-size=1200,3600",)),
        ("dark", ("--window-size=1200,3600", "--force-dark-mode", "--blink-settings=preferredColorScheme=0")),
        ("phone", ("--window-size=390,4200",)),
    ],
)
def test_it_can_be_looked_at_on_a_desk_in_the_dark_and_on_a_phone(
    hostile_page: Path, tmp_path: Path, name: str, options: tuple[str, ...]
) -> None:
    picture = tmp_path / f"{name}.png"
    browsed(hostile_page, f"--screenshot={picture}", "--hide-scrollbars", *options)
    from PIL import Image

    with Image.open(picture) as image:
        assert image.size == tuple(int(size) for size in options[0].partition("=")[2].split(","))
        red, green, blue = image.convert("RGB").getpixel((3, 3))
    assert (red + green + blue < 150) is (name == "dark")
