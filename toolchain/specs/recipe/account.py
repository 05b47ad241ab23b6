"""The section [stages.account]: what is kept of what compression changed."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from edgewright.specs.recipe.section import Section, setting


class Account(Section):
    """What is kept of what compression changed."""

    attributions: Annotated[int, Field(ge=0, le=20)] = setting(
        0,
        "Of how many of the examples that the student answers worse it is said which words or places its answer "
        "rests on, and the teacher's (the extra explain).",
        unit="examples",
        source="Sundararajan et al. 2017",
    )
