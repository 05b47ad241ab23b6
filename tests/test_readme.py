"""What the README tells people to type is what the command takes, and its workflows are sound."""

import csv
import json
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from edgewright.base.places import cache_dir
from edgewright.cli.main import main
from tests import tiny

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
GROUPS = ("history", "profiles", "recipes", "runner", "target")
COMMAND = re.compile(r"(?:^|\s|/)edgewright ([a-z].*)")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.M | re.S)


def sample_recipe() -> str:
    """The recipe for a model of one's own."""
    (found,) = [block for block in blocks("toml") if 'name = "tickets"' in block]
    return found


def workflows() -> dict[str, Any]:
    """The steps' commands of each workflow, by the name of its host."""
    github, gitlab = map(yaml.safe_load, blocks("yaml"))
    return {
        "GitHub": [step["run"] for step in github["jobs"]["edge"]["steps"] if "run" in step],
        "GitLab": gitlab["edge"]["script"],
    }


def commands() -> Iterator[tuple[str, ...]]:
    """(verb, flags) of every command line in the README, inline, in a block or in a workflow."""
    inline = [each for line in re.findall(r"`([^`\n]+)`", TEXT) for each in line.splitlines()]
    shell = [line.partition("#")[0] for block in blocks("sh") for line in block.splitlines()]
    steps = [line for each in workflows().values() for line in each]
    for line in (*inline, *shell, *steps):
        if (found := COMMAND.search(line)) is None:
            continue
        words = shlex.split(found[1].partition(">")[0])
        count = 2 if words[0] in GROUPS else 1
        flags = [word for word in words[count:] if word.startswith("-")]
        yield " ".join(words[:count]), *flags


@pytest.mark.parametrize("command", sorted(set(commands())), ids=" ".join)
def test_every_command_and_flag_that_the_readme_names_is_there(
    command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    verb, *flags = command
    assert main([*verb.split(), "--help"]) == 0
    shown = capsys.readouterr().out.replace(",", " ").split()
    assert set(flags) <= set(shown)


def test_both_workflows_install_build_measure_and_decide_in_this_order() -> None:
    for steps in workflows().values():
        verbs = [match[1].split()[0] for step in steps if (match := COMMAND.search(step)) and "pip" not in step]
        assert verbs == ["build", "bench", "gate"]
        assert "pip install wheels/edgewright-*.whl" in steps  # it is on no index, and the text says how one gets it


@pytest.mark.parametrize("host", ["GitHub", "GitLab"])
def test_a_workflow_installs_what_the_makefile_says_an_emulated_board_needs(host: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    needs = re.search(r"^DEMO_NEEDS := ((?:.*\\\n)*.*)", makefile, re.M)
    assert needs is not None
    packages = set(re.findall(r"=([a-z0-9+-]+)(?:\s|$)", needs[1].replace("\\\n", " ")))
    assert len(packages) > 8
    installed = next(step for step in workflows()[host] if "apt-get install" in step).split()
    assert packages <= set(installed)


@pytest.mark.slow
def test_the_sample_recipe_is_built_as_it_stands_and_keeps_its_budget(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "runners").symlink_to(cache_dir("runners"))  # compiled once
    monkeypatch.setenv("EDGEWRIGHT_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "models").mkdir()
    shutil.copytree(tiny.bert_folder(), tmp_path / "models" / "my-bert")
    with (tmp_path / "tickets.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["message", "queue"])
        for seed, label in enumerate(tiny.LABELS):
            rows.writerows((text, label) for text in tiny.sentences(60, seed=seed, label=label))
    (tmp_path / "tickets.toml").write_text(sample_recipe(), encoding="utf-8")
    status = main(
        ["build", "tickets.toml", "--profile", "raspberry-pi-zero-2-w", "-o", "build/tickets", "--json", "--no-history"]
    )
    document = json.loads(capsys.readouterr().out)
    missed = {miss["name"] for miss in document["budget"]["missed"]}
    assert missed <= {"max_score_loss_percent"}  # what random weights and a hundred texts leave open
    assert status == (1 if missed else 0)
    assert any("were chosen for its budget on raspberry-pi-zero-2-w" in note for note in document["notes"])
    assert main(["predict", "build/tickets", "--profile", "raspberry-pi-zero-2-w", "--json"]) == 0
    for row in json.loads(capsys.readouterr().out)["predictions"]:
        assert row["latency_ms"] < 10


def test_the_readme_names_every_verb() -> None:
    named = {command[0].split()[0] for command in commands()}
    assert {"build", "bench", "run", "compare", "gate", "report", "history", "recipes", "profiles", "target"} <= named
