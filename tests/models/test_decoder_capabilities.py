"""What stages ask of decoders: hidden states, tables, matrices of low rank, fresh weights and a cache."""

from dataclasses import replace

import pytest
import torch

from edgewright.compress.low_rank import factorise
from edgewright.errors import InputError
from edgewright.modality.encoded import Encoded
from edgewright.models import decoder_capabilities as capabilities
from edgewright.models import decoder_files, families
from edgewright.models.capabilities import FACTORISABLE, GENERATES, HIDDEN_STATES, REBUILDABLE, TOKEN_TABLE
from edgewright.models.decoder import everything
from edgewright.models.inputs import TextInputs
from edgewright.models.transformer_shape import LayerCut
from edgewright.quantize.simulated import parts_of
from tests import tiny_decoders

KINDS = ("llama", "llama with one table", "qwen3", "gpt2")


def inputs(count: int = 12) -> TextInputs:
    rows = []
    for index in range(count):
        ids = tuple(tiny_decoders.ids_of(1, 4 + index, seed=index)[0].tolist())
        rows.append(Encoded(ids=ids, words=tuple(place // 2 for place in range(len(ids)))))
    return TextInputs(rows)


@pytest.mark.parametrize("variant", KINDS)
@torch.inference_mode()
def test_the_outputs_follow_from_the_last_state(variant: str) -> None:
    model, batch = tiny_decoders.decoder(variant), inputs().batch(range(12))
    states = families.required(model, HIDDEN_STATES, setting="x")
    found = states.states(model, *batch)
    assert [each.shape for each in found] == [(12, 15, 32)] * 4
    assert torch.equal(states.outputs(model, found[-1], *batch), model(*batch))
    related = states.relations(model, found[-2])
    assert related.shape == (12, 15, states.relations_width(model))
    assert (states.width(model), states.tokens_each(model), states.embeds(model)) == (32, 1, False)
    assert states.output_each_unit(model)
    assert states.units(model, inputs()).counts([0, 5]).tolist() == [2, 5]


@pytest.mark.parametrize("variant", KINDS)
@pytest.mark.parametrize("share", [1.0, 0.4])
def test_matrices_of_full_rank_give_the_same_and_of_low_rank_a_smaller_model(variant: str, share: float) -> None:
    model = tiny_decoders.decoder(variant)
    ranks = {"tokens": 32 if share == 1 else 8, "up": int(32 * share), "attention_output": int(32 * share)}
    state = {}
    parts = capabilities.matrices(model, ("tokens", "up", "attention_output"))
    chosen = {name: ranks[name.rpartition(".")[2]] for name in parts}
    for name, values in model.state_dict().items():
        place, kind = name.rsplit(".", 1)
        if place not in chosen:
            state[name] = values
            continue
        if kind == "bias":
            state[f"{place}.second.bias"] = values
            continue
        left, energies, right = torch.linalg.svd(values, full_matrices=False)
        first, second = (left * energies)[:, : chosen[place]], right[: chosen[place]]
        if place == "tokens":
            state |= {"tokens.weight": first, "token_projection.weight": second.T.contiguous()}
        else:
            state |= {f"{place}.first.weight": second, f"{place}.second.weight": first}
            state.setdefault(f"{place}.second.bias", torch.zeros(len(values)))
    made = capabilities.factorised(model, chosen, state)
    ids = tiny_decoders.ids_of(2, 20)
    with torch.inference_mode():
        difference = float((made(ids) - model(ids)).abs().max())
        again = made.sliced([replace(cut, neurons=cut.neurons[1:]) for cut in everything(made.shape)])
        assert bool(again(ids).isfinite().all())
    assert (difference < 1e-4) == (share == 1.0)
    assert made.parameters_count < model.parameters_count or share == 1.0


def test_low_rank_by_energy_is_fitted_to_what_decoders_compute() -> None:
    for variant in ("llama with one table", "gpt2"):
        model = tiny_decoders.decoder(variant)
        made = factorise(model, inputs(), parts=("up", "query_key_value"), ranks={"up": 12, "query_key_value": 12})
        assert type(made.model) is type(model)
        assert made.model.parameters_count < model.parameters_count
        assert made.model.shape.layers[0].ranks
        whole = factorise(model, inputs(), parts=("tokens",), ranks={"tokens": 16})
        assert whole.model.shape.token_rank == 16
        with torch.inference_mode():
            assert bool(whole.model(tiny_decoders.ids_of(1, 9)).isfinite().all())


@torch.no_grad()
def test_a_table_of_low_rank_that_is_tied_is_run_as_layers_of_its_own_with_the_same_scores() -> None:
    model = tiny_decoders.decoder("llama with one table")
    with torch.inference_mode(False):
        made = factorise(model, inputs(), parts=("tokens",), ranks={"tokens": 16}).model
    made.token_projection.bias.copy_(torch.linspace(-1, 1, 32))
    apart = capabilities.to_run(made)
    ids = tiny_decoders.ids_of(2, 20)
    assert float((apart(ids) - made(ids)).abs().max()) < 1e-4
    assert {"output.first", "output.second", "output_constant", "tokens"} <= set(parts_of(apart))
    assert apart.parameters_count == made.parameters_count + 16 * 32 + 32  # the table itself counts once
    narrow = apart.sliced(everything(apart.shape), width=range(32))
    assert float((narrow(ids) - made(ids)).abs().max()) < 1e-4


@pytest.mark.parametrize("variant", KINDS)
def test_fresh_weights_are_those_of_the_seed_and_say_little(variant: str) -> None:
    model = tiny_decoders.decoder(variant)
    fresh = families.required(model, REBUILDABLE, setting="x").fresh
    first, again, other = fresh(model, seed=1), fresh(model, seed=1), fresh(model, seed=2)
    ids = tiny_decoders.ids_of(1, 9)
    with torch.inference_mode():
        assert torch.equal(first(ids), again(ids))
        assert not torch.equal(first(ids), other(ids))
        assert float(first(ids).std()) < 0.5 * float(model(ids).std())
    for name, values in first.named_parameters():
        if "norm" in name:
            assert set(values.unique().tolist()) <= {0.0, 1.0}


def test_the_table_is_the_vocabulary() -> None:
    model = tiny_decoders.decoder("llama with one table")
    tables = families.required(model, TOKEN_TABLE, setting="x")
    assert tables.table(model) is model.tokens
    assert (tables.pieces(model), tables.projection(model)) == (tiny_decoders.VOCABULARY, None)
    assert tables.with_vocabulary(model, range(tiny_decoders.VOCABULARY)) is model
    assert tables.with_vocabulary(model, [3, 1]).tokens.weight.equal(model.tokens.weight[[3, 1]])
    assert families.required(model, FACTORISABLE, setting="x").tokens_each(model) == 1


def test_a_cache_is_said_in_names_and_sizes_and_one_too_long_is_refused() -> None:
    model = tiny_decoders.decoder("llama")
    generates = families.required(model, GENERATES, setting="x")
    assert generates.context(model) == tiny_decoders.POSITIONS
    assert {dtype for *_, dtype in generates.state(model, 16)} == {"float32"}
    state = {name: sizes for name, sizes, _ in generates.state(model, 16)}
    assert state == {"cache_k": (3, 2, 16, 8), "cache_v": (3, 2, 16, 8)}
    module = generates.cached(model, context=16)
    logits, *_ = module(tiny_decoders.ids_of(1, 4), torch.tensor([0]), *(torch.zeros(size) for size in state.values()))
    assert logits.shape == (1, tiny_decoders.VOCABULARY)
    with pytest.raises(InputError, match="a context of 65 tokens is asked for, but the model reads at most 64"):
        generates.cached(model, context=65)


def test_a_cache_of_int8_has_a_scale_for_each_row() -> None:
    model = tiny_decoders.decoder("llama")
    generates = families.required(model, GENERATES, setting="x")
    assert list(generates.state(model, 16, cache="int8")) == [
        ("cache_k", (3, 2, 16, 8), "int8"),
        ("cache_v", (3, 2, 16, 8), "int8"),
        ("cache_k_scale", (3, 2, 16, 1), "float32"),
        ("cache_v_scale", (3, 2, 16, 1), "float32"),
    ]


def test_without_attention_there_is_no_cache() -> None:
    cut = tiny_decoders.decoder("llama").sliced([LayerCut(layer=0, heads=(), neurons=(1, 2))])
    with pytest.raises(InputError, match="without attention has no cache"):
        capabilities.cached(cut, context=8)


def test_its_files_are_its_family_s() -> None:
    assert families.family_of(tiny_decoders.decoder("gpt2")).capabilities["stores"] == decoder_files.__name__


@torch.inference_mode()
@pytest.mark.parametrize("variant", ["llama with one table", "llama", "gpt2"])
def test_what_is_run_reads_its_output_table_as_a_layer_of_its_own(variant: str) -> None:
    model, ids = tiny_decoders.decoder(variant), tiny_decoders.ids_of(2, 9)
    ready = capabilities.to_run(model)
    assert not ready.shape.tied
    assert ready.parameters_count == model.parameters_count
    assert torch.equal(ready(ids), model(ids))
