"""One cut for all families: each by its own units, and what a family has not is refused in one sentence."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from edgewright.compress.cutting import Cut, Goal, cut, finest, require_read
from edgewright.errors import InputError
from edgewright.models import convnet, convnet_sources
from edgewright.models.families import FAMILIES, Family
from edgewright.models.inputs import Inputs, TextInputs
from edgewright.specs.recipe import Prune
from tests import tiny, tiny_vision

ROWS = TextInputs(tiny.rows(60))


def net(place: Path) -> convnet.ConvNet:
    tiny_vision.hugging_face("mobilenet_v2").save_pretrained(place)
    return convnet_sources.from_pretrained(place, side=32)


def images(model: convnet.ConvNet) -> Inputs:
    return tiny_vision.pixels(convnet.example_inputs(model, 8)[0])


@pytest.mark.parametrize(
    ("named", "what", "setting"),
    [
        ({"heads": 2}, "attention heads to prune", "heads"),
        ({"neurons": 8}, "feed-forward neurons to prune", "neurons"),
        ({"layers": 1}, "layers to remove", "layers"),
        ({"width": 16}, "residual stream to narrow", "width"),
    ],
)
def test_units_that_a_family_has_not_are_refused_with_the_setting(
    tmp_path: Path, named: dict[str, int], what: str, setting: str
) -> None:
    model = net(tmp_path)
    with pytest.raises(InputError, match=rf"^MobileNetV2 has no {what}; remove stages\.prune\.{setting}$"):
        cut(model, images(model), Goal(settings=Prune(**named)))  # type: ignore[arg-type]


def test_a_family_that_cannot_be_cut_is_refused() -> None:
    stores = SimpleNamespace(save=None, load=None)
    with FAMILIES.registered("whole", Family(title="whole net", modality="image", capabilities={"stores": stores})):
        model = nn.Linear(2, 2)
        model.family = "whole"  # type: ignore[assignment]
        refusal = r"^a whole net has no units to prune; set stages\.prune\.enabled = false$"
        with pytest.raises(InputError, match=refusal):
            cut(model, ROWS, Goal(settings=Prune()))


def test_a_plugin_cuts_its_own_units() -> None:
    class Halves:
        units = ("keep_macs",)

        def cut(self, model: nn.Linear, sample: Inputs, goal: Goal) -> Cut:
            share = goal.share() if goal.share else 1.0
            return Cut(model=nn.Linear(model.in_features, round(share * model.out_features)))

    offered = {"stores": SimpleNamespace(save=None, load=None), "sliceable": Halves()}
    with FAMILIES.registered("halves", Family(title="net", modality="image", capabilities=offered)):
        model = nn.Linear(4, 8)
        model.family = "halves"  # type: ignore[assignment]
        made = cut(model, ROWS, Goal(settings=Prune(keep_macs=0.5), share=lambda: 0.5))
        assert made.model(torch.zeros(1, 4)).shape == (1, 4)


def test_sizes_beside_keep_macs_are_refused_as_they_would_change_nothing() -> None:
    require_read(Prune(keep_macs=0.5), ("layers", "ranking"))
    with pytest.raises(InputError, match=r"prune\.layers and prune\.ranking is not read beside prune\.keep_macs"):
        require_read(Prune(keep_macs=0.5, layers=2, ranking="global"), ("layers", "ranking"))


def test_a_multiple_that_is_too_coarse_is_halved_until_it_is_four() -> None:
    tried = []

    def only(size: int) -> int:
        tried.append(size)
        if size > 4:
            raise InputError("too coarse")
        return size

    assert finest(32, only) == 4
    assert tried == [32, 16, 8, 4]
    with pytest.raises(InputError, match="never"):
        finest(8, lambda _: (_ for _ in ()).throw(InputError("never")))
