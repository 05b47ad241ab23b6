"""What decoders of any family can do, as the protocols of `capabilities` ask for it; this module is the value.

In:  a `DecoderModel`.
Out: its hidden states, token table and matrices, one of fresh weights, and how it is run a token at a time.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn

from edgewright.errors import InputError
from edgewright.models import units as grouping
from edgewright.models.decoder import DecoderModel, Through, plainly
from edgewright.models.decoding import INT8_CACHE, CachedDecoder, Int8CachedDecoder
from edgewright.models.inputs import Inputs
from edgewright.models.linear_maps import Constant
from edgewright.models.transformer_shape import LINEARS
from edgewright.models.units import Units

TOKENS = "tokens"
OUTPUT = "output.weight"
OUTPUT_FIRST, OUTPUT_SECOND, OUTPUT_CONSTANT = "output.first.weight", "output.second.weight", "output_constant.weight"
INITIAL_DEVIATION = 0.02  # of Llama's and of GPT-2's weights


def fresh(model: DecoderModel, *, seed: int) -> DecoderModel:
    """Random weights of one deviation; biases 0 and norms 1 (Radford et al. 2019)."""
    generator = torch.Generator().manual_seed(seed)
    new = copy.deepcopy(model)
    with torch.no_grad():
        for name, values in new.named_parameters():
            if "norm" in name.rpartition(".")[0].rpartition(".")[2]:
                values.fill_(0.0 if name.endswith("bias") else 1.0)
            elif name.endswith("bias"):
                values.zero_()
            else:
                values.copy_(INITIAL_DEVIATION * torch.randn(values.shape, generator=generator))
    return new


def to_run(model: DecoderModel) -> DecoderModel:
    """One whose output table is a layer of its own, with the token table's weights: each is quantised by itself.

    One of low rank reads the transposed projection and then the table.
    """
    if not model.shape.tied:
        return model
    rank = model.shape.token_rank
    untied = DecoderModel(replace(model.shape, tied=False, output_rank=rank))
    state = model.state_dict()
    if rank:
        projection = model.token_projection
        state |= {
            OUTPUT_FIRST: projection.weight.detach().t().contiguous(),
            OUTPUT_SECOND: model.tokens.weight,
            OUTPUT_CONSTANT: projection.bias.detach()[None],
        }
    else:
        state[OUTPUT] = model.tokens.weight
    untied.load_state_dict(state)
    last = cast(nn.Linear, untied.output.second if rank else untied.output)
    last.weight = untied.tokens.weight
    return untied.eval()


def width(model: DecoderModel) -> int:
    """That of the residual stream."""
    return model.shape.width


def tokens_each(model: DecoderModel) -> int:
    """1: a text's size is its tokens."""
    return 1


def states(model: DecoderModel, *batch: Tensor) -> list[Tensor]:
    """The residual stream before each layer, and what the output table reads."""
    *before, last = model.hidden(*batch)
    return [*before, model.closed(last)]


def packed_states(
    model: DecoderModel, ids: Tensor, places: Tensor, texts: Tensor, through: Through = plainly
) -> list[Tensor]:
    """The same of rows of several texts each, of which each sees itself alone; `through` runs a layer."""
    *before, last = model.packed_hidden(ids, places, texts, through)
    return [*before, model.closed(last)]


def token_logits(model: DecoderModel, closed: Tensor) -> Tensor:
    """What the output table reads (…, width) → the scores of the tokens that follow, (…, vocabulary)."""
    return model.logits(closed)


def outputs(model: DecoderModel, last: Tensor, *batch: Tensor) -> Tensor:
    """The logits of what the output table reads."""
    return model.logits(last)


def units(model: DecoderModel, inputs: Inputs) -> Units:
    """Words of texts."""
    return grouping.units_of_texts(inputs)


def output_each_unit(model: DecoderModel) -> bool:
    """Every token has an output."""
    return True


def embeds(model: DecoderModel) -> bool:
    """Outputs are scores."""
    return False


def relations_width(model: DecoderModel) -> int:
    """Three times the channels of the last layer's query heads."""
    layers = model.shape.layers
    return 3 * layers[-1].groups * model.shape.queries * model.shape.head_width if layers else 0


