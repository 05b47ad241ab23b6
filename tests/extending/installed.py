"""A plug-in as it is installed: a distribution with an entry point, on the path of the interpreter."""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def install(folder: Path, group: str, entries: dict[str, str], *, package: str = "somebodys-plugin") -> Path:
    """Write the metadata of an installed distribution that adds these entries to a group; the folder is for the path.

    Of modules that lie beside this one copies are laid there; others are the test's to write.
    """
    name = package.replace("-", "_")
    metadata = folder / f"{name}-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n", encoding="utf-8")
    lines = [f"{name} = {value}" for name, value in entries.items()]
    (metadata / "entry_points.txt").write_text("\n".join([f"[{group}]", *lines, ""]), encoding="utf-8")
    for module in {value.partition(":")[0] for value in entries.values()}:
        source = HERE / f"{module}.py"
        if source.is_file():
            (folder / source.name).write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    return folder


def python(program: str, *folders: Path, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a program in an interpreter of its own, in which what was installed into the folders can be found."""
    path = os.pathsep.join([*map(str, folders), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": path, **(environment or {})},
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip


def edgewright(
    *line: str, folders: tuple[Path, ...], environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command likewise."""
    program = f"import sys; from edgewright.cli.main import main; sys.exit(main({list(line)!r}))"
    return python(program, *folders, environment=environment)
