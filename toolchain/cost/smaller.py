"""Structures of students that are not there: what a transformer would compute with fewer neurons, or without layers.

In:  a `Structure` that was read off a whole model.
Out: a `Structure` with less in it, good for a price and for nothing else: which neurons stay is left open.
"""

from __future__ import annotations

from dataclasses import replace

from edgewright.specs.structure import Affine, Kind, Operator, Structure

OF_A_LAYER: frozenset[Kind] = frozenset(
    {"linear", "matmul", "softmax", "normalisation", "activation", "elementwise", "permute", "transpose", "slice"}
)


def layers_of(structure: Structure) -> int:
    """How many layers with attention there are; 0 of a model that has none."""
    return sum(each.count for each in structure.operators if each.kind == "softmax")


def with_fewer_neurons(structure: Structure) -> Structure | None:
    """With half of what each activation reads; None where no product gives what an activation reads."""
    widths = {_width(each) for each in structure.operators if each.kind == "activation"} - {None}
    raised = {each.sizes[2] for each in structure.operators if each.kind == "linear"}
    halved = {width for width in widths if (width,) in raised and width is not None and width[0] > 1}
    if not halved:
        return None

    def half(size: tuple[Affine, ...]) -> tuple[Affine, ...]:
        return tuple((each[0] // 2, 0) if each in halved else each for each in size)

    fewer = 0
    operators: list[Operator] = []
    for each in structure.operators:
        if each.kind == "linear" and (each.sizes[1] in _alone(halved)) != (each.sizes[2] in _alone(halved)):
            rows, inputs, outputs = each.sizes
            smaller = (rows, half(inputs), half(outputs))
            fewer += each.count * (inputs[0][0] * outputs[0][0] - smaller[1][0][0] * smaller[2][0][0])
            operators.append(replace(each, sizes=smaller))
        elif each.kind == "activation":
            operators.append(replace(each, sizes=tuple(map(half, each.sizes))))
        else:
            operators.append(each)
    return replace(structure, operators=tuple(operators), matrix_weights=structure.matrix_weights - fewer)


def around_layers(structure: Structure) -> Structure:
    """What is computed of every text but within the layers: look-ups, pooling and a head."""
    around = tuple(each for each in structure.operators if each.kind not in OF_A_LAYER or not _grows(each))
    return replace(structure, operators=around)


def _width(operator: Operator) -> Affine | None:
    """The size of an activation's last dimension, where it does not grow with a text."""
    last = operator.sizes[0][-1]
    return None if last[1] else last


def _alone(widths: set[Affine]) -> set[tuple[Affine, ...]]:
    return {(width,) for width in widths}


def _grows(operator: Operator) -> bool:
    return any(factor[1] for size in operator.sizes for factor in size)
