"""What the sections of a profile are made of: facts with their sources, and fields that say what they are."""

from __future__ import annotations

from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

Value = TypeVar("Value")
Count = Annotated[int, Field(gt=0)]
Amount = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Confidence = Literal["R", "E", "C", "U"]

CONFIDENCE = {
    "R": "read in a primary source",
    "E": "seen in an excerpt",
    "C": "computed from other facts",
    "U": "unverified",
}
NEEDED = ...


class ProfileSection(BaseModel):
    """A section of a profile; it takes no field that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Sourced(ProfileSection, Generic[Value]):
    """A value, how sure it is, and its source; `highest` is the upper end where the source gives a range."""

    value: Value
    highest: Value | None = None
    confidence: Confidence
    source: Annotated[str, Field(min_length=1)]


def field(description: str, *, unit: str = "", default: object = NEEDED) -> Any:
    """A field with what it is, how it is measured, and its unit; one without a `default` must be given."""
    return Field(default=default, description=description, json_schema_extra={"unit": unit})
