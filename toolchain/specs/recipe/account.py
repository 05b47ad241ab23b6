"""The section [stages.account]: what is kept of what compression changed."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from edgewright.specs.recipe.section import Section


class Account(Section):
    """What is kept of what compression changed.

    Of so many of the examples that the student answers worse, `attributions` tell which words or places of an image the
    teacher's answer rests on, and the student's (the extra "explain").
    """

    attributions: Annotated[int, Field(ge=0, le=20)] = 0
