"""The section [stages.prune]: what stays of the teacher."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from edgewright.specs.recipe.section import Count, Section, matching, set_of, setting


def _kept_layers(value: object) -> int | tuple[int, ...] | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value > 0):
        return value
    if isinstance(value, list | tuple) and value and all(type(index) is int and index >= 0 for index in value):
        if list(value) == sorted(set(value)):
            return tuple(value)
        raise ValueError(f"must name each layer once, in rising order, not {list(value)}")
    raise ValueError(f"must be a number of layers or a list of layer indexes counted from 0, not {value!r}")


KeptLayers = Annotated[int | tuple[int, ...] | None, BeforeValidator(_kept_layers)]


class Prune(Section):
    """What stays of the teacher; a size that is not given stays as it is.

    Either sizes are given; or the share `keep_macs` of the multiply-accumulates, for which heads and neurons compete;
    or a `speedup`, and a search chooses. `layers` and `neurons` have defaults where neither of the latter is given.
    """

    enabled: bool = setting(True, "Remove layers, heads, neurons or channels.")
    layers: KeptLayers = setting(
        3,
        "How many layers stay, or which, counted from 0; with speedup the most that may stay.",
        unit="layers",
        costs="score, more than neurons do",
    )
    heads: Count | None = setting(None, "How many attention heads of each layer stay.", unit="heads")
    neurons: Count | None = setting(384, "How many neurons of each feed-forward layer stay.", unit="neurons")
    head_width: Count | None = setting(None, "The width of a head that stays.", unit="channels")
    width: Count | None = setting(
        None, "The width of the model that stays.", unit="channels", costs="score, most of all sizes"
    )
    keep_macs: Annotated[float, Field(gt=0, le=1)] | None = setting(
        None,
        "The part of the multiply-accumulates that stays, for which all heads and neurons, or a net's channels, "
        "compete.",
        unit="share",
    )
    speedup: Annotated[float, Field(gt=1, allow_inf_nan=False)] | None = setting(
        None,
        "How many times less the layers are to cost; layers, heads and neurons are chosen by dynamic programming.",
        unit="times",
        costs="a search of a minute or more",
        source="Kurtic et al. 2023, ZipLM",
    )
    prices: Annotated[str, matching(r"profile|(local|ssh|emulated):.*", "'profile' or a target's address")] = setting(
        "profile",
        "What the search takes the cost of a layer from: the profile's facts, or a target's address, where models "
        "of one layer are timed.",
        costs="with an address, minutes on the target",
    )
    importance: Literal["magnitude", "activation", "taylor", "fisher"] = setting(
        "activation",
        "What a part's importance is read from.",
        costs="taylor and fisher take gradients: longer",
        source="Michel et al. 2019; Molchanov et al. 2019",
    )
    ranking: Literal["uniform", "global"] = setting(
        "uniform",
        "Whether every layer keeps as much, or each what its importance deserves; sizes are then those of an "
        "average layer.",
    )
    reconstruct: bool = setting(
        True,
        "Refit what is left by least squares, to answer as before.",
        costs="a minute",
        source="Frantar and Alistarh 2022",
    )
    steps: Annotated[int, Field(ge=1, le=20)] = setting(
        1,
        "Cut a little at a time, and train between for a share of the training each.",
        unit="steps",
        source="Zhu and Gupta 2017",
    )

    @model_validator(mode="before")
    @classmethod
    def _defaults_where_they_count(cls, values: object) -> object:
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
            ways = [name for name in instead if getattr(self, name) is not None]
            if getattr(self, way) is not None and ways:
                raise ValueError(f"takes {way} or {' and '.join(ways)}, not both: {way} {why}")
        return self


_SIZES = ("heads", "neurons", "head_width", "width", "keep_macs")
