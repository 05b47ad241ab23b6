"""Have an artifact read texts that are known, so that its logits can be compared: by prefill, and token by token.

In:  a session of an artifact that generates, and texts as ids.
Out: `ReadLogits` for each call: after which token of which text, and the logits of what follows.
Texts are read one after another, each from position 0, as a runner does: nothing else resets the state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewright.measure.prompts import generation_of
from edgewright.specs.signature import Array, Call, Method, Signature

DECODED_BETWEEN, DECODED_AFTER = 8, 24  # tokens read one by one after the first prefill, and after the second
Run = Callable[[Call], dict[str, Array]]
Logits = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class ReadLogits:
    """The logits (vocabulary,) after the token at `place` of the text number `text`, of a `prefill` or a decode."""

    text: int
    place: int
    prefill: bool
    logits: Logits


def read_texts(
    run: Run, signature: Signature, texts: Sequence[Sequence[int]], *, first: int = 0
) -> Iterator[ReadLogits]:
    """Read each text as far as `parts_of` says, and no further than the context; they are numbered from `first` on."""
    plan = generation_of(signature)
    prefill, decode = signature.method(plan.prefill), signature.method(plan.decode)
    for number, ids in enumerate(texts, start=first):
        for start, end in parts_of(min(len(ids), plan.context), prefill_sizes(prefill), turn=number):
            call = reading_call(prefill if end - start > 1 else decode, signature, ids[start:end], start)
            logits = np.asarray(run(call)[plan.logits], dtype=np.float32).reshape(-1)
            yield ReadLogits(text=number, place=end - 1, prefill=end - start > 1, logits=logits)


def prefill_sizes(method: Method) -> tuple[int, ...]:
    """How many ids a prefill is asked to take at once: every bucket, or the fewest, the most and some between."""
    (axis,) = method.axes.values()
    fewest = min(max(axis.least, 2), axis.most)
    return axis.buckets or tuple(sorted({fewest, (2 * fewest + axis.most) // 3, axis.most}))


def parts_of(length: int, sizes: Sequence[int], *, turn: int) -> tuple[tuple[int, int], ...]:
    """(start, end) of each call over a text of so many ids.

    A prefill, some tokens one by one, a prefill behind them, and again some tokens; the sizes of prefills go round by
    the `turn`, so that all are used by as many texts as there are sizes.
    """
    found: list[tuple[int, int]] = []
    for shift, decoded in ((0, DECODED_BETWEEN), (1, DECODED_AFTER)):
        at = found[-1][1] if found else 0
        fitting = [size for size in sizes if size <= length - at]
        if fitting:
            wanted = sizes[(turn + shift) % len(sizes)]
            size = wanted if wanted in fitting else max(fitting)
            found.append((at, at + size))
            at += size
        found += [(place, place + 1) for place in range(at, min(at + decoded, length))]
    return tuple(found)


def reading_call(method: Method, signature: Signature, ids: Sequence[int], position: int) -> Call:
    """The call of a method that reads these ids, the first of which stands at the position."""
    plan = generation_of(signature)
    dtypes = {each.name: each.dtype for each in method.inputs}
    return method.call(
        {
            plan.ids: np.array([ids], dtype=dtypes[plan.ids]),
            plan.position: np.array([position], dtype=dtypes[plan.position]),
        }
    )
