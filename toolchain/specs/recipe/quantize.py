"""The section [stages.quantize]: number formats, and what is left out of int8."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Annotated, Literal, Protocol

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from edgewright.errors import nearest
from edgewright.specs.recipe.distill import with_an_end
from edgewright.specs.recipe.section import Amount, Count, Section, as_tuple, each_once, set_of, setting

AS_THE_SCHEME = "int8"  # weights that are not narrowed further


class SchemeDescription(Protocol):
    """What a recipe needs to know of a quantisation scheme; see `edgewright.quantize.schemes.Scheme`."""

    @property
    def static(self) -> bool: ...  # noqa: D102
    @property
    def of_weights(self) -> bool: ...  # noqa: D102
    @property
    def is_integer(self) -> bool: ...  # noqa: D102
    @property
    def instead(self) -> str | None: ...  # noqa: D102
    @property
    def lacks(self) -> str: ...  # noqa: D102


def schemes() -> Mapping[str, SchemeDescription]:
    """The quantisation schemes there are. Their table lies in a room above, and is light."""
    table: Mapping[str, SchemeDescription] = import_module("edgewright.quantize.schemes").QUANTIZATION_SCHEMES
    return table


def _known_scheme(name: str) -> str:
    return _one_of(name, [each for each, scheme in schemes().items() if not scheme.of_weights])


def _known_weights(name: str) -> str:
    return _one_of(name, [AS_THE_SCHEME, *(each for each, scheme in schemes().items() if scheme.of_weights)])


def _one_of(name: str, known: Sequence[str]) -> str:
    if name not in known:
        raise ValueError(f'"{name}" is not one of {", ".join(known)}; {nearest(name, known)}')
    return name


class Qat(Section):
    """Quantisation-aware training; what is not given here is as in the training phase before."""

    epochs: Count | None = setting(
        None,
        "How often the training text or images are gone through; the first of these ends that is reached counts.",
        unit="passes",
        costs="time, in proportion",
    )
    train_tokens: Count | None = setting(
        None, "How much text is trained on in all, as the student reads it.", unit="tokens", costs="time, in proportion"
    )
    train_images: Count | None = setting(
        None, "How many images are trained on in all.", unit="images", costs="time, in proportion"
    )
    minutes: Amount | None = setting(
        None,
        "A limit, not a measure of how much is trained: what takes longer ends in an error, and the same command "
        "goes on from its checkpoint.",
        unit="minutes",
    )
    learning_rate: Amount = setting(1e-4, "The highest learning rate of the schedule.", unit="a step")

    @model_validator(mode="after")
    def _ends_some_time(self) -> Qat:
        return with_an_end(self)


class Quantize(Section):
    """Number formats: int8 weights per channel, and activations quantised dynamically or by fixed scales."""

    scheme: Annotated[str, AfterValidator(_known_scheme)] | None = setting(
        None,
        "The number format: dynamic-int8 quantises activations at each inference, right for transformers; "
        "static-int8 by fixed scales, right for convolutions, and all that tflite-runtime can; float16 halves "
        "float32 for ExecuTorch and LiteRT. The model's family decides where none is given.",
    )
    weights: Annotated[str, AfterValidator(_known_weights)] = setting(
        AS_THE_SCHEME,
        "The format of linear layers' weights: int8, or int4, which halves them where that keeps within the limits, "
        "with dynamic-int8.",
        costs="score",
    )
    examples: Annotated[int, Field(ge=8, le=10_000)] = setting(
        256,
        "How many training examples fixed scales are calibrated on.",
        unit="examples",
        costs="time, in proportion",
    )
    calibration: Literal["minmax", "percentile", "mse", "kl"] = setting(
        "mse",
        "What a fixed scale covers: all values, all but one in ten thousand, what leaves the least squared error, "
        "or what loses the least of the distribution.",
        costs="kl takes longest",
        source="Migacz 2017 (kl)",
    )
    smooth: Annotated[float, Field(ge=0, le=1)] | None = setting(
        None,
        "How much of the spread of a transformer's activations is moved into its weights; 0.5 is a good start.",
        unit="share",
        source="Xiao et al. 2023, SmoothQuant",
    )
    qat: Qat | None = setting(
        None,
        "Quantisation-aware training: a last training phase in which the student already computes in int8.",
        costs="a training",
        names=("qat", "aware"),
    )
    sensitivity: bool = setting(
        True,
        "Measure how far each part puts the outputs off in int8, and exclude those to blame where a limit is passed.",
        costs="a minute",
    )
    max_error_percent: Amount = setting(
        10.0, "How far int8 may put the outputs off (a ratio of root mean squares) before parts are excluded.", unit="%"
    )
    max_score_loss_points: Amount | None = setting(
        None,
        "How much of the validation score int8 may lose before parts are excluded.",
        unit="points (hundredths)",
        names=("max_score_loss_points", "max_points_lost"),
    )
    exclude: Annotated[tuple[str, ...], BeforeValidator(as_tuple), AfterValidator(each_once)] = setting(
        (),
        "Parts that stay float in any case, by their names.",
        costs="size and latency",
        names=("exclude", "keep_float"),
    )

    @model_validator(mode="after")
    def _formats_agree(self) -> Quantize:
        scheme = schemes()[self.scheme] if self.scheme else None
        if self.weights != AS_THE_SCHEME and scheme and (scheme.static or not scheme.is_integer):
            raise ValueError(
                f'takes weights = "{self.weights}" or scheme = "{self.scheme}", not both: no runtime has kernels for it'
            )
        rounds = scheme is None or scheme.is_integer
        if not rounds and (self.qat or self.exclude):
            raise ValueError(f'takes scheme = "{self.scheme}" without qat and exclude, which are about int8')
        if not rounds and (idle := set_of(self, _ABOUT_INT8)):
            raise ValueError(f'takes scheme = "{self.scheme}" without {" and ".join(idle)}, which int8 alone reads')
        if not self.sensitivity and (idle := set_of(self, _MEASURED)):
            raise ValueError(f"takes {' and '.join(idle)} with sensitivity alone, which measures them")
        return self


_MEASURED = ("max_error_percent", "max_score_loss_points")
_ABOUT_INT8 = ("examples", "calibration", "sensitivity", *_MEASURED)
