"""The section [recipe]: what the recipe is called."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from edgewright.specs.recipe.section import Section, matching, setting


class Header(Section):
    """What the recipe is called."""

    name: Annotated[
        str,
        matching(r"[a-z0-9][a-z0-9._-]*", "lower-case letters, digits, dots and dashes"),
        Field(description="The recipe's name, as messages and bundles show it."),
    ]
    description: str = setting("", "What it makes, in one sentence.")
