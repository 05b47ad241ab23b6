"""The section [stages.vocabulary]: which word pieces stay."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from edgewright.specs.recipe.section import Section


class Vocabulary(Section):
    """Dropping the word pieces the task never uses.

    `size` is how many stay at most; `coverage` the share of the training tokens that must still be one piece.
    """

    enabled: bool = True
    size: Annotated[int, Field(ge=256)] | None = None
    coverage: Annotated[float, Field(gt=0, le=1)] | None = None
