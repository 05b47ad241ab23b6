"""What is refused by a look at a model's `config.json`, before any weights, data or heavy library are read.

In:  a configuration as JSON has it, and the task it is wanted for.
Out: nothing, or an `UnsupportedModelError` of one sentence: what is not supported, what is, and what to do.
Whether the rest of a known family's configuration is understood is `encoder`'s and `vision`'s concern.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edgewright.base.json_values import JsonObject
from edgewright.errors import BadModelError, UnsupportedModelError
from edgewright.models import layouts
from edgewright.models.decoder_layouts import DECODERS, unread_decoder
from edgewright.models.decoder_layouts import REFUSED as REFUSED_DECODERS

IMAGES = "image"
CAUSAL_TEXT = "causal-text"  # texts that a model goes on with
NETS = ("resnet", "mobilenet_v1", "mobilenet_v2")
OWN_CODE = "auto_map"
GENERATES = "it generates text"
GENERATIVE = ("ForCausalLM", "LMHeadModel")
SEQUENCE_TO_SEQUENCE = ("ForConditionalGeneration", "Seq2SeqLM", "ForSpeechSeq2Seq")
SOUND = ("wav2vec2", "hubert", "wavlm", "whisper", "audio-spectrogram-transformer", "speech_to_text", "clap", "encodec")
TABLES = ("patchtst", "patchtsmixer", "time_series_transformer", "autoformer", "informer", "tapas", "timesfm")
TEXT_REMEDY = (
    'take a model of one of these, or bring yours into the form of one in model.factory = "module:function", which '
    "returns (model, tokenizer), for instance as a TransformerModel"
)
NET_REMEDY = (
    'give another net of convolutions as an nn.Module by model.factory = "module:function", which returns (model, '
    "size of images)"
)
TEACHER_REMEDY = (
    "let it label your texts, and fit one of these to the labels; or bring an encoder into the form of one of these in "
    'model.factory = "module:function"'
)


def refuse_own_code(described: JsonObject, file: str) -> None:
    """Refuse a file that names code to be run with the model; `described` is what it holds."""
    if described.get(OWN_CODE):
        raise UnsupportedModelError(
            f"the code of its own that {file} names in {OWN_CODE}",
            supported=("models of transformers' own classes",),
            remedy="Edgewright never runs code that comes with a model: save it by the library's own class and remove "
            f"{OWN_CODE}, or load it in a function of yours and name that as model.factory",
        )


def refuse_unread(described: JsonObject, modality: str, place: str) -> None:
    """Refuse a configuration that says its model cannot be read for examples of this modality."""
    refuse_own_code(described, f"{place}/config.json")
    family = described.get("model_type")
    if not isinstance(family, str) or not family:
        raise BadModelError(place, "its config.json names no model_type, as every model of transformers has one")
    known = {IMAGES: (*layouts.IMAGE, *NETS), CAUSAL_TEXT: tuple(DECODERS)}
    if family not in known.get(modality, tuple(layouts.TEXT)):
        raise unread(family, modality, described)
    if method := described.get("quantization_config"):
        named = method.get("quant_method") if isinstance(method, Mapping) else None
        raise UnsupportedModelError(
            f"weights that are quantised already ({named or 'quantization_config'}) in {place}",
            supported=("float32, float16 and bfloat16 weights",),
            remedy="give the model before it was quantised, or save it de-quantised",
        )


def unread(family: str, modality: str, described: JsonObject | None = None) -> UnsupportedModelError:
    """The error for a family that is not read for examples of this modality."""
    named = (described or {}).get("architectures")
    classes = [str(name) for name in named] if isinstance(named, Sequence) else []
    if modality == CAUSAL_TEXT:
        return unread_decoder(family, _why_no_decoder(family, classes, described or {}))
    if modality == IMAGES:
        known: tuple[str, ...] = (*layouts.IMAGE, *NETS)
        why = "it reads texts" if family in layouts.TEXT else _why(family, classes, described or {})
        return UnsupportedModelError(f"a vision model of type {family}{_bracketed(why)}", known, NET_REMEDY)
    known, remedy = tuple(layouts.TEXT), TEXT_REMEDY
    why = layouts.REFUSED.get(family) or _why(family, classes, described or {})
    if family in (*layouts.IMAGE, *NETS):
        why, remedy = "it reads images", 'for images set task.kind = "image-classification"'
    elif why.startswith("it generates"):
        remedy = TEACHER_REMEDY
    return UnsupportedModelError(f"a model of type {family}{_bracketed(why)}", known, remedy)


def _why_no_decoder(family: str, classes: list[str], described: JsonObject) -> str:
    if family in REFUSED_DECODERS:
        return REFUSED_DECODERS[family]
    if family in layouts.TEXT:
        return "it reads texts, and does not go on with them"
    if family in (*layouts.IMAGE, *NETS):
        return "it reads images"
    found = _why(family, classes, described)
    return "" if found == GENERATES else found


def _why(family: str, classes: list[str], described: JsonObject) -> str:
    if family in SOUND:
        return "it reads sound"
    if family in TABLES:
        return "it reads tables or series of numbers"
    if described.get("is_encoder_decoder") or any(name.endswith(SEQUENCE_TO_SEQUENCE) for name in classes):
        return "it generates, with an encoder and a decoder"
    if any(name.endswith(GENERATIVE) for name in classes):
        return GENERATES
    return ""


def _bracketed(reason: str) -> str:
    return f" ({reason})" if reason else ""
