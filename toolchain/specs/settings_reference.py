"""Every setting of a recipe, as it is declared: what it means, its unit, range and default, and what it costs.

In:  the sections of `specs.recipe`.
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
        """Its full name in a recipe."""
        return f"{self.section}.{self.name}"


def settings(wanted: str = "", *, model: type[BaseModel] = Recipe) -> tuple[Setting, ...]:
    """All settings in the order of the sections, or those of the section or the setting that is `wanted`.

    A section may be named with or without "stages.". Raises `UnknownNameError` with the nearest names.
    """
    every = tuple(_settings_of(model, ""))
    if not wanted:
        return every
    names = (wanted, f"stages.{wanted}")
    chosen = tuple(each for each in every if any(_within(each.place, name) for name in names))
    if not chosen:
        sections = {each.section for each in every}
        known = (*(each.place for each in every), *sections, *(name.removeprefix("stages.") for name in sections))
        raise UnknownNameError("setting", wanted, known)
    return chosen


def as_markdown(chosen: Sequence[Setting]) -> str:
    """A heading for each section, and a table of its settings."""
    headings, section = dict(_headings(Recipe, "")), None
    lines: list[str] = []
    for each in chosen:
        if each.section != section:
            section = each.section
            lines += [
                "",
                f"## [{section}]",
                "",
                headings[section],
                "",
                "| setting | what it does | values | default |",
                "|---|---|---|---|",
            ]
        lines.append(
            f"| `{each.name}` | {_cell(_sentences(each))} | {_cell(values_of(each))} | {_cell(each.default)} |"
        )
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
        found = inner_model(field.annotation)
        if found is None:
            continue
        inside = f"{section}.{name}".lstrip(".")
        about = " ".join((field.description or found.__doc__ or "").split("\n\n")[0].split())
        old = _old_names(name, field)
        yield inside, " ".join([about, *([f"Was called {', '.join(old)}."] if old else [])])
        yield from _headings(found, inside)


def _old_names(name: str, field: FieldInfo) -> tuple[str, ...]:
    alias = field.validation_alias
    return tuple(str(each) for each in alias.choices if each != name) if isinstance(alias, AliasChoices) else ()


def _within(place: str, name: str) -> bool:
    return place == name or place.startswith(f"{name}.")


def _settings_of(model: type[BaseModel], section: str) -> Iterator[Setting]:
    inner = {name: inner_model(field.annotation) for name, field in model.model_fields.items()}
    for name, field in model.model_fields.items():
        if inner[name] is None:
            yield _setting(section, name, field)
    for name, found in inner.items():
        if found is not None:
            yield from _settings_of(found, f"{section}.{name}".lstrip("."))


def _setting(section: str, name: str, field: FieldInfo) -> Setting:
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    kinds, bounds = _described(field.annotation)
    bounds += [bound for each in field.metadata for bound in _bounds_of(each)]
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
        return kinds, bounds + [bound for each in inside[1:] for bound in _bounds_of(each)]
    if origin in (Union, UnionType):
        parts = [_described(each) for each in inside if each is not NoneType]
        return [kind for kinds, _ in parts for kind in kinds], [bound for _, bounds in parts for bound in bounds]
    if origin is Literal:
        return [", ".join(json.dumps(each) for each in inside)], []
    if origin is tuple:
        kinds, bounds = _described(inside[0])
        return [f"list of {kind}" for kind in kinds], bounds
    return [KINDS.get(annotation, "path")], []


def _bounds_of(metadata: object) -> Iterator[str]:
    """Of a constraint, or of a field's description that holds several."""
    for each in (metadata, *getattr(metadata, "metadata", ())):
        for name, words in BOUNDS.items():
            if isinstance(limit := getattr(each, name, None), int | float):
                yield words.format(limit)


def _default(value: object) -> str:
    if value is None or value in ((), ""):
        return "–"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return {"\t": "tab"}.get(value, str(value)) if isinstance(value, str) else f"{value:g}"
