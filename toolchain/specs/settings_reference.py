"""Every setting of a recipe or a profile, as it is declared: its meaning, unit, range and default, and what it costs.

In:  the sections of `specs.recipe` or `specs.profiles`.
Out: `Setting`s, and the same as Markdown.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Literal, Union, get_args, get_origin

from pydantic import AliasChoices, BaseModel
from pydantic.fields import FieldInfo

from edgewright.base.renamed import inner_model
from edgewright.errors import UnknownNameError
from edgewright.specs.profiles import Sourced
from edgewright.specs.recipe import Recipe

KINDS: dict[object, str] = {int: "whole number", float: "number", str: "text", bool: "true or false", tuple: "list"}
BOUNDS = {"gt": "more than {:g}", "ge": "at least {:g}", "lt": "less than {:g}", "le": "at most {:g}"}


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting; `section` is where it stands, `old_names` are taken for one version more, with a warning.

    `range` is empty where there is none; `default` is "–" where there is nothing, and "needed" where one must be given.
    """

    section: str
    name: str
    kind: str
    range: str
    unit: str
    default: str
    description: str
    costs: str
    source: str
    old_names: tuple[str, ...]

    @property
    def place(self) -> str:
        """Its full name in the file."""
        return f"{self.section}.{self.name}".lstrip(".")


def settings(wanted: str = "", *, model: type[BaseModel] = Recipe) -> tuple[Setting, ...]:
    """All settings of a model in the order of the sections, or those of the section or the setting that is `wanted`.

    A section may be named with or without "stages.". Raises `UnknownNameError` with the nearest names.
    """
    every = tuple(_settings_of(model, ""))
    if not wanted:
        return every
    names = (wanted, f"stages.{wanted}")
    chosen = tuple(setting for setting in every if any(_within(setting.place, name) for name in names))
    if not chosen:
        sections = {setting.section for setting in every}
        sections.discard("")
        known = (*(setting.place for setting in every), *sections, *(name.removeprefix("stages.") for name in sections))
        raise UnknownNameError("setting", wanted, known)
    return chosen


def as_markdown(chosen: Sequence[Setting], *, model: type[BaseModel] = Recipe) -> str:
    """A heading for each section, and a table of its settings."""
    headings, section = {"": "What stands above all sections.", **dict(_headings(model, ""))}, None
    lines: list[str] = []
    for setting in chosen:
        if setting.section != section:
            section = setting.section
            lines += [
                "",
                f"## [{section}]" if section else "## Above the sections",
                "",
                headings[section],
                "",
                "| setting | what it does | values | default |",
                "|---|---|---|---|",
            ]
        cells = (f"`{setting.name}`", _cell(_sentences(setting)), _cell(values_of(setting)), _cell(setting.default))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines).lstrip("\n") + "\n"


def values_of(setting: Setting) -> str:
    """What may be given, with range and unit."""
    return ", ".join(part for part in (setting.kind, setting.range, setting.unit) if part)


def _sentences(setting: Setting) -> str:
    parts = [setting.description]
    if setting.costs:
        parts.append(f"Costs: {setting.costs}.")
    if setting.source:
        parts.append(f"({setting.source})")
    if setting.old_names:
        parts.append(f"Was called {', '.join(setting.old_names)}.")
    return " ".join(parts)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _headings(model: type[BaseModel], section: str) -> Iterator[tuple[str, str]]:
    """What each section is for, and the name it had."""
    for name, field in model.model_fields.items():
        inner = _section_of(field)
        if inner is None:
            continue
        inside = f"{section}.{name}".lstrip(".")
        about = " ".join((field.description or inner.__doc__ or "").split("\n\n")[0].split())
        old = _old_names(name, field)
        yield inside, " ".join([about, *([f"Was called {', '.join(old)}."] if old else [])])
        yield from _headings(inner, inside)


def _old_names(name: str, field: FieldInfo) -> tuple[str, ...]:
    alias = field.validation_alias
    return tuple(str(old) for old in alias.choices if old != name) if isinstance(alias, AliasChoices) else ()


def _within(place: str, name: str) -> bool:
    return place == name or place.startswith(f"{name}.")


def _settings_of(model: type[BaseModel], section: str) -> Iterator[Setting]:
    inner = {name: _section_of(field) for name, field in model.model_fields.items()}
    for name, field in model.model_fields.items():
        if inner[name] is None:
            yield _setting(section, name, field)
    for name, part in inner.items():
        if part is not None:
            yield from _settings_of(part, f"{section}.{name}".lstrip("."))


def _section_of(field: FieldInfo) -> type[BaseModel] | None:
    """The model of a field that is a section of its own; a fact with its source is none."""
    inner = inner_model(field.annotation)
    return None if inner is None or issubclass(inner, Sourced) else inner


def _setting(section: str, name: str, field: FieldInfo) -> Setting:
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    kinds, bounds = _described(field.annotation)
    bounds += [bound for constraint in field.metadata for bound in _bounds_of(constraint)]
    return Setting(
        section=section,
        name=name,
        kind=" or ".join(dict.fromkeys(kinds)),
        range=", ".join(dict.fromkeys(bounds)),
        unit=str(extra.get("unit", "")),
        default="needed" if field.is_required() else _default(field.default),
        description=field.description or "",
        costs=str(extra.get("costs", "")),
        source=str(extra.get("source", "")),
        old_names=_old_names(name, field),
    )


def _described(annotation: object) -> tuple[list[str], list[str]]:
    """The kinds of values of an annotation, and its bounds."""
    origin, inside = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        kinds, bounds = _described(inside[0])
        return kinds, bounds + [bound for constraint in inside[1:] for bound in _bounds_of(constraint)]
    if isinstance(annotation, type) and issubclass(annotation, Sourced):
        value = annotation.model_fields["value"]
        kinds, bounds = _described(value.annotation)
        limits = [bound for constraint in value.metadata for bound in _bounds_of(constraint)]
        return [f"fact: {kind}" for kind in kinds], bounds + limits
    if origin in (Union, UnionType):
        parts = [_described(option) for option in inside if option is not NoneType]
        return [kind for kinds, _ in parts for kind in kinds], [bound for _, bounds in parts for bound in bounds]
    if origin is Literal:
        return [", ".join(json.dumps(value) for value in inside)], []
    if origin is tuple:
        kinds, bounds = _described(inside[0])
        return [f"list of {kind}" for kind in kinds], bounds
    return [KINDS.get(annotation, "path")], []


def _bounds_of(metadata: object) -> Iterator[str]:
    """Of a constraint, or of a field's description that holds several."""
    for constraint in (metadata, *getattr(metadata, "metadata", ())):
        for name, words in BOUNDS.items():
            if isinstance(limit := getattr(constraint, name, None), int | float):
                yield words.format(limit)


def _default(value: object) -> str:
    if value is None or value in ((), ""):
        return "–"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return {"\t": "tab"}.get(value, str(value)) if isinstance(value, str) else f"{value:g}"
