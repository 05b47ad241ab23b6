"""The nets of the built-in recipes take the digits they are made for, and may be changed as a user would."""

import torch

from edgewright.models.factories import NATIVE_SIDE, SIDE, digit_resnet, digit_vit


def test_a_resnet_takes_grey_images_of_the_size_that_it_says() -> None:
    net, size = digit_resnet()
    assert size == (1, SIDE, SIDE) == (1, 16, 16)
    assert net(torch.zeros(2, *size)).logits.shape == (2, 10)
    assert [len(stage.layers) for stage in net.resnet.encoder.stages] == [2, 2, 2]


def test_a_vision_transformer_takes_digits_as_they_are() -> None:
    net = digit_vit()
    assert net(torch.zeros(2, 1, NATIVE_SIDE, NATIVE_SIDE)).logits.shape == (2, 10)
    assert net.vit.embeddings.patch_embeddings.num_patches == 16
    assert net.config.num_hidden_layers == 4


def test_weights_of_the_transformer_are_drawn_wide_enough_for_its_width() -> None:
    torch.manual_seed(0)
    weights = digit_vit().classifier.weight
    assert 0.08 < float(weights.detach().std()) < 0.12


def test_changes_are_of_the_configuration_and_stand_above_what_is_stated() -> None:
    net, _ = digit_resnet(depths=[1, 1, 1])
    assert [len(stage.layers) for stage in net.resnet.encoder.stages] == [1, 1, 1]
    assert digit_vit(hidden_size=32).config.hidden_size == 32
    assert digit_vit(initializer_range=0.2).config.initializer_range == 0.2
    net, size = digit_resnet(num_channels=3, num_labels=4)
    assert size == (3, SIDE, SIDE)
    assert net(torch.zeros(2, *size)).logits.shape == (2, 4)
