"""The section [stages.quantize]: number formats, and what is left out of int8."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from edgewright.specs.recipe.distill import with_an_end
from edgewright.specs.recipe.section import Amount, Count, Section, as_tuple, each_once, set_of


class Aware(Section):
    """Quantisation-aware training: a last lesson in which the student already computes in int8, as far as it will.

    It ends after so many `epochs`, or tokens or images of training, whichever comes first; `minutes` is a limit that
    ends in an error. What is not said here is as in the lesson before.
    """

    epochs: Count | None = None
    train_tokens: Count | None = None
    train_images: Count | None = None
    minutes: Amount | None = None
    learning_rate: Amount = 1e-4

    @model_validator(mode="after")
    def _ends_some_time(self) -> Aware:
        return with_an_end(self)


class Quantize(Section):
    """Number formats: int8 weights per channel, and activations scaled as they come or on scales of their own.

    `scheme` is "dynamic-int8", in which each layer's inputs are scaled as they come: right for transformers, whose
    activations have outliers. Or "static-int8", in which scales are fixed by `examples` of the training part, so that
    nothing between two layers is float: right for convolutions, and all that tflite-runtime can. Or "float16", which
    harms next to nothing and halves what float32 takes, for ExecuTorch on cores with arithmetic for it. Where none is
    given the model's family decides. `calibration` says how: a scale covers all that was seen ("minmax"), all but one
    value in ten thousand ("percentile"), what leaves the least squared error ("mse"), or what loses the least of the
    values' distribution ("kl"). `smooth`, from 0 to 1 with 0.5 as a good start, moves so much of the spread of a
    transformer's activations into its weights. `aware` adds a lesson in int8.

    With `sensitivity` it is measured on training texts how far each part puts the outputs off, and where all together
    put them further off than `max_error_percent` (a ratio of root mean squares), the parts that are to blame stay
    float; with `max_points_lost` also where they lose more points (hundredths) of the task's score on the validation
    part. Those that `keep_float` names do in any case. With `weights` "int4" linear layers take half of the bytes,
    where activations are scaled as they come; those that would do more harm than that stay int8.
    """

    scheme: Literal["dynamic-int8", "static-int8", "float16"] | None = None
    weights: Literal["int8", "int4"] = "int8"
    examples: Annotated[int, Field(ge=8, le=10_000)] = 256
    calibration: Literal["minmax", "percentile", "mse", "kl"] = "mse"
    smooth: Annotated[float, Field(ge=0, le=1)] | None = None
    aware: Aware | None = None
    sensitivity: bool = True
    max_error_percent: Amount = 10.0
    max_points_lost: Amount | None = None
    keep_float: Annotated[tuple[str, ...], BeforeValidator(as_tuple), AfterValidator(each_once)] = ()

    @model_validator(mode="after")
    def _formats_agree(self) -> Quantize:
        if self.weights == "int4" and self.scheme not in (None, "dynamic-int8"):
            raise ValueError(
                f'takes weights = "int4" or scheme = "{self.scheme}", not both: no runtime has kernels for it'
            )
        if self.scheme == "float16" and (self.aware or self.keep_float):
            raise ValueError('takes scheme = "float16" without aware and keep_float, which are about int8')
        if self.scheme == "float16" and (idle := set_of(self, _ABOUT_INT8)):
            raise ValueError(f'takes scheme = "float16" without {" and ".join(idle)}, which int8 alone reads')
        if not self.sensitivity and (idle := set_of(self, _MEASURED)):
            raise ValueError(f"takes {' and '.join(idle)} with sensitivity alone, which measures them")
        return self


_MEASURED = ("max_error_percent", "max_points_lost")
_ABOUT_INT8 = ("examples", "calibration", "sensitivity", *_MEASURED)
