"""Families: what each offers is there, what one lacks is refused in one sentence, and a plug-in keeps its promises."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from edgewright.errors import BadModelError, InputError
from edgewright.models import convnet, convnet_sources
from edgewright.models.capabilities import (
    CAPABILITIES,
    FACTORISABLE,
    HIDDEN_STATES,
    REBUILDABLE,
    SMOOTHABLE,
    TOKEN_TABLE,
)
from edgewright.models.families import FAMILIES, Family, family_of, lacks, load, offered, required, save, to_run
from tests import tiny, tiny_vision


class Gated(nn.Module):
    """A model of another's family."""

    family = "gated"

    def __init__(self) -> None:
        super().__init__()
        self.gate, self.value = nn.Conv2d(1, 2, 3), nn.Conv2d(1, 2, 3)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        gated: torch.Tensor = (self.gate(pixels).sigmoid() * self.value(pixels)).mean(dim=(-1, -2))
        return gated


class GatedFiles:
    """How it is written and read."""

    def save(self, model: Gated, folder: Path) -> None:
        torch.save(model.state_dict(), folder / "gated.pt")

    def load(self, folder: Path, *, factory: str = "") -> Gated:
        model = Gated()
        model.load_state_dict(torch.load(folder / "gated.pt", weights_only=True))
        return model.eval()


GATED = Family(title="net of gated convolutions", modality="image", capabilities={"stores": GatedFiles()})


@pytest.mark.parametrize("name", ["encoder", "vision", "convnet", "llama", "gpt2", "t5"])
def test_a_family_offers_what_its_descriptor_promises(name: str) -> None:
    family = FAMILIES[name]
    for promised in family.capabilities:
        capability = CAPABILITIES[promised]
        assert capability.missing(family.implementation(capability)) == []


def test_a_descriptor_is_read_without_torch() -> None:
    program = (
        "import sys; from edgewright.models.families import FAMILIES; "
        "print([FAMILIES[name].title for name in FAMILIES]); assert 'torch' not in sys.modules"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "vision transformer" in told.stdout


def test_a_model_knows_its_family() -> None:
    assert family_of(tiny.model_copy()).title == "text encoder"
    assert family_of(convnet_sources.from_factory(f"{tiny_vision.MODULE}:mixed")).scheme == "static-int8"
    with pytest.raises(InputError, match="a Linear is of no family that Edgewright knows"):
        family_of(nn.Linear(2, 2))
    assert offered(nn.Linear(2, 2), HIDDEN_STATES) is None


def test_what_a_family_lacks_is_refused_by_what_and_setting(tmp_path: Path) -> None:
    tiny_vision.hugging_face("mobilenet_v2").save_pretrained(tmp_path)
    net = convnet_sources.from_pretrained(tmp_path, side=32)
    wanted = "MobileNetV2 has no attention heads to prune; remove stages.prune.heads"
    assert str(lacks(net, "attention heads to prune", setting="stages.prune.heads")) == wanted
    with pytest.raises(InputError, match=r"MobileNetV2 has no channels to smooth; remove stages\.quantize\.smooth"):
        required(net, SMOOTHABLE, setting="stages.quantize.smooth")
    assert required(tiny.model_copy(), TOKEN_TABLE, setting="x").pieces(tiny.model_copy()) == len(tiny.pieces())
    with pytest.raises(InputError, match=r"has no matrices to keep at a low rank; remove stages\.low_rank\.energy"):
        required(net, FACTORISABLE, setting="stages.low_rank.energy")


def test_a_model_of_any_family_is_read_back_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "text").mkdir()
    (tmp_path / "net").mkdir()
    model, net = tiny.model_copy(), convnet_sources.from_factory(f"{tiny_vision.MODULE}:mixed")
    save(model, tmp_path / "text")
    save(net, tmp_path / "net")
    back = load(tmp_path / "text")
    assert all(torch.equal(back.state_dict()[name], each) for name, each in model.state_dict().items())
    again = load(tmp_path / "net", factory=f"{tiny_vision.MODULE}:mixed")
    assert torch.equal(again(*convnet.example_inputs(net)), net(*convnet.example_inputs(net)))
    with pytest.raises(BadModelError, match=r"family\.json"):
        load(tmp_path)


def test_fresh_weights_are_those_of_the_seed() -> None:
    for model in (tiny.model_copy(), convnet_sources.from_factory(f"{tiny_vision.MODULE}:mixed")):
        rebuilt = required(model, REBUILDABLE, setting="x")
        first, second, other = (
            {name: each.clone() for name, each in rebuilt.fresh(model, seed=seed).state_dict().items()}
            for seed in (0, 0, 1)
        )
        assert all(torch.equal(first[name], second[name]) for name in first)
        assert not all(torch.equal(first[name], other[name]) for name in first)


def test_a_plugin_is_saved_loaded_and_run_without_any_other_file(tmp_path: Path) -> None:
    with FAMILIES.registered("gated", GATED):
        model, pixels = Gated().eval(), torch.randn(2, 1, 8, 8)
        save(model, tmp_path)
        assert torch.equal(load(tmp_path)(pixels), model(pixels))
        assert to_run(model) is model
        with pytest.raises(InputError, match="a net of gated convolutions has no hidden states to distil; remove x"):
            required(model, HIDDEN_STATES, setting="x")


@pytest.mark.parametrize(
    ("capabilities", "fault"),
    [
        ({}, "does not say how its models are saved and loaded; give it 'stores'"),
        ({"stores": GatedFiles(), "flies": GatedFiles()}, "promises 'flies', which is no capability; there are stores"),
        (
            {"stores": GatedFiles(), "smoothable": GatedFiles()},
            "'smoothable', but what it gives for that has no pairs_of",
        ),
        ({"stores": SimpleNamespace(save=1)}, "'stores', but what it gives for that has no load; add it"),
        ({"stores": "no_such_module_at_all"}, "by no_such_module_at_all, which cannot be found"),
    ],
)
def test_a_plugin_that_lacks_what_it_promised_is_refused_as_it_is_loaded(
    capabilities: dict[str, object], fault: str
) -> None:
    faulty = Family(title="gated net", modality="image", capabilities=capabilities)
    with pytest.raises(InputError, match=fault), FAMILIES.registered("gated", faulty):
        pass
    with pytest.raises(InputError, match="is a str, not a Family"), FAMILIES.registered("gated", "gated"):
        pass
