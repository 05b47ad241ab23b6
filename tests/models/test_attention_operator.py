"""The operator and the runner's kernel of it say what attention in parts says, at every size and place."""

import itertools
from pathlib import Path

import pytest
import torch
from torch import Tensor

from edgewright.models.attention_operator import ATTEND
from edgewright.runtimes.executorch.export import load_operators, runtime

LAYERS, MOST, CONTEXT = 3, 2, 24
LIMIT = 2e-5
Arguments = tuple[Tensor, Tensor | None, Tensor | None, Tensor, Tensor, Tensor, int, int, int, int]


def arguments(length: int, position: int, *, width: int, window: int = 0, turned: bool = True) -> Arguments:
    """Of the second layer, which has one group of three queries; what is not to be read of the cache is huge."""
    generator = torch.Generator().manual_seed(length + position)

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    caches = random(LAYERS, MOST, CONTEXT, width), random(LAYERS, MOST, CONTEXT, width)
    for cache in caches:
        cache[:, :, position:] = 1e6
    turns = (random(length, width // 2), random(length, width // 2)) if turned else (None, None)
    return (random(length, 5 * width), *turns, *caches, torch.tensor([position]), 1, 1, 3, window)


def one_by_one(given: Arguments) -> Tensor:
    """Each token of each head for itself, in double precision."""
    projected, cosines, sines, cache_k, cache_v, position, layer, _, queries, window = given
    width, start = cache_k.shape[-1], int(position)
    heads = projected.double().unflatten(1, (-1, width))
    if cosines is not None and sines is not None:
        first, second = heads[..., : width // 2], heads[..., width // 2 :]
        cosine, sine = cosines.double()[:, None], sines.double()[:, None]
        turned = torch.cat([first * cosine - second * sine, second * cosine + first * sine], -1)
        heads = torch.cat([turned[:, : queries + 1], heads[:, queries + 1 :]], dim=1)
    keys = torch.cat([cache_k[layer, 0, :start].double(), heads[:, queries]])
    values = torch.cat([cache_v[layer, 0, :start].double(), heads[:, queries + 1]])
    rows = []
    for token, head in itertools.product(range(len(heads)), range(queries)):
        end = start + token + 1
        begin = max(0, end - window) if window else 0
        weights = (keys[begin:end] @ heads[token, head] / width**0.5).softmax(0)
        rows.append(weights @ values[begin:end])
    return torch.stack(rows).view(len(heads), -1).float()


SIZES = [(1, 0), (1, 1), (1, 17), (6, 0), (6, 9), (7, 17)]


@pytest.mark.parametrize("turned", [True, False])
@pytest.mark.parametrize("window", [0, 4, 20])
@pytest.mark.parametrize(("length", "position"), SIZES)
def test_the_operator_attends_to_what_is_filled(length: int, position: int, window: int, *, turned: bool) -> None:
    given = arguments(length, position, width=8, window=window, turned=turned)
    attended, keys, values = ATTEND(*given)
    assert torch.allclose(attended, one_by_one(given), atol=LIMIT)
    assert keys.shape == values.shape == (MOST, length, 8)
    assert not keys[1].any()  # a group that the layer does not have
    assert torch.equal(values[0], given[0].view(length, -1, 8)[:, 4])


class Attend(torch.nn.Module):
    def __init__(self, window: int) -> None:
        super().__init__()
        self.window = window

    def forward(
        self, projected: Tensor, cosines: Tensor, sines: Tensor, cache_k: Tensor, cache_v: Tensor, position: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        found: tuple[Tensor, Tensor, Tensor] = ATTEND(
            projected, cosines, sines, cache_k, cache_v, position, 1, 1, 3, self.window
        )
        return found


@pytest.mark.slow
@pytest.mark.parametrize(("width", "window"), [(64, 0), (8, 4), (20, 0), (32, 7), (128, 0)])
def test_the_kernel_of_the_runner_is_the_same(width: int, window: int, tmp_path: Path) -> None:
    from executorch.exir import EdgeCompileConfig, to_edge

    load_operators()
    for length, group in itertools.groupby(SIZES, key=lambda size: size[0]):
        example = arguments(length, 3, width=width)[:6]
        program = torch.export.export(Attend(window), example, strict=False)
        file = tmp_path / f"{length}.pte"
        edge = to_edge(program, compile_config=EdgeCompileConfig(_check_ir_validity=False))
        file.write_bytes(edge.to_executorch().buffer)
        method = runtime().load_program(file).load_method("forward")
        for _, position in group:
            given = arguments(length, position, width=width, window=window)
            wanted, found = ATTEND(*given), method.execute(list(given[:6]))
            for ours, theirs in zip(found, wanted, strict=True):
                assert torch.allclose(ours, theirs, atol=LIMIT)
        with pytest.raises(RuntimeError):
            method.execute(list(arguments(length, CONTEXT - length + 1, width=width)[:6]))  # beyond the context
