"""Calls made of texts' ids and of images, until manifests carry the signatures that say how.

In:  ids of one text each, or images; the runtime, and the lengths that its files have shapes for.
Out: calls of the entries that exporters write, and outputs as a row of numbers for each example.
This module goes once every caller takes its calls from `Signature.method(…).call`.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from edgewright.errors import InputError
from edgewright.runtimes.table import RUNTIMES
from edgewright.specs.signature import BATCH, FORWARD, Array, Call, Signature

Inputs = Sequence[Sequence[int]] | Array
"""Ids of one text each, or an array with an example a row, such as images (n, height, width, channels)."""

OUTPUT = "output"
PADDING = 0  # the id that fills up the shorter texts of a batch


def calls_of(inputs: Inputs, *, runtime: str, lengths: Sequence[int] = (), batch: int = 1) -> tuple[Call, ...]:
    """A call for each `batch` of examples, in order; texts are padded to the longest of their batch.

    Where the last call has fewer examples its last one fills it up. `lengths` are those of a file with an entry for
    each. Raises `InputError` for a text that is longer than all of them, and for ids that are none.
    """
    method = FORWARD if batch == 1 else BATCH
    if isinstance(inputs, np.ndarray):
        return tuple(
            Call(method=method, entry=method, inputs={"pixels": each}, outputs=(OUTPUT,), elements=each.size)
            for each in _pictures(inputs, batch)
        )
    return tuple(_text_call(each, runtime, lengths, method) for each in _texts(inputs, batch))


def calls_by(signature: Signature, inputs: Inputs, *, batch: int = 1) -> tuple[Call, ...]:
    """The same for an artifact of this signature. Raises `InputError` for what it does not take."""
    method = signature.method(FORWARD if batch == 1 else BATCH)
    (taken,) = method.inputs
    given = _pictures(inputs, batch) if isinstance(inputs, np.ndarray) else _texts(inputs, batch)
    return tuple(method.call({taken.name: each.astype(taken.dtype)}) for each in given)


def rows_of(
    outputs: Sequence[Mapping[str, Array]], *, batch: int = 1, examples: int | None = None
) -> tuple[tuple[float, ...], ...]:
    """The output of each example as a row of numbers; `examples` where the last call was filled up."""
    rows = [
        tuple(row.tolist()) for call in outputs for row in np.asarray(call[OUTPUT], dtype=np.float64).reshape(batch, -1)
    ]
    return tuple(rows[:examples])


def _text_call(ids: NDArray[np.int64], runtime: str, lengths: Sequence[int], method: str) -> Call:
    batch, longest = ids.shape
    entry, given = method, ids
    if RUNTIMES[runtime].fixed_shapes:
        length = min((each for each in lengths if each >= longest), default=None)
        if length is None:
            raise InputError(f"a text has {longest} ids; the artifact takes at most {max(lengths, default=0)}")
        entry = f"{method}_length_{length}"
        given = np.full((batch, length), PADDING, dtype=np.int64)
        given[:, :longest] = ids
    array: Array = given.astype(np.int32) if RUNTIMES[runtime].fixed_shapes else given
    return Call(method=method, entry=entry, inputs={"ids": array}, outputs=(OUTPUT,), elements=ids.size)


def _texts(inputs: Sequence[Sequence[int]], batch: int) -> Iterator[NDArray[np.int64]]:
    for first in range(0, len(inputs), batch):
        rows = [list(each) for each in inputs[first : first + batch]]
        rows += [rows[-1]] * (batch - len(rows))
        longest = max(map(len, rows))
        if not longest or any(not 0 <= each <= np.iinfo(np.int32).max for row in rows for each in row):
            raise InputError("an input must be a text of ids from 0 to 2147483647, and of one at least")
        yield np.array([row + [PADDING] * (longest - len(row)) for row in rows], dtype=np.int64)


def _pictures(inputs: Array, batch: int) -> Iterator[Array]:
    for first in range(0, len(inputs), batch):
        group = inputs[first : first + batch]
        yield np.concatenate([group, np.repeat(group[-1:], batch - len(group), axis=0)])
