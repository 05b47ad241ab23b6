"""Counts agree with what one reckons by hand, and counting leaves a model as it was."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from edgewright.models.encoder import Encoder
from edgewright.models.macs import sizes
from tests import tiny, tiny_decoders


def image(channels: int = 3, side: int = 8) -> tuple[Tensor]:
    return (torch.ones(1, channels, side, side),)


@pytest.mark.parametrize(
    ("layer", "inputs", "macs"),
    [
        pytest.param(nn.Linear(10, 7), (torch.ones(1, 10),), 70, id="linear"),
        pytest.param(nn.Linear(10, 7, bias=False), (torch.ones(5, 10),), 350, id="linear-of-five-rows"),
        pytest.param(nn.Linear(10, 7), (torch.ones(1, 5, 10),), 350, id="linear-over-a-sequence"),
        pytest.param(nn.Conv2d(3, 16, 3, padding=1), image(), 64 * 16 * 3 * 9, id="conv"),
        pytest.param(nn.Conv2d(3, 16, 3, padding=1, stride=2, bias=False), image(), 16 * 16 * 3 * 9, id="strided"),
        pytest.param(nn.Conv2d(8, 16, 3, padding=1, groups=4), image(8), 64 * 16 * 2 * 9, id="grouped"),
        pytest.param(nn.Conv2d(8, 8, 3, padding=1, groups=8), image(8), 64 * 8 * 9, id="depthwise"),
        pytest.param(nn.Conv2d(3, 4, 3, padding=2, dilation=2), image(), 64 * 4 * 3 * 9, id="dilated"),
        pytest.param(nn.ConvTranspose2d(3, 4, 2, stride=2), image(), 64 * 4 * 3 * 4, id="transposed"),
        pytest.param(nn.Conv1d(3, 4, 3, padding=1), (torch.ones(1, 3, 20),), 20 * 4 * 3 * 3, id="one-dimensional"),
        pytest.param(nn.BatchNorm2d(3), image(), 0, id="norm"),
    ],
)
def test_a_layer_counts_as_reckoned_by_hand(layer: nn.Module, inputs: tuple[Tensor, ...], macs: int) -> None:
    assert sizes(layer, inputs).macs == macs


class Products(nn.Module):
    """Matrix products that no submodule makes."""

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        return torch.matmul(left, right) + torch.bmm(left, right) + torch.einsum("bij,bjk->bik", left, right)


class Attention(nn.Module):
    """Fused attention of 4 heads, 5 queries and 6 keys of width 8."""

    def forward(self, query: Tensor, key: Tensor) -> Tensor:
        return functional.scaled_dot_product_attention(query, key, key)


def test_products_outside_any_submodule_belong_to_the_module_that_makes_them() -> None:
    found = sizes(Products(), (torch.ones(2, 3, 4), torch.ones(2, 4, 5)))
    assert found.macs == 3 * 2 * 3 * 4 * 5
    assert [(layer.name, layer.kind, layer.macs) for layer in found.layers] == [("", "Products", 360)]


def test_fused_attention_counts_its_two_products() -> None:
    inputs = (torch.ones(1, 4, 5, 8), torch.ones(1, 4, 6, 8))
    assert sizes(Attention(), inputs).macs == 2 * 4 * 5 * 6 * 8


def test_an_encoder_counts_as_reckoned_by_hand() -> None:
    ids = torch.tensor([tiny.rows(1)[0].ids])
    length, width, neurons = ids.shape[1], 32, 64
    layer = length * (4 * width * width + 2 * width * neurons) + 2 * length * length * width
    assert sizes(tiny.encoder(), (ids,)).macs == 3 * layer


class Shared(nn.Module):
    """One layer run twice, another that has the same weights."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.norm = nn.BatchNorm1d(4)
        self.second = nn.Linear(4, 4)
        self.second.weight = self.first.weight
        self.scale = nn.Parameter(torch.ones(4))
        self.unused = nn.Linear(2, 3)

    def forward(self, rows: Tensor) -> Tensor:
        return torch.as_tensor(self.second(self.norm(self.first(self.first(rows)))) * self.scale)


def test_layers_add_up_to_the_whole_and_shared_weights_count_once() -> None:
    model = Shared()
    found = sizes(model, (torch.ones(1, 4),))
    assert found.parameters == sum(each.numel() for each in model.parameters()) == 20 + 8 + 4 + 4 + 9
    assert found.bytes == 4 * found.parameters
    assert [(layer.name, layer.parameters, layer.macs) for layer in found.layers] == [
        ("", 4, 0),
        ("first", 20, 32),
        ("norm", 8, 0),
        ("second", 4, 16),
        ("unused", 9, 0),
    ]
    assert sum(layer.macs for layer in found.layers) == found.macs == 48


def test_counting_leaves_modes_statistics_gradients_and_hooks_as_they_were() -> None:
    model = Shared().train()
    model.first.eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    seed = torch.random.get_rng_state()
    sizes(model, (torch.randn(3, 4, generator=torch.Generator().manual_seed(0)),))
    assert (model.training, model.first.training, model.norm.training) == (True, False, True)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(each.grad is None for each in model.parameters())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert torch.equal(seed, torch.random.get_rng_state())


def test_a_model_that_fails_is_left_as_it_was_too() -> None:
    model = Shared().train()
    with pytest.raises(RuntimeError):
        sizes(model, (torch.ones(1, 5),))
    assert model.training
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_a_layer_that_has_lost_its_attention_is_counted_without_it() -> None:
    shape = tiny.encoder().shape
    layers = (replace(shape.layers[0], heads=0, ranks={}), shape.layers[1])
    model = Encoder(replace(shape, layers=layers))  # type: ignore[type-var]
    ids = torch.ones(16, dtype=torch.long)
    whole = sizes(Encoder(replace(shape, layers=shape.layers[:2])), (ids,))
    assert whole.macs - sizes(model, (ids,)).macs == 4 * 16 * 32 * 32 + 2 * 16 * 16 * 32
    assert all(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("variant", ["llama", "gpt2"])
def test_a_decoder_counts_the_logits_of_every_token(variant: str) -> None:
    model = tiny_decoders.decoder(variant)
    shape, length = model.shape, 16
    keys = shape.groups * shape.head_width
    attention = 2 * shape.width * (shape.width + keys)
    neurons = (3 if shape.gated else 2) * shape.width * shape.layers[0].neurons
    layer = length * (attention + neurons) + 2 * length * length * shape.width
    table = length * shape.width * shape.vocabulary
    found = sizes(model, (torch.ones(1, length, dtype=torch.long),))
    assert found.macs == len(shape.layers) * layer + table
