"""How a model's own image processor makes a picture the model's input, read from `preprocessor_config.json`.

In:  a folder or a hub id of a model of images.
Out: a `Preparation`: how a picture is framed (resized, cropped), and the numbers by which it is scaled.
A setting that is not understood, or that would frame or scale otherwise, is refused by name. What the settings default
to is the processor's own, by its class.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgewright.base.json_values import JsonObject, JsonValue
from edgewright.errors import BadModelError, UnsupportedModelError
from edgewright.modality.framing import RESAMPLING, Framing
from edgewright.models.side_files import Keys, check_keys
from edgewright.models.source import described_in
from edgewright.models.transformers_types import CONFIG
from edgewright.specs.recipe import ModelSource

FILE = "preprocessor_config.json"
BRIGHTEST = 255
USUAL_CHANNELS = 3  # of a processor whose means are the default ones
WARPED_SIDE = 384  # from which ConvNeXT's processor, which ResNet has too, no longer crops
KEYS = Keys(
    understood=frozenset(
        "do_resize size resample do_center_crop crop_size crop_pct do_rescale rescale_factor do_normalize image_mean "
        "image_std image_processor_type feature_extractor_type default_to_square".split()
    ),
    harmless=frozenset(
        "do_convert_rgb do_reduce_labels input_data_format return_tensors device disable_grouping use_fast "
        "processor_class _valid_processor_keys num_channels transformers_version name_or_path backend "
        "interpolation_mode _commit_hash".split()
    ),
    fixed={
        "do_flip_channel_order": (False, None),
        "do_pad": (False, None),
        "pad_size": (None,),
        "data_format": ("channels_first", None),
        "reducing_gap": (None,),
        "image_seq_length": (None,),
    },
)
_NET: JsonObject = {"size": {"shortest_edge": 256}, "resample": 2, "do_center_crop": True, "crop_size": 224}
# What each class of processor does where its file is silent; an integer size is a square's, or the shortest edge's.
DEFAULTS: Mapping[str, JsonObject] = {
    "ViT": {"size": {"height": 224, "width": 224}, "resample": 2},
    "DeiT": {"size": {"height": 256, "width": 256}, "resample": 3, "do_center_crop": True, "crop_size": 224},
    "ConvNext": {"size": {"shortest_edge": 384}, "resample": 3, "crop_pct": 224 / 256},
    "MobileNetV1": _NET,
    "MobileNetV2": _NET,
}
SQUARE = ("ViT", "DeiT")
OF_FAMILY = {
    "vit": "ViT",
    "deit": "DeiT",
    "resnet": "ConvNext",
    "mobilenet_v1": "MobileNetV1",
    "mobilenet_v2": "MobileNetV2",
}
ENDINGS = ("ImageProcessorPil", "ImageProcessorFast", "ImageProcessor", "FeatureExtractor")


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """`mean` and `deviation` are of a picture's values from 0 to 1, one for all channels or one for each.

    `channels` are those that the processor itself takes.
    """

    framing: Framing
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    channels: int


def preparation(source: ModelSource) -> Preparation | None:
    """What the model's processor does; None where there is none, as with a factory.

    Raises `UnsupportedModelError` for a processor or a setting that is not understood, `BadModelError` for a damaged
    file.
    """
    described = None if source.factory else described_in(source, FILE)
    if described is None:
        return None
    check_keys(FILE, described, KEYS)
    kind = _kind(described, (described_in(source, CONFIG) or {}).get("model_type"))
    stated = {**DEFAULTS[kind], **{name: value for name, value in described.items() if value is not None}}
    try:
        means = stated.get("image_mean")
        channels = len(means) if isinstance(means, list) else USUAL_CHANNELS
        return Preparation(framing=_framing(stated, kind), channels=channels, **_scale(stated))
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise BadModelError(FILE, f"its settings do not fit together: {error}") from error


def _kind(described: JsonObject, family: object) -> str:
    """Which class of processor it is, by its own name or the model's family."""
    named = described.get("image_processor_type") or described.get("feature_extractor_type")
    if named is None:
        return OF_FAMILY.get(str(family), "ViT")
    kind = next((str(named).removesuffix(ending) for ending in ENDINGS if str(named).endswith(ending)), str(named))
    if kind not in DEFAULTS:
        raise UnsupportedModelError(
            f"the image processor {named} of {FILE}",
            supported=tuple(f"{known}ImageProcessor" for known in DEFAULTS),
            remedy="save the model with one of these that does the same, with every setting stated",
        )
    return kind