def relations(model: DecoderModel, state: Tensor) -> Tensor:
    """The last layer's input (…, length, width) → its queries, keys and values, (…, length, 3 × inner).

    Keys and values stand once for each query head of their group.
    """
    layer = model.layer(-1)
    query, key, value = layer.queries_keys_values(state, None)
    repeated = [each.repeat_interleave(model.shape.queries, dim=-2) for each in (key, value)]
    return torch.cat([layer.joined(each) for each in (query, *repeated)], dim=-1)


def table(model: DecoderModel) -> nn.Module:
    """The token table, from which a tied model's scores come, too."""
    return model.tokens


def projection(model: DecoderModel) -> nn.Linear | None:
    """What stands behind a token table of low rank."""
    return model.token_projection if model.shape.token_rank else None


def pieces(model: DecoderModel) -> int:
    """The rows of the table."""
    return model.shape.vocabulary


def with_vocabulary(model: DecoderModel, kept: Sequence[int]) -> DecoderModel:
    """A model of these tokens alone, in both tables; the same one where all stay as they are."""
    if list(kept) == list(range(model.shape.vocabulary)):
        return model
    return model.with_vocabulary(kept)


def parts(model: DecoderModel) -> tuple[str, ...]:
    """The kinds of matrices that may be factorised."""
    return (TOKENS, *LINEARS)


def root(model: DecoderModel) -> nn.Module:
    """The model itself."""
    return model


def counted(model: DecoderModel, *batch: Tensor) -> Tensor | None:
    """The mask, (examples, length), 1 for a token and 0 for padding; None where there is none."""
    return batch[1] if len(batch) > 1 else None


def matrices(model: DecoderModel, parts: Collection[str]) -> dict[str, nn.Module]:
    """The matrices by their names, as they are applied; a part that is but a constant is none."""
    found: dict[str, nn.Module] = {TOKENS: model.tokens} if TOKENS in parts else {}
    for index in range(len(model.layers)):
        for part in LINEARS:
            module = getattr(model.layer(index), part, None)
            if part in parts and module is not None and not isinstance(module, Constant):
                found[f"layers.{index}.{part}"] = module
    return found


def factorised(model: DecoderModel, ranks: Mapping[str, int], state: Mapping[str, Tensor]) -> DecoderModel:
    """The same model with these matrices as products of two, which have biases; `state` is the whole model's."""
    layers = []
    for index, layer in enumerate(model.shape.layers):
        chosen = {part: ranks[name] for part in LINEARS if (name := f"layers.{index}.{part}") in ranks}
        biased = tuple(part for part in LINEARS if part in layer.biased or part in chosen)
        layers.append(replace(layer, ranks={**layer.ranks, **chosen}, biased=biased))
    shape = replace(model.shape, layers=tuple(layers))
    state = dict(state)
    if TOKENS in ranks:
        shape = replace(shape, token_rank=ranks[TOKENS])
        state.setdefault("token_projection.bias", torch.zeros(shape.width))
    smaller = DecoderModel(shape)
    smaller.load_state_dict(state)
    return smaller.to(model.tokens.weight).train(model.training)


def context(model: DecoderModel) -> int:
    """The most tokens of a text and what follows it."""
    return model.shape.positions


def state(model: DecoderModel, context: int, *, cache: str = "float32") -> tuple[tuple[str, tuple[int, ...], str], ...]:
    """The names, sizes and dtypes of the cache's tensors for so many tokens, zeros at first."""
    tensors = model.shape.state(context)
    scales = [(f"{name}_scale", (*sizes[:-1], 1), "float32") for name, sizes in tensors if cache == INT8_CACHE]
    return (*((name, sizes, cache) for name, sizes in tensors), *scales)


def cached(model: DecoderModel, *, context: int, every: bool = False, cache: str = "float32") -> CachedDecoder:
    """The module that takes (ids, position, *state) and gives (logits, *state). Raises `InputError` for no attention,
    or a context that the model has no places for."""
    if not model.shape.groups:
        raise InputError("a decoder without attention has no cache to run on with; keep at least one head")
    if context > model.shape.positions:
        raise InputError(
            f"a context of {context} tokens is asked for, but the model reads at most {model.shape.positions}; lower it"
        )
    kind = Int8CachedDecoder if cache == INT8_CACHE else CachedDecoder
    return kind(model, context=context, every=every)
