"""Read an encoder-decoder of transformers into an `EncoderDecoderModel`.

In:  a T5 with its output table, or its configuration alone.
Out: the model with its weights, or its shape; a variant that is not understood is refused by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeAlias

import torch
from torch import Tensor, nn

from edgewright.errors import UnsupportedModelError
from edgewright.models.decoder_layer import SILU
from edgewright.models.encoder_decoder import EncoderDecoderModel
from edgewright.models.encoder_decoder_shape import EncoderDecoderShape, StackLayerShape
from edgewright.models.transformer_shape import ACTIVATIONS
from edgewright.models.transformers_types import TransformersConfig, config_of

State: TypeAlias = Mapping[str, Tensor]
T5 = "t5"
KNOWN_ACTIVATIONS = (SILU, *ACTIVATIONS)
USUAL_POSITIONS = 512  # that T5s were trained on; their biases of distance go on for ever
REMEDY = (
    "take a T5, or bring yours into the form of an EncoderDecoderModel in model.factory = "
    '"module:function", which returns (model, tokenizer)'
)
_NEAR: Mapping[str, str] = {
    "mt5": "its output table is scaled otherwise",
    "umt5": "each of its layers has biases of its own",
    "longt5": "its encoder looks nearby only",
    "switch_transformers": "its feed-forward blocks choose among experts",
    "bart": "it has a table of positions and other norms",
    "mbart": "it has a table of positions and other norms",
    "marian": "it has a table of positions and other norms",
    "pegasus": "it has a table of positions and other norms",
}


def from_transformers(model: nn.Module) -> EncoderDecoderModel:
    """An `EncoderDecoderModel` with the weights of a T5 of transformers that has an output table.

    Raises `UnsupportedModelError` for another type or for a variant that is not understood.
    """
    shape, state = shape_of(config_of(model)), model.state_dict()
    if "lm_head.weight" not in state:
        raise UnsupportedModelError(
            f"a {type(model).__name__}, which has no output table", ("models for conditional generation",), REMEDY
        )
    # transformers calls every T5 tied, whatever its files hold.
    shape = replace(shape, tied=torch.equal(state["lm_head.weight"], state["shared.weight"]))
    own = EncoderDecoderModel(shape)
    with torch.no_grad():
        own.load_state_dict(_weights(state, shape))
    return own.eval()


def shape_of(config: TransformersConfig) -> EncoderDecoderShape:
    """The sizes that a configuration of transformers describes. Raises as `from_transformers` does."""
    require_read(config.model_type)
    activation, layers = config.text("dense_act_fn"), config.integer("num_layers")
    if activation not in KNOWN_ACTIVATIONS:
        raise UnsupportedModelError(f"a T5 with activation {activation!r}", KNOWN_ACTIVATIONS, REMEDY)
    width, heads = config.integer("d_model"), config.integer("num_heads")
    is_scaled = config.flag("scale_decoder_outputs")
    one = StackLayerShape(heads=heads, neurons=config.integer("d_ff"), relative=tuple(range(heads)))
    return EncoderDecoderShape(
        family=T5,
        vocabulary=config.integer("vocab_size"),
        positions=config.integer("n_positions", USUAL_POSITIONS),
        width=width,
        head_width=config.integer("d_kv"),
        relative_heads=heads,
        buckets=config.integer("relative_attention_num_buckets"),
        reach=config.integer("relative_attention_max_distance"),
        encoder=(one,) * layers,
        decoder=(replace(one, cross_heads=heads),) * (config.optional("num_decoder_layers") or layers),
        activation=activation,
        gated=config.flag("is_gated_act"),
        norm_epsilon=config.number("layer_norm_epsilon"),
        tied=is_scaled,
        output_scale=width**-0.5 if is_scaled else 1.0,
    )


def require_read(model_type: str) -> None:
    """Raise `UnsupportedModelError` for an encoder-decoder of another type, which says why it is not read."""
    if model_type != T5:
        reason = f" ({_NEAR[model_type]})" if model_type in _NEAR else ""
        raise UnsupportedModelError(f"an encoder-decoder of type {model_type}{reason}", (T5,), REMEDY)


def _weights(state: State, shape: EncoderDecoderShape) -> dict[str, Tensor]:
    found = {"tokens.weight": state["shared.weight"]}
    if not shape.tied:
        found["output.weight"] = state["lm_head.weight"]
    for side, layers in (("encoder", shape.encoder), ("decoder", shape.decoder)):
        first = f"{side}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"
        found[f"{side}.relative"] = state[first]
        found[f"{side}.closing_norm.weight"] = state[f"{side}.final_layer_norm.weight"]
        for index in range(len(layers)):
            found |= _layer(state, f"{side}.block.{index}.layer.", f"{side}.layers.{index}.", shape.gated)
    return found


def _layer(state: State, theirs: str, ours: str, gated: bool) -> dict[str, Tensor]:
    reads_source = f"{theirs}2.layer_norm.weight" in state
    block = 2 if reads_source else 1
    raised = ("wi_0", "wi_1") if gated else ("wi",)
    matrices = {
        "query_key_value": [f"0.SelfAttention.{part}" for part in "qkv"],
        "attention_output": ["0.SelfAttention.o"],
        "up": [f"{block}.DenseReluDense.{part}" for part in raised],
        "down": [f"{block}.DenseReluDense.wo"],
        "attention_norm": ["0.layer_norm"],
        "feed_forward_norm": [f"{block}.layer_norm"],
    }
    if reads_source:
        matrices |= {
            "cross_query": ["1.EncDecAttention.q"],
            "cross_key_value": ["1.EncDecAttention.k", "1.EncDecAttention.v"],
            "cross_output": ["1.EncDecAttention.o"],
            "cross_norm": ["1.layer_norm"],
        }
    return {
        f"{ours}{name}.weight": torch.cat([state[f"{theirs}{place}.weight"] for place in places])
        for name, places in matrices.items()
    }
