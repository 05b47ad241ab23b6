"""The section [stages]: the settings of every stage, in the pipeline's order."""

from __future__ import annotations

from pydantic import model_validator

from edgewright.specs.recipe.account import Account
from edgewright.specs.recipe.distill import NO_END, Distill
from edgewright.specs.recipe.export import Export
from edgewright.specs.recipe.finetune import Finetune
from edgewright.specs.recipe.low_rank import LowRank
from edgewright.specs.recipe.prune import Prune
from edgewright.specs.recipe.quantize import Quantize
from edgewright.specs.recipe.section import Section
from edgewright.specs.recipe.vocabulary import Vocabulary

INT4_RUNTIMES = ("executorch", "litert")  # those with fast kernels for such weights
FLOAT16_RUNTIMES = ("executorch", "litert")  # those that compute in it where the core does


class Stages(Section):
    """The settings of every stage, in the pipeline's order."""

    finetune: Finetune = Finetune()
    vocabulary: Vocabulary = Vocabulary()
    prune: Prune = Prune()
    low_rank: LowRank = LowRank()
    distill: Distill = Distill()
    account: Account = Account()
    quantize: Quantize = Quantize()
    export: Export = Export()

    @model_validator(mode="after")
    def _steps_build_on_each_other(self) -> Stages:
        if self.distill.from_scratch and self.prune.steps > 1:
            raise ValueError(
                f"takes distill.from_scratch or prune.steps = {self.prune.steps}, not both: such a student would "
                "forget at each step what it learned at the one before"
            )
        without = [name for name in self.export.runtimes if name not in INT4_RUNTIMES]
        if self.quantize.weights == "int4" and without:
            raise ValueError(
                f'takes quantize.weights = "int4" with the runtimes {" and ".join(INT4_RUNTIMES)} alone: '
                f"{', '.join(without)} has no fast kernels for it"
            )
        if self.quantize.scheme == "float16":
            without = [name for name in self.export.runtimes if name not in FLOAT16_RUNTIMES]
            if without:
                raise ValueError(
                    f'takes quantize.scheme = "float16" with the runtimes {" and ".join(FLOAT16_RUNTIMES)} alone: '
                    f"{', '.join(without)} does not compute in it"
                )
        return self

    @property
    def aware_lesson(self) -> Distill | None:
        """The lesson in int8, where there is one: as the last one is, but for what `quantize.aware` says."""
        aware = self.quantize.qat
        if aware is None or not self.distill.enabled:
            return None
        own = {**NO_END, "tokens": None, "from_scratch": False, **aware.model_dump()}
        return self.distill.lessons[-1].model_copy(update=own)
