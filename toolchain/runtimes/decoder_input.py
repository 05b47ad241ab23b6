"""A decoder as each runtime's exporter gets it: methods that read a prompt and add a token, and where its cache lies.

In:  a model of a family that generates; or a module that takes ids (1, length), the position (1,) of the first and the
     cache, and gives the logits (1, vocabulary) of the last id and the cache with the ids' rows written.
Out: an `ExportInput`, whose signature says how text is generated. What the module consists of is its family's concern.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import nn

from edgewright.errors import InputError
from edgewright.models.capabilities import GENERATES, CallsOperators
from edgewright.models.families import required, to_run
from edgewright.runtimes.descriptor import Runtime
from edgewright.runtimes.export_input import Buffered, ExportInput, zeros_of
from edgewright.runtimes.table import runtimes_that
from edgewright.specs.generation import Generation
from edgewright.specs.signature import FORWARD, Axis, Method, Signature
from edgewright.specs.signature import Tensor as TensorSpec

PREFILL_SIZES = (8, 32, 128)  # ids at once; memory for the largest is set aside
LEAST_LENGTH = 2  # of an axis that an exporter leaves free
LENGTH, VERIFY = "length", "verify"


def generating_input(
    model: nn.Module,
    runtime: Runtime,
    *,
    context: int,
    begin: int | None = None,
    stop: Sequence[int] = (),
    prefill_sizes: Sequence[int] = PREFILL_SIZES,
    cache_format: str = "float32",
    verify_tokens: int = 0,
) -> ExportInput:
    """A model for a runtime, with a cache for a `context` of so many ids; texts `begin` and `stop` with these ids.

    The cache is in float32, or in int8 with a scale for each row. With `verify_tokens` a further method reads so many
    tokens of a draft, and the one before them, at once.

    Raises `InputError` for a model that does not generate, and for a context beyond what it was made for.
    """
    generates = required(model, GENERATES, setting="task.kind")
    most = generates.context(model)
    if not 1 <= context <= most:
        raise InputError(f"a context of {context} is asked for, and the model has 1 to {most} positions; ask for fewer")
    cache = [
        TensorSpec.model_validate({"name": name, "dtype": dtype, "shape": shape})
        for name, shape, dtype in generates.state(model, context, cache=cache_format)
    ]
    module = generates.cached(to_run(model), context=context, cache=cache_format)
    with torch.no_grad():
        example = torch.zeros(1, 1, dtype=torch.int64), torch.zeros(1, dtype=torch.int64)
        logits, *_ = module(*example, *zeros_of(cache).values())
    plan = Generation(
        context=context,
        vocabulary=logits.shape[-1],
        begin=begin,
        stop=tuple(stop),
        verify=VERIFY if verify_tokens else None,
    )
    by_operators = runtime.operators and cache_format == "float32"  # the one that operators read
    if not (by_operators and isinstance(module, CallsOperators)):
        return decoder_input(module, plan, cache, runtime, prefill_sizes, verify_tokens, place="model")
    module = module.with_operators()
    source = decoder_input(module, plan, cache, runtime, prefill_sizes, verify_tokens, place="model")
    return replace(source, signature=source.signature.model_copy(update={"operators": runtime.operators}))


def decoder_input(
    module: nn.Module,
    generation: Generation,
    cache: Sequence[TensorSpec],
    runtime: Runtime,
    prefill_sizes: Sequence[int] = PREFILL_SIZES,
    verify_tokens: int = 0,
    *,
    place: str = "",
) -> ExportInput:
    """A decoder for a runtime; `cache` are the tensors that the module takes after ids and position.

    Prompts are read so many ids at once as `prefill_sizes` say, or up to the largest where sizes are free. The cache is
    in buffers of the file where the runtime has them, else it goes in and comes out. Raises `InputError` for a runtime
    that cannot write a cache, and of `verify_tokens` for one whose files have one method or a context of fewer.
    """
    if not runtime.generates:
        able = " or ".join(runtimes_that(lambda each: each.generates))
        raise InputError(f"{runtime.name} has no operator that writes rows of a cache; use {able}")
    if generation.verify:
        _require_verifying(runtime, generation.context, verify_tokens)
    state = () if runtime.keeps_buffers else tuple(cache)
    length = prompt_axis(runtime, prefill_sizes, generation.context)
    if runtime.single_method:
        generation = generation.model_copy(update={"prefill": FORWARD, "decode": FORWARD})
        methods: tuple[Method, ...] = (_method(FORWARD, length, generation, runtime, state),)
    else:
        methods = (
            _method(generation.prefill, length, generation, runtime, state),
            _method(generation.decode, 1, generation, runtime, state),
        )
        if generation.verify:
            methods += (_verifying(generation.verify, verify_tokens + 1, generation, runtime, state),)
    signature = Signature(
        methods=methods,
        state=state,
        buffers=tuple(cache) if runtime.keeps_buffers else (),
        generation=generation,
    )
    if runtime.keeps_buffers:
        module, place = Buffered(module, cache), f"model.{place}" if place else "model"
    return ExportInput(module=module.eval(), signature=signature, place=place)


def _require_verifying(runtime: Runtime, context: int, tokens: int) -> None:
    if runtime.single_method:
        raise InputError(
            f"{runtime.name} has one method in a file and none that verifies a draft; leave out "
            "stages.export.verify_tokens, or use another runtime"
        )
    if not 1 <= tokens < context:
        raise InputError(
            f"{tokens} tokens of a draft are to be verified at once, and a context of {context} has room for 1 to "
            f"{context - 1}; change stages.export.verify_tokens"
        )


def prompt_axis(runtime: Runtime, prefill_sizes: Sequence[int], context: int) -> Axis:
    """How many ids of a prompt a runtime's artifact reads at once, with a cache for so many."""
    sizes = sorted(size for size in prefill_sizes if size <= context) or [context]
    if runtime.single_method:
        return Axis(name=LENGTH, most=sizes[-1])
    if runtime.fixed_shapes:
        return Axis(name=LENGTH, most=sizes[-1], buckets=tuple(sizes))
    return Axis(name=LENGTH, least=LEAST_LENGTH, most=sizes[-1])


def _method(
    name: str, length: int | Axis, generation: Generation, runtime: Runtime, state: Sequence[TensorSpec]
) -> Method:
    return Method(
        name=name,
        inputs=(
            TensorSpec(name=generation.ids, dtype=runtime.index_dtype, shape=(1, length)),
            TensorSpec(name=generation.position, dtype=runtime.index_dtype, shape=(1,)),
        ),
        outputs=(TensorSpec(name=generation.logits, dtype="float32", shape=(1, generation.vocabulary)),),
        state=tuple(each.name for each in state),
    )


def _verifying(name: str, length: int, generation: Generation, runtime: Runtime, state: Sequence[TensorSpec]) -> Method:
    """The method that takes ids as a column, and gives the logits of each."""
    one = _method(name, 1, generation, runtime, state)
    ids, position = one.inputs
    (logits,) = one.outputs
    return one.model_copy(
        update={
            "inputs": (ids.model_copy(update={"shape": (length, 1)}), position),
            "outputs": (logits.model_copy(update={"shape": (length, generation.vocabulary)}),),
        }
    )
