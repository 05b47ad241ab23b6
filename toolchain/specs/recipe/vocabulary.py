"""The section [stages.vocabulary]: which word pieces stay."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from edgewright.specs.recipe.section import Section, setting


class Vocabulary(Section):
    """Dropping the word pieces that the task never uses."""

    enabled: bool = setting(True, "Drop the word pieces that the task never uses.")
    size: Annotated[int, Field(ge=256)] | None = setting(
        None, "How many word pieces stay at most.", unit="word pieces", costs="rare words are cut into more tokens"
    )
    coverage: Annotated[float, Field(gt=0, le=1)] | None = setting(
        None, "How many of the training tokens must still be one piece.", unit="share"
    )
