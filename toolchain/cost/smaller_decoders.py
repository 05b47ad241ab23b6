"""Structures of decoders that are not there: with fewer layers, neurons or word pieces.

In:  the structures of an artifact that generates.
Out: a `WritingArtifact` with less in it, and what its file would take; good for a price and for nothing else.
"""

from __future__ import annotations

from dataclasses import replace

from edgewright.cost.smaller import layers_of
from edgewright.cost.writing import LOOKED_UP, WritingArtifact
from edgewright.specs.structure import Affine, Kind, Operator, Structure

UNCHANGED: frozenset[Kind] = LOOKED_UP | {"matmul", "softmax", "normalisation", "permute", "transpose"}


def neurons_of(structure: Structure) -> int | None:
    """Those of each feed-forward layer; None where activations have several widths, or that of another tensor."""
    widths = {each.sizes[0][-1] for each in structure.operators if each.kind == "activation"}
    inputs = {each.sizes[1] for each in structure.operators if each.kind == "linear"}
    if len(widths) != 1 or (width := widths.pop())[1] or ((width,) not in inputs) or width[0] < 2:
        return None
    return width[0]


def with_sizes(
    writing: WritingArtifact, *, layers: int | None = None, neurons: int | None = None, pieces: tuple[int, int] = (0, 0)
) -> WritingArtifact:
    """With so many layers, neurons, or `pieces` (those that there are, those that stay)."""

    def smaller(structure: Structure) -> Structure:
        made = structure
        if layers is not None:
            made = _with_layers(made, layers)
        if neurons is not None and (width := neurons_of(structure)) is not None:
            made = _resized(made, _resized_neurons(structure, width, neurons))
        if pieces[0]:
            made = _resized(made, {(pieces[0], 0): (pieces[1], 0)})
            rows = made.table_weights // pieces[0] * pieces[1]
            made = replace(made, table_weights=rows, table_rows=min(made.table_rows, pieces[1]))
        return made

    kept = 1.0 if layers is None else layers / max(layers_of(writing.decode), 1)
    return replace(
        writing,
        prefill=smaller(writing.prefill),
        decode=smaller(writing.decode),
        row_bytes=writing.row_bytes * kept,
    )


def with_context(writing: WritingArtifact, context: int) -> WritingArtifact:
    """With a cache for so many tokens."""
    entries = tuple((min(least, context), min(most, context)) for least, most in writing.entries)
    return replace(writing, context=context, entries=entries)


def file_bytes_of(writing: WritingArtifact, of: WritingArtifact, file_bytes: float) -> float:
    """What the file takes where that of another, with these sizes changed, takes `file_bytes`: its weights' share."""
    each = of.weight_bytes(file_bytes)

    def held(structure: Structure) -> float:
        return each * structure.matrix_weights + structure.table_weights + 4 * structure.other_weights

    return file_bytes * held(writing.decode) / held(of.decode)


def _resized_neurons(structure: Structure, width: int, neurons: int) -> dict[Affine, Affine]:
    """Where no product gives so many neurons alone, one gives them and their gates together."""
    alone = any(each.kind == "linear" and each.sizes[2] == ((width, 0),) for each in structure.operators)
    gated = {} if alone else {(2 * width, 0): (2 * neurons, 0)}
    return {(width, 0): (neurons, 0), **gated}


def _with_layers(structure: Structure, layers: int) -> Structure:
    """What is there as often as there are layers, or a multiple of it, belongs to them; the rest stays."""
    there = layers_of(structure)
    gone = there - layers
    operators = tuple(replace(each, count=each.count - each.count // there * gone) for each in structure.operators)
    made = replace(structure, operators=operators)
    fewer = _matrix_weights(structure) - _matrix_weights(made)
    return replace(made, matrix_weights=structure.matrix_weights - fewer)


def _resized(structure: Structure, sizes: dict[Affine, Affine]) -> Structure:
    """With other last sizes; of products, those of what is read and of what is given."""

    def of(operator: Operator) -> Operator:
        if operator.kind == "linear":
            rows, *around = operator.sizes
            return replace(operator, sizes=(rows, *(tuple(sizes.get(each, each) for each in one) for one in around)))
        if operator.kind in UNCHANGED:
            return operator
        last = operator.sizes[-1]
        return replace(operator, sizes=(*operator.sizes[:-1], (*last[:-1], sizes.get(last[-1], last[-1]))))

    made = replace(structure, operators=tuple(map(of, structure.operators)))
    fewer = _matrix_weights(structure) - _matrix_weights(made)
    return replace(made, matrix_weights=structure.matrix_weights - fewer)


def _matrix_weights(structure: Structure) -> int:
    found = (each for each in structure.operators if each.kind == "linear")
    return sum(each.count * each.at(1)[1] * each.at(1)[2] for each in found)
