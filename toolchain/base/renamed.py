"""Settings that have a new name: their old ones are taken for one version more, with a warning.

In:  a file's values, and the model they are to fill, whose fields name their old names as aliases behind their own.
Out: `Renamed`: the values under today's names, where these stand in the file, and what is given under both.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import get_args

from pydantic import AliasChoices, BaseModel

from edgewright.base.toml_lines import place_of
from edgewright.base.untrusted import Location

log = logging.getLogger(__name__)
_warned: set[str] = set()  # a file that is read several times is warned of once


@dataclass(frozen=True, kw_only=True)
class Renamed:
    """Values by today's names; `lines` of those that stand under an old one, and the `faults` of those under both."""

    values: dict[str, object]
    lines: dict[Location, int]
    faults: tuple[tuple[Location, str], ...]


def with_new_names(
    values: Mapping[str, object], model: type[BaseModel], lines: Mapping[Location, int], *, file: str
) -> Renamed:
    """The values under today's names; warns of each that stands under an old one, with its place in the file."""
    current = dict(values)
    new_lines: dict[Location, int] = {}
    faults: list[tuple[Location, str]] = []
    for section, new, old in _old_names(model):
        around = _at(current, section)
        for name in around.keys() & set(old):
            if new in around:
                faults.append(((*section, name), f"is the old name of {new}, which is given, too; leave {name} out"))
            else:
                warn(file, (*section, name), f"is called {new} now; the old name is taken for one version more", lines)
                around[new] = around[name]
            del around[name]
            moved = {place: line for place, line in lines.items() if place[: len(section) + 1] == (*section, name)}
            new_lines |= {(*section, new, *place[len(section) + 1 :]): line for place, line in moved.items()}
    return Renamed(values=current, lines=new_lines, faults=tuple(faults))


def warn(file: str, where: Location, what: str, lines: Mapping[Location, int]) -> None:
    """Warn of a setting, once for each file."""
    sentence = f"{file}: {place_of(where, lines)} {what}"
    if sentence not in _warned:
        _warned.add(sentence)
        log.warning("%s", sentence)


def _old_names(
    model: type[BaseModel], section: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], str, tuple[str, ...]]]:
    """(section, today's name, old names) of each field that has old names, the outermost sections first."""
    for name, field in model.model_fields.items():
        old: tuple[str, ...] = ()
        if isinstance(field.validation_alias, AliasChoices):
            old = tuple(str(each) for each in field.validation_alias.choices if each != name)
            yield section, name, old
        inner = inner_model(field.annotation)
        if inner is not None:
            yield from _old_names(inner, (*section, name))


def _at(values: dict[str, object], section: tuple[str, ...]) -> dict[str, object]:
    """The section, copied on the way so that it may be changed; an empty one where there is none."""
    here = values
    for name in section:
        inner = here.get(name)
        if not isinstance(inner, dict):
            return {}
        here[name] = copied = dict(inner)
        here = copied
    return here


def inner_model(annotation: object) -> type[BaseModel] | None:
    """The pydantic model inside an annotation such as `Emulation | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for part in get_args(annotation) if (model := inner_model(part))), None)