def _framing(stated: JsonObject, kind: str) -> Framing:
    number = int(_number(stated["resample"]))
    if not 0 <= number < len(RESAMPLING):
        raise UnsupportedModelError(f"resample = {number} in {FILE}", supported=[str(each) for each in range(6)])
    resample = RESAMPLING[number]
    crop = _square(stated["crop_size"]) if stated.get("do_center_crop") else None
    if not stated.get("do_resize", True):
        return Framing(crop=crop, resample=resample)
    size = _size(stated["size"], kind)
    if set(size) == {"height", "width"}:
        if kind == "ConvNext":
            raise KeyError("size needs a shortest_edge")
        return Framing(resize=_square(size), crop=crop, resample=resample)
    if set(size) != {"shortest_edge"}:
        raise UnsupportedModelError(
            f"size = {size} in {FILE}", supported=("height and width", "shortest_edge"), remedy="state one of these"
        )
    shortest = int(_number(size["shortest_edge"]))
    if kind != "ConvNext":
        return Framing(shortest=shortest, crop=crop, resample=resample)
    if shortest >= WARPED_SIDE:
        return Framing(resize=(shortest, shortest), crop=crop, resample=resample)
    if crop and crop != (shortest, shortest):
        raise UnsupportedModelError(f"a crop of {crop} after one by crop_pct in {FILE}", supported=("one crop",))
    return Framing(shortest=int(shortest / _number(stated["crop_pct"])), crop=(shortest, shortest), resample=resample)


def _scale(stated: JsonObject) -> dict[str, tuple[float, ...]]:
    """Theirs is (pixel × factor − mean) / deviation of pixels up to 255, with a factor of 1 / 255 as a rule."""
    unit = BRIGHTEST * (_number(stated.get("rescale_factor", 1 / BRIGHTEST)) if stated.get("do_rescale", True) else 1.0)
    normalised = stated.get("do_normalize", True)
    mean = _each(stated.get("image_mean", 0.5) if normalised else 0.0)
    deviation = _each(stated.get("image_std", 0.5) if normalised else 1.0)
    if not unit or 0 in deviation:
        raise ValueError("a rescale_factor or an image_std is 0")
    return {"mean": tuple(each / unit for each in mean), "deviation": tuple(each / unit for each in deviation)}


def _size(size: JsonValue, kind: str) -> JsonObject:
    """A size by the names of its sides; one number is a square's side, or the shortest edge."""
    if isinstance(size, int):
        return {"height": size, "width": size} if kind in SQUARE else {"shortest_edge": size}
    if isinstance(size, list):
        return {"height": size[0], "width": size[1]}
    if isinstance(size, Mapping):
        return size
    raise TypeError(f"{size!r} is no size")


def _each(values: JsonValue) -> tuple[float, ...]:
    return tuple(_number(value) for value in values) if isinstance(values, list) else (_number(values),)


def _square(size: JsonValue) -> tuple[int, int]:
    if isinstance(size, Mapping):
        height, width = size["height"], size["width"]
    else:
        height, width = (size[0], size[1]) if isinstance(size, list) else (size, size)
    return int(_number(height)), int(_number(width))


def _number(value: JsonValue) -> float:
    if isinstance(value, int | float | str):
        return float(value)
    raise TypeError(f"{value!r} is no number")
