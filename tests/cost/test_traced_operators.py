"""Each call of PyTorch's is the operator that a device runs for it, in the sizes that its kernel sees."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from edgewright.cost.traced_operators import ATEN, operator_of

WEIGHT = torch.zeros(5, 7)


def found(packet: object, args: Sequence[object], result: Tensor) -> object:
    given = [each for each in args if isinstance(each, Tensor)]
    return operator_of(packet, args, given, [result], lambda each: each is WEIGHT)


@pytest.mark.parametrize(
    ("packet", "args", "result", "operator"),
    [
        (ATEN.mm, (torch.zeros(3, 5), WEIGHT), (3, 7), ("linear", ((3,), (5,), (7,)))),
        (ATEN.mm, (torch.zeros(3, 5), torch.zeros(5, 7)), (3, 7), ("matmul", ((1,), (3,), (5,), (7,)))),
        (ATEN.permute, (torch.zeros(2, 3, 4), [1, 0, 2]), (3, 2, 4), ("permute", ((3, 2), (4,)))),
        (ATEN.transpose, (torch.zeros(2, 3, 4), 1, 2), (2, 4, 3), ("transpose", ((2,), (4,), (3,)))),
        (ATEN.silu, (torch.zeros(2, 3),), (2, 3), ("activation", ((2, 3),))),
        (ATEN.view, (torch.zeros(2, 3), [6]), (6,), None),
        (ATEN.relu, (torch.zeros(2, 3),), (2, 3), None),
    ],
)
def test_a_call_is_an_operator_of_a_device(
    packet: object, args: Sequence[object], result: tuple[int, ...], operator: object
) -> None:
    assert found(packet, args, torch.zeros(result)) == operator


def test_rows_that_are_written_into_a_cache_are_counted_and_not_the_cache() -> None:
    cache, rows = torch.zeros(2, 64, 8), torch.zeros(2, 3, 8)
    wrote = found(ATEN.index_copy, (cache, 1, torch.arange(3), rows), cache)
    assert wrote == ("slice", ((2, 3), (2, 3, 8)))
