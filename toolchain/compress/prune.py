"""Remove whole layers, attention heads and neurons, so that tensors become smaller.

In:  a float encoder, importance scores, and how much of it is to stay.
Out: `Pruned`: a smaller float encoder of the same family, and what each of its layers kept.
Winning accuracy back is `distill`'s concern; number formats are `quantize`'s.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from toolchain.compress.importance import LayerImportance
from toolchain.errors import InputError
from toolchain.models.encoder import Encoder, LayerCut


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """The student before training."""

    encoder: Encoder
    cuts: tuple[LayerCut, ...]


def prune(
    encoder: Encoder,
    importance: Sequence[LayerImportance],
    *,
    layers: int | Sequence[int] | None,
    heads: int | None,
    neurons: int | None,
    multiple: int = 1,
) -> Pruned:
    """Keep these layers, and in each the most important heads and neurons; None keeps all.

    A count of layers keeps the first and the last and spreads the others evenly between them. The number of neurons
    is rounded up to a `multiple`, the size that the device's int8 kernels work in. Raises `InputError` when more is
    asked for than there is.
    """
    whole = encoder.shape
    chosen = _layers(layers, len(whole.layers))
    cuts = []
    for index in chosen:
        shape, scores = whole.layers[index], importance[index]
        kept_heads = _wanted("heads", heads, shape.heads)
        kept_neurons = _wanted("neurons", neurons, shape.neurons)
        rounded = min(-(-kept_neurons // multiple) * multiple, shape.neurons)
        cuts.append(
            LayerCut(layer=index, heads=_largest(scores.heads, kept_heads), neurons=_largest(scores.neurons, rounded))
        )
    return Pruned(encoder=encoder.sliced(cuts).eval(), cuts=tuple(cuts))


def spread(count: int, available: int) -> tuple[int, ...]:
    """`count` layer indexes from the first to the last, evenly apart; the last alone when one is asked for."""
    if count == 1:
        return (available - 1,)
    return tuple(round(step * (available - 1) / (count - 1)) for step in range(count))


def _layers(layers: int | Sequence[int] | None, available: int) -> tuple[int, ...]:
    if layers is None:
        return tuple(range(available))
    if isinstance(layers, int):
        return spread(_wanted("layers", layers, available), available)
    missing = [index for index in layers if index >= available]
    if missing:
        raise InputError(
            f"stages.prune.layers names layer {missing[0]}, but the teacher has {available}, counted from 0; "
            f"choose from 0 to {available - 1}"
        )
    return tuple(layers)


def _wanted(what: str, count: int | None, available: int) -> int:
    if count is not None and count > available:
        raise InputError(f"stages.prune.{what} asks for {count}, but the teacher has {available}; choose at most that")
    return available if count is None else count


def _largest(scores: Tensor, count: int) -> tuple[int, ...]:
    return tuple(sorted(scores.topk(count).indices.tolist()))
