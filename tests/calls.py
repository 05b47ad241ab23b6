"""Calls of texts' ids and of images for files that tests export themselves, and their one output as rows."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from edgewright.measure.outputs import outputs_of
from edgewright.measure.parity import COSINE_LIMIT, Parity, compare
from edgewright.modality.input_spec import Examples, InputSpec
from edgewright.runtimes.table import RUNTIMES
from edgewright.specs.batching import calls_of, named
from edgewright.specs.signature import BATCH, FORWARD, Array, Axis, Call, Method, Tensor

OUTPUT = Tensor(name="output", dtype="float32")
MOST = 4096


def text_method(runtime: str, lengths: Sequence[int] = (), *, batch: int = 1) -> Method:
    made_for = RUNTIMES[runtime]
    buckets = tuple(lengths) if made_for.fixed_shapes else ()
    axis = Axis(name="length", most=buckets[-1] if buckets else MOST, buckets=buckets)
    ids = Tensor(name="ids", dtype=made_for.index_dtype, shape=(batch, axis))
    return Method(name=FORWARD if batch == 1 else BATCH, inputs=(ids,), outputs=(OUTPUT,))


def text_calls(
    ids: Sequence[Sequence[int]], *, runtime: str, lengths: Sequence[int] = (), batch: int = 1
) -> tuple[Call, ...]:
    method = text_method(runtime, lengths, batch=batch)
    return calls_of(method, named(method, ids))


def pixel_calls(pixels: Array) -> tuple[Call, ...]:
    tensor = Tensor(name="pixels", dtype="uint8", shape=(1, *pixels.shape[1:]))
    method = Method(name=FORWARD, inputs=(tensor,), outputs=(OUTPUT,))
    return calls_of(method, named(method, pixels))


def rows_of(outputs: Sequence[Mapping[str, Array]]) -> tuple[tuple[float, ...], ...]:
    """The one output of each call, flattened."""
    return tuple(tuple(np.asarray(call["output"], dtype=np.float64).ravel().tolist()) for call in outputs)


def answered(
    runtime: str, file: Path, spec: InputSpec, examples: Examples, on_progress: Callable[[int], None] = lambda _: None
) -> torch.Tensor:
    """What an artifact of a spec gives for examples, as many at once as that says, joined."""
    made_for = RUNTIMES[runtime]
    method = Method(
        name=FORWARD if spec.batch == 1 else BATCH,
        inputs=spec.tensors(fixed_shapes=made_for.fixed_shapes, index_dtype=made_for.index_dtype),
        outputs=(OUTPUT,),
    )
    found = outputs_of(runtime, file, method, named(method, examples), on_progress)
    return spec.joined([torch.from_numpy(np.asarray(each["output"][0], dtype=np.float32)) for each in found], examples)


def compared(found: object, expected: object, *, cosine_limit: float = COSINE_LIMIT) -> Parity:
    """The parity of one output, both given as a row an example."""
    return compare(*([{"output": row} for row in rows] for rows in (found, expected)), cosine_limit=cosine_limit)  # type: ignore[attr-defined]
