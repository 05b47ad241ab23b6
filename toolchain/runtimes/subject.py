"""A model with what an artifact of it takes: what a build has before it knows the runtime.

In:  a float model, and the inputs of an artifact as its modality says.
Out: `Subject`, which for a runtime is an `ExportInput`; `export_input` for a module that is exported as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from edgewright.modality.input_spec import Examples, InputSpec
from edgewright.models.families import known_family
from edgewright.quantize.simulated import Part, parts_of
from edgewright.runtimes.decoder_input import generating_input
from edgewright.runtimes.descriptor import Runtime
from edgewright.runtimes.export_input import ExportInput, with_outputs
from edgewright.specs.signature import BATCH, FORWARD, Array, Signature

PLACE = "model"  # of the model in the module that is exported


def signature_of(module: nn.Module, spec: InputSpec, runtime: Runtime) -> Signature:
    """What an artifact of the module takes under a runtime, and gives, found by running the module."""
    calls = spec.calls() if runtime.takes_batches else (spec.one,)
    return Signature(
        methods=tuple(
            with_outputs(
                module,
                FORWARD if call.batch == 1 else BATCH,
                call.tensors(fixed_shapes=runtime.fixed_shapes, index_dtype=runtime.index_dtype),
                spec.outputs,
            )
            for call in calls
        )
    )


def export_input(module: nn.Module, spec: InputSpec, runtime: Runtime, *, place: str = "") -> ExportInput:
    """A module that takes the tensors of a spec, as the runtime's exporter gets it."""
    return ExportInput(module=module, signature=signature_of(module, spec, runtime), place=place)


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A model, and what an artifact of it takes."""

    model: nn.Module
    spec: InputSpec

    def module(self, *, padded: bool = False) -> nn.Module:
        """What is exported: the model, as it is run. With `padded` the padding of examples is masked."""
        return self.spec.module(self.model, padded=padded)

    @property
    def products_only(self) -> bool:
        """Whether fixed scales are for products alone: between a transformer's there are norms and masks."""
        family = known_family(self.model)
        return family is not None and family.products_only

    @property
    def parameters_count(self) -> int:
        """How many numbers the model holds."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    def checked(self, examples: Examples) -> Examples:
        """These examples for fixed scales. Raises `InputError` with the first that is not what the model takes."""
        return self.spec.checked(self.model, examples)

    def parts(self) -> dict[str, Part]:
        """All that int8 makes smaller, by its place in the model."""
        return parts_of(self.module().get_submodule(PLACE))

    def for_runtime(self, runtime: Runtime) -> ExportInput:
        """What an exporter of this runtime gets; of a model that writes, its methods with a cache."""
        if (plan := self.spec.writes) is not None:
            return generating_input(
                self.model,
                runtime,
                context=plan.context,
                begin=plan.begin,
                stop=plan.stop,
                prefill_sizes=plan.prefill_lengths,
                cache_format=plan.cache,
                verify_tokens=plan.verify_tokens,
            )
        module = self.module(padded=runtime.fixed_shapes)
        return ExportInput(
            module=module,
            signature=signature_of(module, self.spec, runtime),
            place=PLACE,
            products_only=self.products_only,
        )

    def calibration(self, examples: Examples, runtime: Runtime) -> tuple[Mapping[str, Array], ...]:
        """Examples for fixed scales, as the runtime takes them. Raises `InputError` with the first that it does not."""
        return tuple(self.spec.arrays([each], runtime.index_dtype) for each in self.checked(examples))
