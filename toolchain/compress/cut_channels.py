"""Nets of convolutions as `Sliceable`: cut by their channels to a share of their products; this module is the value.

In:  a net, examples, and a `Goal` whose settings name `keep_macs`.
Out: a `Cut`, which `refit` can better without training.
"""

from __future__ import annotations

from edgewright.compress import prune_channels as channels
from edgewright.compress import refit
from edgewright.compress.cutting import Cut, Goal, finest, require_read
from edgewright.errors import InputError
from edgewright.models.convnet import ConvNet
from edgewright.models.inputs import Inputs

units = ("keep_macs",)


def cut(model: ConvNet, sample: Inputs, goal: Goal) -> Cut:
    """Keep at most the share of the multiply-accumulates that the goal gives."""
    settings = goal.settings
    if settings.keep_macs is None or goal.share is None:
        raise InputError("a net of convolutions is cut by prune.keep_macs: say what share of the products stays")
    require_read(settings, ("layers", "head_width", "width"))
    share = goal.share()
    ranking: channels.Ranking = "isomorphic" if settings.ranking == "uniform" else settings.ranking
    pruned = finest(
        goal.multiple,
        lambda size: channels.prune_channels(
            model, sample, keep_macs=share, importance=settings.importance, ranking=ranking, multiple=size
        ),
    )
    return Cut(model=pruned.model, refitted=lambda: refit.corrected(pruned, model, sample))
