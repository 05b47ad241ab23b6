"""Models of texts of a family that a package adds: what is no model of theirs is told before anything is trained."""

import pytest
import torch
from torch import Tensor, nn

from edgewright.errors import BadModelError, InputError
from edgewright.models.families import FAMILIES, Family
from edgewright.models.own_family import in_order, is_own_family, require_outputs, require_rows
from tests.extending.word_bag_family import FAMILY, WordBag


def test_a_module_that_reads_no_texts_of_these_lengths_is_told_as_it_failed() -> None:
    class Short(nn.Module):
        def forward(self, ids: Tensor, mask: Tensor | None = None) -> Tensor:
            """Fails above 8 tokens."""
            if ids.shape[-1] > 8:
                raise ValueError("too long")
            return torch.zeros(*ids.shape[:-1], 2)

    with pytest.raises(InputError, match=r"cannot read texts of 16 tokens \(ValueError: too long\)"):
        require_outputs(Short(), "a:b", count=2, max_length=16)
    require_outputs(Short(), "a:b", count=2, max_length=8)
    require_outputs(Short(), "a:b", count=0, max_length=8)


def test_pieces_are_put_in_order_where_there_is_a_table_and_refused_where_they_would_have_to_be() -> None:
    bare = Family(title="bag", modality="text", capabilities={"stores": FAMILY.capabilities["stores"]})
    model = WordBag(pieces=3, width=4, classes=2)
    assert not is_own_family(model)
    assert not is_own_family(nn.Linear(2, 2))
    with FAMILIES.registered("word bag", FAMILY):
        assert is_own_family(model)
        assert torch.equal(in_order(model, (2, 0), "here").tokens.weight, model.tokens.weight[[2, 0]])
        with pytest.raises(BadModelError, match="a piece 3, but the model only 3 rows"):
            in_order(model, (0, 3), "here")
    require_rows((2, 0, 1), 3, "here")
    with FAMILIES.registered("bare", bare):
        model.family = "bare"
        assert in_order(model, (0, 1, 2), "here") is model
        with pytest.raises(InputError, match="a bag has no token table whose rows could be put in order"):
            in_order(model, (2, 0, 1), "here")
