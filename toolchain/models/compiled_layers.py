"""A decoder's layers through one compiled program, where there is enough work to be worth compiling it.

In:  a model whose layers are alike, and the one size of batch that it is run on.
Out: what runs a layer (`decoder.Through`): compiled once and used for all of them, or as it is where there is no
     compiler. Compiled arithmetic is the same up to rounding.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from edgewright.models.compute_device import device_of
from edgewright.models.decoder import DecoderModel, Through, plainly
from edgewright.models.decoder_layer import DecoderLayer, Sight
from edgewright.models.text import wide_arithmetic
from edgewright.models.token_positions import Rotation

# Multiply-accumulates from which on compiling, half a minute or more, is soon won back.
WORTH_COMPILING = 2e13


def layer_runner(model: nn.Module, *, tokens: float, size: tuple[int, int], training: bool) -> Through:
    """What runs a layer on so many `tokens` in all, in batches of `size` (rows, length); other sizes run as they are.

    Whether it is worth it goes by the work alone and never by a clock, so that a training which goes on from its
    checkpoint computes as it did.
    """
    if not isinstance(model, DecoderModel) or tokens * model.parameters_count < WORTH_COMPILING:
        return plainly
    if not _compiles(model, size, training=training):
        return plainly

    def through(layer: DecoderLayer, hidden: Tensor, sight: Sight) -> Tensor:
        return _compiled(layer, hidden, sight) if tuple(hidden.shape[:2]) == size else plainly(layer, hidden, sight)

    return through


def _layer(layer: DecoderLayer, hidden: Tensor, rotation: Rotation | None, own: Tensor | None) -> Tensor:
    return plainly(layer, hidden, Sight(rotation=rotation, own={layer.shape.window: own}))


_program = torch.compile(_layer, dynamic=False)


def _compiled(layer: DecoderLayer, hidden: Tensor, sight: Sight) -> Tensor:
    return _program(layer, hidden, sight.rotation, sight.own.get(layer.shape.window))


def _compiles(model: DecoderModel, size: tuple[int, int], *, training: bool) -> bool:
    """Whether all layers run compiled, forwards and in training backwards; nothing of it is left in the model."""
    place = device_of(model)
    ids = torch.zeros(size, dtype=torch.long, device=place)
    texts, places = torch.ones_like(ids), torch.arange(size[1], device=place).expand(size)
    gradients = [each.grad for each in model.parameters()]
    try:
        with _quiet(), torch.set_grad_enabled(training), wide_arithmetic(model.shape.width):
            sight = model.sight(places, texts=texts)
            hidden = model.embedded(ids, places)
            for index in range(len(model.layers)):
                hidden = _compiled(model.layer(index), hidden, sight)
            if training:
                hidden.float().square().mean().backward()
    except Exception:  # a compiler is missing, too old or at a loss, which it says in as many ways
        return False
    finally:
        for parameter, gradient in zip(model.parameters(), gradients, strict=True):
            parameter.grad = gradient
    return True


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the compiler says of itself."""
    logger = logging.getLogger("torch._dynamo")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
