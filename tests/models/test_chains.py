"""Models of one operator compute that operator as often as they are told, of a text or an image."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from edgewright.models.chains import LINKS, VOCABULARY, ChainOf, filters, residual

IDS = torch.arange(6)[None]


@pytest.mark.parametrize("what", LINKS)
@pytest.mark.parametrize("repeats", [0, 3])
def test_a_text_becomes_one_vector_whatever_its_length(what: str, repeats: int) -> None:
    chain = ChainOf(what, 16, 4, repeats)
    for length in (1, 6, VOCABULARY):
        assert chain(torch.arange(length)[None]).shape == (1, 16)
    assert len(chain.links) == repeats


def test_without_links_the_vector_is_the_mean_of_the_tokens() -> None:
    chain = ChainOf("gelu", 16, 4, 0)
    torch.testing.assert_close(chain(IDS), chain.tokens.weight[:6].mean(dim=0)[None])
    once = ChainOf("gelu", 16, 4, 1)
    torch.testing.assert_close(once(IDS), functional.gelu(once.tokens.weight[:6]).mean(dim=0)[None])


def test_attention_is_that_of_heads_by_themselves() -> None:
    chain = ChainOf("attention", 16, 4, 1)
    hidden = chain.tokens.weight[:6]
    heads = hidden.view(6, 4, 4).transpose(0, 1)
    expected = functional.scaled_dot_product_attention(heads, heads, heads).transpose(0, 1).reshape(6, 16)
    torch.testing.assert_close(chain(IDS), expected.mean(dim=0)[None])


def test_matrices_are_as_wide_as_they_are_told() -> None:
    chain: Any = ChainOf("linear", 16, 40, 2)
    assert [tuple(link.up.weight.shape) for link in chain.links] == [(40, 16)] * 2
    assert [tuple(link.down.weight.shape) for link in chain.links] == [(16, 40)] * 2


def test_an_operator_that_is_not_known_is_no_chain() -> None:
    with pytest.raises(KeyError):
        ChainOf("fourier", 16, 4, 1)


def test_filters_are_of_three_kinds_again_and_again() -> None:
    net = filters(8, 2).eval()
    convolutions = [each for each in net.modules() if isinstance(each, nn.Conv2d)]
    assert [(each.kernel_size[0], each.groups) for each in convolutions] == [(3, 1), *[(3, 1), (3, 8), (1, 1)] * 2]
    pixels = torch.randint(0, 256, (1, 12, 10, 3), dtype=torch.uint8)
    assert net(pixels).shape == (1, 8)


def test_a_residual_net_halves_the_image_and_takes_grey_ones_too() -> None:
    net = residual(1, 8, 3).eval()
    seen: list[torch.Size] = []
    for layer in net.layers:  # type: ignore[union-attr]
        layer.register_forward_hook(lambda module, given, output: seen.append(output.shape[2:]))
    assert net(torch.zeros(1, 32, 32, 1, dtype=torch.uint8)).shape == (1, 8)
    # 7 × 7 with a stride, a rectifier, pooling, and two more blocks that halve the image.
    assert [tuple(each) for each in seen] == [(16, 16), (16, 16), (8, 8), (8, 8), (4, 4), (2, 2)]


def test_bytes_are_scaled_to_numbers_about_nothing() -> None:
    net = residual(1, 8, 0)
    net.layers = nn.Identity()
    grey = torch.full((1, 4, 4, 1), 128, dtype=torch.uint8)
    assert float(net(grey)) == pytest.approx(0.0)
    assert float(net(torch.full_like(grey, 255))) == pytest.approx(255 / 64 - 2)
