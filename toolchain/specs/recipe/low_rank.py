"""The section [stages.low_rank]: matrices as products of two smaller ones."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from edgewright.specs.recipe.section import Count, Section, setting


class LowRank(Section):
    """Keeping matrices as products of two smaller ones, where that pays; none is where nothing is given."""

    enabled: bool = setting(True, "Keep matrices as products of two smaller ones where a setting here says which.")
    token_rank: Count | None = setting(
        None, "The rank of the token table.", costs="score, on rare words first", source="Lan et al. 2020, ALBERT"
    )
    token_exponent: Annotated[float, Field(ge=0, le=1)] = setting(
        1.0,
        "A token of that table weighs its occurrences to this power; less than 1 is better for rare tokens before "
        "a long training.",
        unit="power",
    )
    energy: Annotated[float, Field(gt=0, lt=1)] | None = setting(
        None, "How much of what the layers' matrices do to real activations is kept.", unit="share"
    )
    keep_parameters: Annotated[float, Field(gt=0, lt=1)] | None = setting(
        None, "How many of the layers' matrices' parameters are kept.", unit="share"
    )

    @model_validator(mode="after")
    def _one_rule(self) -> LowRank:
        if self.energy is not None and self.keep_parameters is not None:
            raise ValueError("takes energy or keep_parameters, not both")
        if self.token_rank is None and self.token_exponent != 1.0:
            raise ValueError("takes token_exponent with token_rank alone, the rank of what it weighs")
        return self
