"""A bundle's vectors as the calls of one artifact, and what those give as its parity with the float student.

In:  `Vectors`, the artifact's signature, and whether it is given several examples at once.
Out: `VectorCalls`: calls for a runner, and the `Parity` of their outputs, over all methods and all outputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Self

from edgewright.bundles.vectors import Vector, Vectors
from edgewright.measure.parity import Parity, compare, qualified
from edgewright.specs.batching import NamedArrays, calls_of, outputs_of_each
from edgewright.specs.signature import BATCH, FORWARD, Call, Method, Signature


@dataclass(frozen=True, kw_only=True)
class VectorCalls:
    """The vectors in order, those of one method that follow each other together."""

    groups: tuple[tuple[Method, tuple[Vector, ...]], ...]

    @classmethod
    def of(cls, vectors: Vectors, signature: Signature, *, batched: bool = False) -> Self:
        """Those of an artifact; when `batched` the examples of its usual method, as many at once as it takes."""
        if batched:
            return cls(groups=((signature.method(BATCH), vectors.of_method(FORWARD)),))
        together = groupby(vectors.calls, key=lambda each: each.method)
        return cls(groups=tuple((signature.method(name), tuple(group)) for name, group in together))

    def calls(self) -> tuple[Call, ...]:
        """What a runner is asked."""
        return tuple(call for method, group in self.groups for call in _calls(method, group))

    def parity(self, outputs: Sequence[NamedArrays]) -> Parity:
        """How near the outputs of all calls are to the float student's."""
        remaining, found, expected = iter(outputs), [], []
        for method, group in self.groups:
            given = [outputs for _, outputs in zip(_calls(method, group), remaining, strict=False)]
            each = outputs_of_each(method, given, [vector.inputs for vector in group])
            found += [qualified(method.name, row) for row in each]
            expected += [qualified(method.name, vector.outputs) for vector in group]
        return compare(found, expected)


def _calls(method: Method, group: Sequence[Vector]) -> tuple[Call, ...]:
    return calls_of(method, [vector.inputs for vector in group])
