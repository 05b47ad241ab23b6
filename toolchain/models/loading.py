"""Read a Hugging Face text model of one of the families into an `Encoder`.

In:  a model of `layouts.TEXT`, or its configuration alone.
Out: an `Encoder` with its weights, or the `EncoderShape`; a variant that is not understood is refused by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgewright.base.json_values import JsonObject, as_number, as_object
from edgewright.errors import UnsupportedModelError
from edgewright.models.encoder import Encoder, EncoderShape
from edgewright.models.layouts import Positions, TextFamily, text_family
from edgewright.models.token_positions import RELATIVE_BUCKETS, distance_rows
from edgewright.models.transformer_shape import ACTIVATIONS, LayerShape
from edgewright.models.transformers_types import CONFIG, TransformersConfig, config_of

State = Mapping[str, Tensor]


def from_transformers(model: nn.Module) -> Encoder:
    """An `Encoder` with the weights of a Hugging Face model of `layouts.TEXT`, alone or within one with a head.

    Raises `UnsupportedModelError` for another family or for a variant that is not a plain encoder.
    """
    config = config_of(model)
    shape, family = shape_of(config), text_family(config.model_type)
    state: dict[str, Tensor] = getattr(model, family.wrapped, model).state_dict()
    encoder = Encoder(shape)
    with torch.no_grad():
        encoder.load_state_dict(
            {**_around(state, shape, family, config), **_layers(state, shape, family, config)}
            | MECHANISMS[family.positions].weights(state, shape, family, config)
        )
    return encoder.eval()


def shape_of(config: TransformersConfig) -> EncoderShape:
    """The sizes that a Hugging Face configuration describes. Raises as `from_transformers` does."""
    family = text_family(config.model_type)
    _check_plain(config, family)

    def size(name: str) -> int:
        return config.integer(family.sizes.get(name, name))

    width, heads = size("hidden_size"), size("num_attention_heads")
    embedding_width = config.integer("embedding_size", width)
    layer = LayerShape(heads=heads, head_width=width // heads, neurons=size("intermediate_size"))
    shape = EncoderShape(
        vocabulary=config.integer("vocab_size"),
        positions=config.integer("max_position_embeddings") - _first_position(config, family),
        width=width,
        layers=(layer,) * (size("num_hidden_layers") * config.integer("inner_group_num", 1)),
        activation=config.text(family.sizes.get("hidden_act", "hidden_act")),
        norm_epsilon=config.number(family.sizes.get("layer_norm_eps", "layer_norm_eps"), 1e-12),
        norm_first=family.norm_first,
        gated=family.gated,
        closed=family.closing_norm is not None,
        # ALBERT projects embeddings of whatever width.
        embedding_width=embedding_width if embedding_width != width or "{group}" in family.layer else None,
    )
    return MECHANISMS[family.positions].shape(shape, config)


def _first_position(config: TransformersConfig, family: TextFamily) -> int:
    """The row of the first token in the position table."""
    return config.integer("pad_token_id") + 1 if family.offset else 0


def _check_plain(config: TransformersConfig, family: TextFamily) -> None:
    what = f"a model of type {config.model_type}"
    activation = config.value(family.sizes.get("hidden_act", "hidden_act"))
    if activation not in ACTIVATIONS:
        raise UnsupportedModelError(f"{what} with activation {activation!r}", supported=tuple(ACTIVATIONS))
    if config.flag("is_decoder", False):
        raise UnsupportedModelError(f"{what} that is a decoder", supported=("encoders",))
    positions = config.value("position_embedding_type") or "absolute"
    if positions != "absolute":
        raise UnsupportedModelError(f"{what} with positions of type {positions!r}", supported=("absolute",))
    MECHANISMS[family.positions].check(config, what)


def _around(state: State, shape: EncoderShape, family: TextFamily, config: TransformersConfig) -> dict[str, Tensor]:
    """What is not in layers: embeddings, and the norm that ends the stack."""
    tokens_place, positions_place, norm_place = family.embeddings
    weights = {"tokens.weight": state[f"{tokens_place}.weight"]}
    if shape.absolute:
        first = _first_position(config, family)
        weights["positions.weight"] = state[f"{positions_place}.weight"][first:]
    types = state.get("embeddings.token_type_embeddings.weight") if family.typed else None
    if types is not None:  # the first is every token's
        table = "positions.weight" if shape.absolute else "tokens.weight"
        weights[table] = weights[table] + types[0]
    weights |= _norm(state, "embedding_norm", norm_place)
    if shape.embedding_width:
        weights["embedding_projection.weight"] = state[f"{family.projection}.weight"]
        if not shape.projected_first:
            weights["embedding_projection.bias"] = state[f"{family.projection}.bias"]
    if family.closing_norm:
        weights |= _norm(state, "closing_norm", family.closing_norm)
    return weights


def _norm(state: State, ours: str, theirs: str) -> dict[str, Tensor]:
    weight = state[f"{theirs}.weight"]
    return {f"{ours}.weight": weight, f"{ours}.bias": _or_zeros(state, f"{theirs}.bias", len(weight))}


def _or_zeros(state: State, name: str, size: int) -> Tensor:
    """A bias, which some models do without."""
    return state.get(name, torch.zeros(size))


def _layers(state: State, shape: EncoderShape, family: TextFamily, config: TransformersConfig) -> dict[str, Tensor]:
    """Their parameter names and layout → ours."""
    renamed: dict[str, Tensor] = {}
    for index, layer in enumerate(shape.layers):
        theirs, ours = place_of(family, config, index), f"layers.{index}."
        weights = [state[f"{theirs}{part}.weight"] for part in family.query_key_value]
        biases = [
            _or_zeros(state, f"{theirs}{part}.bias", len(weight))
            for part, weight in zip(family.query_key_value, weights, strict=True)
        ]
        renamed[f"{ours}query_key_value.weight"] = torch.cat(weights)
        renamed[f"{ours}query_key_value.bias"] = torch.cat(biases)
        for name, place in family.places.items():
            if name == "attention_norm" and not layer.normed:
                continue
            weight = state[f"{theirs}{place}.weight"]
            renamed[f"{ours}{name}.weight"] = weight
            renamed[f"{ours}{name}.bias"] = _or_zeros(state, f"{theirs}{place}.bias", len(weight))
    return renamed


def place_of(family: TextFamily, config: TransformersConfig, index: int) -> str:
    """Where a layer's parts stand. Of ALBERT several layers stand in one place."""
    inner = config.integer("inner_group_num", 1)
    group = 0
    if "{group}" in family.layer:
        group = int((index // inner) / (config.integer("num_hidden_layers") / config.integer("num_hidden_groups")))
    return family.layer.format(index=index, group=group, inner=index % inner)


# How attention knows of places


def _nothing(state: State, shape: EncoderShape, family: TextFamily, config: TransformersConfig) -> dict[str, Tensor]:
    return {}


@dataclass(frozen=True, kw_only=True)
class _Mechanism:
    """What one way of knowing places adds to a shape and to the weights, and which variants of it are not read."""

    shape: Callable[[EncoderShape, TransformersConfig], EncoderShape] = lambda shape, config: shape
    weights: Callable[[State, EncoderShape, TextFamily, TransformersConfig], dict[str, Tensor]] = _nothing
    check: Callable[[TransformersConfig, str], None] = lambda config, what: None


def _relative_shape(shape: EncoderShape, config: TransformersConfig) -> EncoderShape:
    heads = config.integer("num_attention_heads")
    layers = tuple(replace(each, relative=tuple(range(heads))) for each in shape.layers)
    return replace(shape, relative_heads=heads, layers=layers)


def _relative_weights(
    state: State, shape: EncoderShape, family: TextFamily, config: TransformersConfig
) -> dict[str, Tensor]:
    return {"relative": state["encoder.relative_attention_bias.weight"][:RELATIVE_BUCKETS]}


def _check_relative(config: TransformersConfig, what: str) -> None:
    count = config.integer("relative_attention_num_buckets")
    if count < RELATIVE_BUCKETS:
        raise UnsupportedModelError(f"{what} with {count} relative buckets", supported=(f"{RELATIVE_BUCKETS} of them",))


def _rotary_shape(shape: EncoderShape, config: TransformersConfig) -> EncoderShape:
    layers = tuple(
        replace(each, local=kind == "sliding_attention", normed=index > 0)
        for index, (each, kind) in enumerate(zip(shape.layers, config.sequence("layer_types"), strict=True))
    )
    # A model all of whose layers look everywhere has no angles of those that look nearby.
    angles = _angles(config)
    kinds = [kind for kind in ("full_attention", "sliding_attention") if kind in angles]
    thetas = [as_number(angles[kind]["rope_theta"], CONFIG, "rope_parameters", kind, "rope_theta") for kind in kinds]
    return replace(
        shape,
        layers=layers,
        absolute=False,
        thetas=(thetas[0], thetas[-1]),
        reach=config.integer("sliding_window"),
    )


def _angles(config: TransformersConfig) -> dict[str, JsonObject]:
    """How the layers of each kind turn queries and keys, where it is said."""
    stated = config.table("rope_parameters")
    return {kind: as_object(angles, CONFIG, "rope_parameters", kind) for kind, angles in stated.items() if angles}


def _check_rotary(config: TransformersConfig, what: str) -> None:
    for kind, angles in _angles(config).items():
        if angles.get("rope_type", "default") != "default":
            odd = f"{what} with rotary positions of type {angles['rope_type']!r} in {kind}"
            raise UnsupportedModelError(odd, supported=("default",))


def _disentangled_shape(shape: EncoderShape, config: TransformersConfig) -> EncoderShape:
    rows = 2 * shape.positions - 1 if config.flag("relative_attention") else 0
    layers = tuple(replace(each, distances=rows) for each in shape.layers)
    return replace(
        shape,
        layers=layers,
        absolute=config.flag("position_biased_input"),
        projected_first=shape.embedding_width is not None,
    )


def _disentangled_weights(
    state: State, shape: EncoderShape, family: TextFamily, config: TransformersConfig
) -> dict[str, Tensor]:
    """Queries that share their scale among the terms of a score, and each layer's tables of distances.

    A distance's key and query do not depend on the text, so that what the layer's own matrices make of them is kept.
    """
    kinds = set(map(str, config.sequence("pos_att_type")))
    share = (1 + len({"c2p", "p2c"} & kinds)) ** -0.5
    inner = shape.layers[0].heads * shape.layers[0].head_width if shape.layers else 0
    weights: dict[str, Tensor] = {}
    distances = _distances(state, config, shape.positions) if shape.by_distance else None
    for index, layer in enumerate(shape.layers):
        theirs, ours = place_of(family, config, index), f"layers.{index}."
        parts = [f"{theirs}{part}" for part in family.query_key_value]
        for kind in ("weight", "bias"):
            query, key, value = (state[f"{part}.{kind}"] for part in parts)
            weights[f"{ours}query_key_value.{kind}"] = torch.cat([query * share, key, value])
        if distances is None:
            continue
        own = f"{theirs}attention.self."
        shared = config.flag("share_att_key", False)
        key_place, query_place = (parts[1], parts[0]) if shared else (f"{own}pos_key_proj", f"{own}pos_query_proj")
        scale = share * layer.head_width**-0.5
        for kind, place, name, factor in (
            ("c2p", key_place, "distance_keys", 1.0),
            ("p2c", query_place, "distance_queries", scale),
        ):
            table = torch.zeros(len(distances), inner)
            if kind in kinds:
                table = functional.linear(distances, state[f"{place}.weight"], state.get(f"{place}.bias")) * factor
            weights[f"{ours}{name}"] = table.view(len(distances), layer.heads, -1).transpose(0, 1)
    return weights


def _distances(state: State, config: TransformersConfig, positions: int) -> Tensor:
    """The embedding of each distance from -(positions - 1) to positions - 1, (distances, width)."""
    farthest = config.integer("max_relative_positions")
    reach = farthest if farthest >= 1 else config.integer("max_position_embeddings")
    table = state["encoder.rel_embeddings.weight"]
    if "layer_norm" in _distance_norms(config):
        norm = "encoder.LayerNorm"
        weight, bias = state[f"{norm}.weight"], state[f"{norm}.bias"]
        table = functional.layer_norm(table, table.shape[-1:], weight, bias, config.number("layer_norm_eps"))
    return table[distance_rows(positions, buckets=config.integer("position_buckets", -1), reach=reach)]


def _distance_norms(config: TransformersConfig) -> list[str]:
    return [each.strip() for each in config.text("norm_rel_ebd", "none").lower().split("|")]


def _check_disentangled(config: TransformersConfig, what: str) -> None:
    if (kernel := config.integer("conv_kernel_size", 0)) > 0:
        raise UnsupportedModelError(
            f"{what} with a convolution beside its first layer (conv_kernel_size {kernel})",
            supported=("those without, as every deberta-v3 is",),
        )
    width, heads = config.integer("hidden_size"), config.integer("num_attention_heads")
    own = config.integer("attention_head_size", width // heads)
    if own * heads != width:
        raise UnsupportedModelError(f"{what} with heads of {own} channels", supported=("heads that share the width",))


MECHANISMS: Mapping[Positions, _Mechanism] = {
    "absolute": _Mechanism(),
    "relative": _Mechanism(shape=_relative_shape, weights=_relative_weights, check=_check_relative),
    "rotary": _Mechanism(shape=_rotary_shape, check=_check_rotary),
    "disentangled": _Mechanism(shape=_disentangled_shape, weights=_disentangled_weights, check=_check_disentangled),
}
