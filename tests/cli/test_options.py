"""The flags that verbs share mean the same everywhere."""

import inspect
from collections.abc import Iterator
from typing import Any

import pytest
import typer.main

from edgewright.cli import options
from edgewright.cli.main import app


def commands(command: Any = None, name: str = "") -> Iterator[tuple[str, Any]]:
    """Each verb by its words, whichever click Typer brings."""
    command = command or typer.main.get_command(app)
    if hasattr(command, "commands"):
        for each, inner in command.commands.items():
            yield from commands(inner, f"{name} {each}".strip())
        if command.invoke_without_command:
            yield name, command
    else:
        yield name, command


COMMANDS = dict(commands())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_verb_gives_a_document_where_it_is_asked_for_one(name: str) -> None:
    flags = {flag for each in COMMANDS[name].params for flag in each.opts}
    assert "--json" in flags or name in ("", "target shell", "report"), flags


@pytest.mark.parametrize("flag", ["--json", "--profile", "--wait", "--length"])
def test_a_shared_flag_takes_the_same_kind_of_value_in_every_verb(flag: str) -> None:
    kinds = {
        (each.metavar, each.is_flag) for command in COMMANDS.values() for each in command.params if flag in each.opts
    }
    assert len(kinds) == 1


@pytest.mark.parametrize("name", COMMANDS)
def test_every_flag_says_what_it_does(name: str) -> None:
    for each in COMMANDS[name].params:
        if each.param_type_name == "option":
            assert each.help, f"{name} {each.opts}"


def test_the_ways_to_a_machine_are_told_together() -> None:
    for scheme in ("local:", "ssh://", "adb://", "emulated://"):
        assert scheme in options.ADDRESSES
    assert inspect.getmodule(options).__doc__
