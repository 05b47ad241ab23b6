"""What the sections of a recipe are made of: a frozen model that takes no unknown setting, and kinds of values."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import AfterValidator, AliasChoices, BaseModel, ConfigDict, Field, ValidationInfo

from edgewright.base.places import expanded
from edgewright.base.redacted import holds_secret

Count = Annotated[int, Field(gt=0)]
Amount = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Text = Annotated[str, Field(min_length=1)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]


Values = Mapping[str, object]
"""A recipe's values, or a section's, before they are checked."""
Default = TypeVar("Default")
Names = TypeVar("Names", bound=tuple[object, ...])


def resolved(path: Path, info: ValidationInfo) -> Path:
    """The path from the folder of the file that names it."""
    folder = info.context.get("folder") if info.context else None
    return (folder or Path.cwd()) / expanded(path)


def matching(pattern: str, form: str) -> AfterValidator:
    """A check of a text against a pattern; `form` describes it to a person."""

    def check(text: str) -> str:
        if holds_secret(text):
            raise ValueError("must hold no password or other secret; leave it out")
        if not re.fullmatch(pattern, text):
            raise ValueError(f"must have the form {form}, not {text!r}")
        return text

    return AfterValidator(check)


FilePath = Annotated[Path, AfterValidator(resolved)]


def setting(
    default: Default,
    description: str,
    *,
    unit: str = "",
    costs: str = "",
    source: str = "",
    names: tuple[str, ...] = (),
) -> Default:
    """A setting with its default and what is said of it: its meaning, unit, cost, and the source of its method.

    `names` are its name of today and those it had, which are accepted with a warning for one version.
    """
    field: Default = Field(
        default=default,
        description=description,
        json_schema_extra={"unit": unit, "costs": costs, "source": source},
        validation_alias=AliasChoices(*names) if names else None,
    )
    return field


class Section(BaseModel):
    """One section of a recipe; it takes no setting that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def set_of(section: BaseModel, names: Sequence[str]) -> list[str]:
    """Those of a section's settings that are not at their defaults."""
    return [name for name in names if getattr(section, name) != type(section).model_fields[name].default]


def each_once(names: Names) -> Names:
    """The names, none of which may stand there twice."""
    if len(set(names)) != len(names):
        raise ValueError(f"must name each once, not {list(names)}")
    return names


def as_tuple(values: object) -> object:
    """A list as a tuple, for a section that a validator saw first.

    Pydantic takes such a section for Python's, where a list is no tuple.
    """
    return tuple(values) if isinstance(values, list) else values


def joined(names: Sequence[str]) -> str:
    """Names as one says them: "a, b and c"."""
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]


def section_of(values: Values, name: str) -> Values:
    """A section of values that are not checked yet; an empty one where there is none."""
    section = values.get(name)
    return section if isinstance(section, Mapping) else {}


LEAST_LENGTH = 8  # tokens of a text
LONGEST_CONTEXT = 131_072  # tokens that a cache may be asked for
