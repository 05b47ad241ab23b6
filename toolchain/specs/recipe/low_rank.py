"""The section [stages.low_rank]: matrices as products of two smaller ones."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from edgewright.specs.recipe.section import Count, Section


class LowRank(Section):
    """Keeping matrices as products of two smaller ones, where that pays; nothing is factorised where nothing is given.

    `token_rank` is that of the token table, in which a token weighs its occurrences to the power of `token_exponent`:
    less than 1 is better for rare tokens where the student is taught long afterwards. The layers' matrices keep the
    share `energy` of what they do to real activations, or the share `keep_parameters` of their parameters.
    """

    enabled: bool = True
    token_rank: Count | None = None
    token_exponent: Annotated[float, Field(ge=0, le=1)] = 1.0
    energy: Annotated[float, Field(gt=0, lt=1)] | None = None
    keep_parameters: Annotated[float, Field(gt=0, lt=1)] | None = None

    @model_validator(mode="after")
    def _one_rule(self) -> LowRank:
        if self.energy is not None and self.keep_parameters is not None:
            raise ValueError("takes energy or keep_parameters, not both")
        if self.token_rank is None and self.token_exponent != 1.0:
            raise ValueError("takes token_exponent with token_rank alone, the rank of what it weighs")
        return self
