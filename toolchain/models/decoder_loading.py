"""Read a decoder of transformers into a `DecoderModel`.

In:  a model of `decoder_layouts.DECODERS` with its output table, or its configuration alone.
Out: the model with its weights, or its shape; a variant that is not understood is refused by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn

from edgewright.base.json_values import as_number
from edgewright.errors import UnsupportedModelError
from edgewright.models.decoder import DecoderModel
from edgewright.models.decoder_layer import SILU
from edgewright.models.decoder_layouts import EXACT_ROTATIONS, GPT2, LLAMA, REMEDY, decoder_family
from edgewright.models.decoder_shape import DecoderLayerShape, DecoderShape
from edgewright.models.transformer_shape import ACTIVATIONS, LINEARS
from edgewright.models.transformers_types import CONFIG, TransformersConfig, config_of

State: TypeAlias = Mapping[str, Tensor]
KNOWN_ACTIVATIONS = (SILU, *ACTIVATIONS)
FULL, SLIDING = "full_attention", "sliding_attention"


def from_transformers(model: nn.Module) -> DecoderModel:
    """A `DecoderModel` with the weights of a decoder of transformers that has an output table.

    Raises `UnsupportedModelError` for another type or for a variant that is not understood.
    """
    config = config_of(model)
    shape = shape_of(config)
    state: dict[str, Tensor] = model.state_dict()
    if "lm_head.weight" not in state:
        raise UnsupportedModelError(
            f"a {type(model).__name__}, which has no output table", ("models for causal language modelling",), REMEDY
        )
    decoder = DecoderModel(shape)
    with torch.no_grad():
        decoder.load_state_dict(_READERS[shape.family].weights(state, shape, config))
    return decoder.eval()


def shape_of(config: TransformersConfig) -> DecoderShape:
    """The sizes that a configuration of transformers describes. Raises as `from_transformers` does."""
    family = decoder_family(config.model_type)
    if config.flag("add_cross_attention", False) or config.flag("is_encoder_decoder", False):
        raise UnsupportedModelError(f"a {config.model_type} that reads an encoder, too", ("decoders alone",), REMEDY)
    return _READERS[family].shape(config)


def _llama_shape(config: TransformersConfig) -> DecoderShape:
    what = f"a decoder of type {config.model_type}"
    heads, groups = config.integer("num_attention_heads"), config.integer("num_key_value_heads")
    activation = _activation_of(config, "hidden_act", what)
    frequencies, scale = _rotation_of(config, what)
    biased = _llama_biases(config)
    layers = tuple(
        DecoderLayerShape(groups=groups, neurons=config.integer("intermediate_size"), biased=biased, window=window)
        for window in _windows_of(config, what)
    )
    width, positions = config.integer("hidden_size"), config.integer("max_position_embeddings")
    head_width, epsilon = config.optional("head_dim") or width // heads, config.number("rms_norm_eps")
    if 2 * len(frequencies) != head_width:
        raise UnsupportedModelError(
            f"{what} that turns {2 * len(frequencies)} of the {head_width} channels of a head",
            ("all channels",),
            REMEDY,
        )
    return DecoderShape(
        family=LLAMA,
        vocabulary=config.integer("vocab_size"),
        positions=positions,
        width=width,
        head_width=head_width,
        queries=heads // groups,
        layers=layers,
        norm_epsilon=epsilon,
        activation=activation,
        frequencies=frequencies,
        rotary_scale=scale,
        head_norm_epsilon=epsilon if config.model_type == "qwen3" else None,
        tied=config.flag("tie_word_embeddings"),
    ).cut_at(positions)


def _llama_biases(config: TransformersConfig) -> tuple[str, ...]:
    """The matrices that have a bias: in Qwen2 always queries, keys and values, elsewhere as the configuration says."""
    if config.model_type == "qwen2":
        return ("query_key_value",)
    attention = ("query_key_value", "attention_output") if config.flag("attention_bias", False) else ()
    return (*attention, *(("up", "down") if config.flag("mlp_bias", False) else ()))


def _windows_of(config: TransformersConfig, what: str) -> tuple[int, ...]:
    """How many tokens each layer sees, 0 for all of them."""
    window = config.optional("sliding_window") or 0
    kinds = [str(kind) for kind in config.sequence("layer_types", ())]
    if not kinds:
        every = SLIDING if window and config.model_type == "mistral" else FULL
        kinds = [every] * config.integer("num_hidden_layers")
    if unknown := sorted(set(kinds) - {FULL, SLIDING}):
        raise UnsupportedModelError(f"{what} with layers of {unknown[0]}", (FULL, SLIDING), REMEDY)
    if SLIDING in kinds and not window:
        raise UnsupportedModelError(f"{what} with sliding windows of unknown size", ("a sliding_window",), REMEDY)
    return tuple(window if kind == SLIDING else 0 for kind in kinds)


def _rotation_of(config: TransformersConfig, what: str) -> tuple[tuple[float, ...], float]:
    """(radians a token of each pair of channels, what cosines and sines are multiplied by), as transformers has them.

    Kinds whose angles depend on the length of the text that is read are refused: they would change what is cached.
    """
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    stated = config.table("rope_parameters")
    kind = stated.get("rope_type", "default")
    if kind not in EXACT_ROTATIONS:
        raise UnsupportedModelError(f"{what} with rotary positions of type {kind!r}", EXACT_ROTATIONS, REMEDY)
    if kind == "default":
        width = config.optional("head_dim") or config.integer("hidden_size") // config.integer("num_attention_heads")
        steps = torch.arange(0, width, 2, dtype=torch.int64).float() / width
        theta = as_number(stated["rope_theta"], CONFIG, "rope_parameters", "rope_theta")
        return tuple((1.0 / (theta**steps)).tolist()), 1.0
    frequencies, scale = ROPE_INIT_FUNCTIONS[kind](config.own, torch.device("cpu"))
    return tuple(frequencies.float().tolist()), float(scale)


def _llama_weights(state: State, shape: DecoderShape, config: TransformersConfig) -> dict[str, Tensor]:
    found = _tables(state, shape, "model.embed_tokens") | _renamed(state, "closing_norm", "model.norm")
    for index, layer in enumerate(shape.layers):
        theirs, ours = f"model.layers.{index}.", f"layers.{index}."
        matrices = {
            "query_key_value": [f"self_attn.{part}_proj" for part in "qkv"],
            "attention_output": ["self_attn.o_proj"],
            "up": ["mlp.gate_proj", "mlp.up_proj"],
            "down": ["mlp.down_proj"],
        }
        for name, places in matrices.items():
            for kind in ("weight", "bias") if name in layer.biased else ("weight",):
                found[f"{ours}{name}.{kind}"] = torch.cat([state[f"{theirs}{place}.{kind}"] for place in places])
        norms = {"attention_norm": "input_layernorm", "feed_forward_norm": "post_attention_layernorm"}
        if shape.head_norm_epsilon is not None:
            norms |= {"query_norm": "self_attn.q_norm", "key_norm": "self_attn.k_norm"}
        for name, place in norms.items():
            found |= _renamed(state, f"{ours}{name}", f"{theirs}{place}")
    return found


def _gpt2_shape(config: TransformersConfig) -> DecoderShape:
    activation = _activation_of(config, "activation_function", "a decoder of type gpt2")
    width, heads = config.integer("n_embd"), config.integer("n_head")
    layer = DecoderLayerShape(groups=heads, neurons=config.optional("n_inner") or 4 * width, biased=LINEARS)
    return DecoderShape(
        family=GPT2,
        vocabulary=config.integer("vocab_size"),
        positions=config.integer("n_positions"),
        width=width,
        head_width=width // heads,
        queries=1,
        layers=(layer,) * config.integer("n_layer"),
        norm="layer",
        norm_epsilon=config.number("layer_norm_epsilon"),
        activation=activation,
        gated=False,
        absolute=True,
        tied=config.flag("tie_word_embeddings"),
    )


def _gpt2_weights(state: State, shape: DecoderShape, config: TransformersConfig) -> dict[str, Tensor]:
    """Their matrices are (inputs, outputs); scores are scaled as the configuration says by scaling queries."""
    found = _tables(state, shape, "transformer.wte") | _renamed(state, "closing_norm", "transformer.ln_f")
    found["positions.weight"] = state["transformer.wpe.weight"]
    for index in range(len(shape.layers)):
        theirs, ours = f"transformer.h.{index}.", f"layers.{index}."
        places = {"query_key_value": "attn.c_attn", "attention_output": "attn.c_proj"}
        places |= {"up": "mlp.c_fc", "down": "mlp.c_proj"}
        for name, place in places.items():
            found[f"{ours}{name}.weight"] = state[f"{theirs}{place}.weight"].T.contiguous()
            found[f"{ours}{name}.bias"] = state[f"{theirs}{place}.bias"]
        scale = 1.0 if config.flag("scale_attn_weights") else shape.head_width**0.5
        if config.flag("scale_attn_by_inverse_layer_idx"):
            scale /= index + 1
        if scale != 1.0:
            for kind in ("weight", "bias"):
                scaled = found[f"{ours}query_key_value.{kind}"].clone()
                scaled[: shape.width] *= scale
                found[f"{ours}query_key_value.{kind}"] = scaled
        found |= _renamed(state, f"{ours}attention_norm", f"{theirs}ln_1")
        found |= _renamed(state, f"{ours}feed_forward_norm", f"{theirs}ln_2")
    return found


def _tables(state: State, shape: DecoderShape, tokens: str) -> dict[str, Tensor]:
    found = {"tokens.weight": state[f"{tokens}.weight"]}
    return found if shape.tied else {**found, "output.weight": state["lm_head.weight"]}


def _renamed(state: State, ours: str, theirs: str) -> dict[str, Tensor]:
    """A norm's weight, and its bias where it has one."""
    kinds = [kind for kind in ("weight", "bias") if f"{theirs}.{kind}" in state]
    return {f"{ours}.{kind}": state[f"{theirs}.{kind}"] for kind in kinds}


def _activation_of(config: TransformersConfig, setting: str, what: str) -> str:
    name = config.text(setting)
    if name not in KNOWN_ACTIVATIONS:
        raise UnsupportedModelError(f"{what} with activation {name!r}", KNOWN_ACTIVATIONS, REMEDY)
    return name


@dataclass(frozen=True, kw_only=True)
class _Reader:
    shape: Callable[[TransformersConfig], DecoderShape]
    weights: Callable[[State, DecoderShape, TransformersConfig], dict[str, Tensor]]


_READERS: Mapping[str, _Reader] = {
    LLAMA: _Reader(shape=_llama_shape, weights=_llama_weights),
    GPT2: _Reader(shape=_gpt2_shape, weights=_gpt2_weights),
}
