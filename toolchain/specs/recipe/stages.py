"""The section [stages]: the settings of every stage, in the pipeline's order."""

from __future__ import annotations

from pydantic import model_validator

from edgewright.specs.recipe.account import Account
from edgewright.specs.recipe.distill import NO_END, Distill
from edgewright.specs.recipe.export import Export, runtimes
from edgewright.specs.recipe.finetune import Finetune
from edgewright.specs.recipe.low_rank import LowRank
from edgewright.specs.recipe.prune import Prune
from edgewright.specs.recipe.quantize import Quantize, schemes
from edgewright.specs.recipe.section import Section
from edgewright.specs.recipe.vocabulary import Vocabulary


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
        for key, name in (("weights", self.quantize.weights), ("scheme", self.quantize.scheme)):
            if name is None or name not in schemes() or (scheme := schemes()[name]).instead:
                continue
            able = [each for each in runtimes() if runtimes()[each].supports(name)]
            if without := [each for each in self.export.runtimes if each not in able]:
                raise ValueError(
                    f'takes quantize.{key} = "{name}" with the runtimes {" and ".join(able)} alone: '
                    f"{', '.join(without)} {scheme.lacks}"
                )
        return self

    @property
    def qat_phase(self) -> Distill | None:
        """Quantisation-aware training, where there is any: the last phase again, but for what `quantize.qat` says."""
        aware = self.quantize.qat
        if aware is None or not self.distill.enabled:
            return None
        own = {**NO_END, "tokens": None, "from_scratch": False, **aware.model_dump()}
        return self.distill.phases[-1].model_copy(update=own)
