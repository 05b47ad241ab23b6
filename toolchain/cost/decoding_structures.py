"""The structures of a model that generates: what reading a prompt computes, and what writing one more token does.

In:  a model of a family that generates, and for how many tokens its cache is.
Out: `Structure`s: the prefill's for every number of ids that are read at once, the decode's for every context.
A step looks at all of the cache, however little of it is filled, so that a token costs the same from first to last.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from edgewright.cost.trace import TracedRun, structure_of_runs
from edgewright.models.capabilities import GENERATES, Generates
from edgewright.models.families import required, to_run
from edgewright.specs.structure import Structure

TRACED_IDS = (2, 8)  # ids that are read at once; one alone takes other operators
TRACED_CONTEXTS = 2  # how many times longer the second context is than the first


@dataclass(frozen=True, kw_only=True)
class GeneratingStructures:
    """What an artifact computes: its `prefill` of so many ids at once, and its `decode` with a cache of so many."""

    prefill: Structure
    decode: Structure


def generating_structures(model: nn.Module, *, context: int, cache: str = "float32") -> GeneratingStructures:
    """Those of a model with a cache for a `context` of so many tokens, in float32 or int8.

    Raises `InputError` for a model that does not generate, and for a context beyond what it was made for.
    """
    generates, prepared = required(model, GENERATES, setting="task.kind"), to_run(model)
    few = min(TRACED_IDS[0], context)
    many = min(TRACED_IDS[1], context)
    shorter = max(context // TRACED_CONTEXTS, 1)
    return GeneratingStructures(
        prefill=structure_of_runs(
            [_run(generates, prepared, (context, cache), ids, length=ids) for ids in (few, many)]
        ),
        decode=structure_of_runs(
            [_run(generates, prepared, (each, cache), 1, length=each) for each in (shorter, context)]
        ),
    )


def _run(generates: Generates, model: nn.Module, cache: tuple[int, str], ids: int, *, length: int) -> TracedRun:
    """So many ids at position 0, with an empty cache for so many tokens in that format."""
    context, kind = cache
    state = tuple(
        torch.zeros(shape, dtype=getattr(torch, dtype))
        for _, shape, dtype in generates.state(model, context, cache=kind)
    )
    inputs: tuple[Tensor, ...] = (torch.zeros(1, ids, dtype=torch.long), torch.zeros(1, dtype=torch.long), *state)
    module = generates.cached(model, context=context, cache=kind)
    return TracedRun(module=module, inputs=inputs, length=length, state=state)
