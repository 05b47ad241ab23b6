"""The section [stages.prune]: what stays of the teacher."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from edgewright.specs.recipe.section import Count, Section, matching, set_of


def _kept_layers(value: Any) -> int | tuple[int, ...] | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value > 0):
        return value
    if isinstance(value, list | tuple) and value and all(type(index) is int and index >= 0 for index in value):
        if list(value) == sorted(set(value)):
            return tuple(value)
        raise ValueError(f"must name each layer once, in rising order, not {list(value)}")
    raise ValueError(f"must be a number of layers or a list of layer indexes counted from 0, not {value!r}")


KeptLayers = Annotated[int | tuple[int, ...] | None, BeforeValidator(_kept_layers)]


class Prune(Section):
    """What stays of the teacher; None keeps all.

    Either sizes are given: layers (a number, or their indexes), heads and neurons of each layer, the width of a head,
    the width of the model. With `ranking` "global" the numbers of heads and neurons are those of an average layer, and
    each layer keeps what its importance deserves. Or the share `keep_macs` of the multiply-accumulates stays, for which
    all heads and neurons compete, or a convolutional net's channels. Or `speedup` is given, and layers, heads and
    neurons are chosen by search so that the layers cost so many times less; a number of `layers` is then the most that
    may stay. Their `prices` are what the "profile" implies, or what a target says whose address is given: models of one
    layer are timed there. `layers` and `neurons` have their defaults only where neither of these two is given.

    What is left is refitted by least squares to answer as before (`reconstruct`). With more than one of `steps` it is
    cut a little at a time, and taught between for its share of the time.
    """

    enabled: bool = True
    layers: KeptLayers = 3
    heads: Count | None = None
    neurons: Count | None = 384
    head_width: Count | None = None
    width: Count | None = None
    keep_macs: Annotated[float, Field(gt=0, le=1)] | None = None
    speedup: Annotated[float, Field(gt=1, allow_inf_nan=False)] | None = None
    prices: Annotated[str, matching(r"profile|(local|ssh|emulated):.*", "'profile' or a target's address")] = "profile"
    importance: Literal["magnitude", "activation", "taylor", "fisher"] = "activation"
    ranking: Literal["uniform", "global"] = "uniform"
    reconstruct: bool = True
    steps: Annotated[int, Field(ge=1, le=20)] = 1

    @model_validator(mode="before")
    @classmethod
    def _defaults_where_they_count(cls, values: Any) -> Any:
        # Set here and not left to the reader of the settings: a recipe that was written down must read back the same.
        if isinstance(values, dict) and any(values.get(name) is not None for name in ("speedup", "keep_macs")):
            return {"layers": None, "neurons": None, **values}
        return values

    @model_validator(mode="after")
    def _one_way(self) -> Prune:
        if self.speedup is None and self.prices != "profile":
            raise ValueError("takes prices with speedup alone, whose search asks for them")
        if self.speedup is not None and (idle := set_of(self, ("importance", "ranking"))):
            raise ValueError(f"takes speedup without {' and '.join(idle)}: its search measures what each part is worth")
        if self.speedup is not None and isinstance(self.layers, tuple):
            raise ValueError("takes speedup and a number of layers, the most that may stay, but not which they are")
        for way, instead, why in (
            ("speedup", _SIZES, "chooses what stays of each layer by itself"),
            ("keep_macs", ("heads", "neurons"), "stands in their place"),
        ):
            given = [name for name in instead if getattr(self, name) is not None]
            if getattr(self, way) is not None and given:
                raise ValueError(f"takes {way} or {' and '.join(given)}, not both: {way} {why}")
        return self


_SIZES = ("heads", "neurons", "head_width", "width", "keep_macs")
