"""What shells offer after Tab: verbs, options, and names of recipes, profiles and targets."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
# The shell is found by the process that asks; that of a test is none, so it is named.
NO_DETECTION = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}


@pytest.fixture
def command(tmp_path: Path) -> Path:
    """`edgewright` as an installed command, of this source."""
    program = tmp_path / "bin" / "edgewright"
    program.parent.mkdir()
    program.write_text(
        f"#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -c "
        "'import sys; from edgewright.cli.main import main; sys.exit(main())' \"$@\"\n"
    )
    program.chmod(0o755)
    return program


def offered(line: str, folder: Path, command: Path) -> list[str]:
    """What bash offers for the last word of a line, by the script that the command prints for it."""
    program = f"""
        eval "$({command} --show-completion bash)"
        COMP_LINE='{line}'; COMP_WORDS=({line!s}); COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 ))
        [[ '{line}' == *' ' ]] && {{ COMP_WORDS+=(''); COMP_CWORD=$(( COMP_CWORD + 1 )); }}
        _edgewright_completion edgewright
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    env = os.environ | {
        "PATH": f"{command.parent}:{os.environ['PATH']}",
        "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1",
    }
    ended = subprocess.run(["bash", "-c", program], cwd=folder, env=env, capture_output=True, text=True, check=True)
    return ended.stdout.split()


def test_bash_offers_verbs_and_names(tmp_path: Path, command: Path) -> None:
    (tmp_path / "targets.toml").write_text('[targets.kitchen]\naddress = "ssh://pi@kitchen.local"\n')
    assert offered("edgewright pro", tmp_path, command) == ["profiles"]
    assert offered("edgewright build sea", tmp_path, command) == ["search-aggressive", "search-balanced"]
    assert offered("edgewright build demo --profile raspberry-pi-z", tmp_path, command) == ["raspberry-pi-zero-2-w"]
    assert offered("edgewright bench out --target k", tmp_path, command) == ["kitchen"]
    assert offered("edgewright bench out --runtime lit", tmp_path, command) == ["litert"]


def test_a_damaged_targets_file_offers_nothing_and_says_nothing(tmp_path: Path, command: Path) -> None:
    (tmp_path / "targets.toml").write_text("[targets")
    env = os.environ | {
        "_EDGEWRIGHT_COMPLETE": "complete_bash",
        "COMP_WORDS": "edgewright bench out --target ss",
        "COMP_CWORD": "4",
    }
    ended = subprocess.run([command], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert (ended.stdout.split(), ended.stderr) == (["ssh://"], "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_its_script(tmp_path: Path, command: Path, shell: str) -> None:
    env = os.environ | NO_DETECTION
    ended = subprocess.run([command, "--show-completion", shell], env=env, capture_output=True, text=True, check=True)
    assert "_EDGEWRIGHT_COMPLETE" in ended.stdout
