"""A model of texts that a factory makes, of a family that an installed package adds: checked, and taken as it is.

In:  a module whose attribute `family` names one of the table, and its tokenizer's pieces.
Out: the same with a row for each piece; or one sentence that says why it cannot be used.
Such a model is called with ids (…, length) and a mask of ones and zeros of the same shape, or None where all ids count,
and gives (…, outputs), or (…, length, outputs) where each token has outputs of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from edgewright.errors import BadModelError, InputError
from edgewright.models.capabilities import GENERATES, SEQUENCE_TO_SEQUENCE, TOKEN_TABLE, OwnModel
from edgewright.models.families import known_family, offered, title_of
from edgewright.models.model import TransformerModel

SHORT = 4  # tokens of the texts that a model is tried on, besides the longest


def is_own_family(model: object, *, modality: str = "text") -> bool:
    """Whether a module names a family of this modality, and is neither a `TransformerModel` nor one that writes on."""
    family = None if isinstance(model, TransformerModel) else known_family(model)
    if not isinstance(model, nn.Module) or family is None:
        return False
    writes = {GENERATES.name, SEQUENCE_TO_SEQUENCE.name} & set(family.capabilities)
    return family.modality == modality and not writes


def require_rows(order: Sequence[int], rows: int, place: str) -> None:
    """Raise `BadModelError` where a tokenizer has pieces that a model has no rows for."""
    if max(order) >= rows:
        raise BadModelError(place, f"its tokenizer has a piece {max(order)}, but the model only {rows} rows for them")


def in_order(model: OwnModel, order: Sequence[int], place: str) -> OwnModel:
    """The model whose token i is this one's token `order[i]`. Raises `BadModelError`, `InputError`."""
    table = offered(model, TOKEN_TABLE)
    if table is not None:
        require_rows(order, table.pieces(model), place)
        return table.with_vocabulary(model, order)
    if list(order) != list(range(len(order))):
        raise InputError(
            f"{title_of(model)} has no token table whose rows could be put in order, and the tokenizer's padding is "
            'not token 0; give a tokenizer where it is, or give the family a "token table"'
        )
    return model


def require_outputs(model: nn.Module, factory: str, *, count: int, max_length: int) -> None:
    """Raise `InputError` for a model that does not read texts of a task's lengths, or gives other outputs.

    `count` is how many numbers an example or a token has; 0 where any will do.
    """
    for length in (SHORT, max_length):
        ids = torch.ones(2, length, dtype=torch.long)
        try:
            with torch.inference_mode():
                found, alone = model(ids, torch.ones(2, length)), model(ids[0], None)
        except Exception as error:  # whatever a stranger's module raises
            said = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            raise InputError(
                f"the model of model.factory {factory!r} cannot read texts of {length} tokens ({said}); it is called "
                "with ids (…, length) and a mask of the same shape, or None"
            ) from error
        if found.shape[1:] != alone.shape or (count and found.shape[-1] != count):
            raise InputError(
                f"the model of model.factory {factory!r} gives {tuple(found.shape)} for 2 texts of {length} tokens and "
                f"{tuple(alone.shape)} for one alone, where {count or 'any'} outputs a text are wanted; make one that "
                "gives as many"
            )
