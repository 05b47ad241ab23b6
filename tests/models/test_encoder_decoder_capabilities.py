"""Fresh models start as T5s do, and what is run scores as what is trained."""

import torch

from edgewright.models import families
from edgewright.models.capabilities import REBUILDABLE, SEQUENCE_TO_SEQUENCE, TOKEN_TABLE
from tests import tiny_t5


@torch.inference_mode()
def test_what_is_run_scores_as_what_is_trained_and_shares_its_table() -> None:
    for variant in ("t5", "flan-t5"):
        model, ids = tiny_t5.model_of(variant), tiny_t5.ids_of(2, 5)
        run = families.to_run(model)
        assert torch.equal(run(ids, None, ids), model(ids, None, ids))
        assert not run.shape.tied
        assert (run.output.weight is run.tokens.weight) == model.shape.tied


@torch.inference_mode()
def test_fresh_weights_are_those_of_the_seed_and_scores_are_no_larger_than_they_should_be() -> None:
    for variant in ("t5", "flan-t5"):
        model, ids = tiny_t5.model_of(variant), tiny_t5.ids_of(8, 30)
        offered = families.required(model, REBUILDABLE, setting="x")
        new = offered.fresh(model, seed=1)
        assert torch.equal(new(ids, None, ids), offered.fresh(model, seed=1)(ids, None, ids))
        assert not torch.equal(new(ids, None, ids), offered.fresh(model, seed=2)(ids, None, ids))
        assert 0.3 < new(ids, None, ids).std() < 3


def test_a_model_says_its_tokens_and_its_cache() -> None:
    model = tiny_t5.model_of("t5")
    table = families.required(model, TOKEN_TABLE, setting="x")
    assert table.pieces(model) == tiny_t5.VOCABULARY
    assert table.with_vocabulary(model, range(tiny_t5.VOCABULARY)) is model
    assert table.pieces(table.with_vocabulary(model, [0, 1, 9])) == 3
    writes = families.required(model, SEQUENCE_TO_SEQUENCE, setting="x")
    assert writes.positions(model) == tiny_t5.POSITIONS
    assert writes.state(model, 12) == (("cache_k", (2, 4, 12, 8), "float32"), ("cache_v", (2, 4, 12, 8), "float32"))
