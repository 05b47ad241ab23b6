"""The number formats that a model can be given, by the names that recipes have for them.

In:  a name.
Out: its `Scheme`. How a file in it is written is each runtime's support, or is brought by a scheme that a package adds
     with an entry point "edgewright.schemes".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from edgewright.base.registry import Registry, instance_of

DYNAMIC, STATIC, INT4 = "dynamic-int8", "static-int8", "int4"


@dataclass(frozen=True, kw_only=True)
class Scheme:
    """A number format.

    Weights have `weight_bits`, activations `activation_bits`; those of a `static` one are on fixed scales, which
    examples are run for. One that is `of_weights` narrows the weights of linear layers further, where activations are
    quantised dynamically: a recipe names it by `quantize.weights`, any other by `quantize.scheme`. `needs` names the
    fact of a profile's processor that it is for. A runtime that does not know it is given another, `instead`, or is
    refused because it `lacks` something. `precision` is whose prices it has, `format` what reports call it.
    `writers` add the support of runtimes that have none of their own, by the runtime's name: each gets the export's
    input, the float file, the file to be written and an `Int8`, and gives its findings.
    """

    name: str
    weight_bits: int
    activation_bits: int
    static: bool = False
    of_weights: bool = False
    needs: str | None = None
    instead: str | None = None
    lacks: str = "has no kernels for it"
    precision: Literal["int8", "half", "float"] = "int8"
    format: str = ""
    writers: Mapping[str, Callable[..., Mapping[str, object]]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        """A format is called as its scheme is, where that does not say more."""
        object.__setattr__(self, "format", self.format or self.name)

    @property
    def is_integer(self) -> bool:
        """Whether values are rounded to integers, so that some parts may tolerate it less than others."""
        return self.precision == "int8"


DYNAMIC_INT8 = Scheme(name=DYNAMIC, weight_bits=8, activation_bits=8, instead=STATIC, format="int8")
STATIC_INT8 = Scheme(name=STATIC, weight_bits=8, activation_bits=8, static=True, format="int8")
INT4_WEIGHTS = Scheme(
    name=INT4, weight_bits=4, activation_bits=8, of_weights=True, lacks="has no fast kernels for it", format="int8"
)
FLOAT16 = Scheme(
    name="float16",
    weight_bits=16,
    activation_bits=16,
    needs="fp16",
    lacks="does not compute in it",
    precision="half",
)

QUANTIZATION_SCHEMES: Registry[Scheme] = Registry(
    "quantisation scheme",
    {
        DYNAMIC: "edgewright.quantize.schemes:DYNAMIC_INT8",
        STATIC: "edgewright.quantize.schemes:STATIC_INT8",
        INT4: "edgewright.quantize.schemes:INT4_WEIGHTS",
        "float16": "edgewright.quantize.schemes:FLOAT16",
    },
    group="edgewright.schemes",
    check=instance_of("quantisation scheme", Scheme),
)


def schemes_of_weights() -> tuple[str, ...]:
    """The names of those that narrow linear layers' weights further."""
    return tuple(name for name, scheme in QUANTIZATION_SCHEMES.items() if scheme.of_weights)


def narrow_weights(name: str) -> Scheme | None:
    """The scheme of a recipe's `quantize.weights`; None where weights are as the model's scheme has them."""
    if name not in QUANTIZATION_SCHEMES:
        return None
    return QUANTIZATION_SCHEMES[name]


def rounds_to_integers(name: str | None) -> bool:
    """Whether a scheme does; where none is named the model's family chooses one that does."""
    return name is None or QUANTIZATION_SCHEMES[name].is_integer
