"""A net is written and read back whole, and a folder that is damaged or another's is refused."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from torch import nn

from edgewright.errors import BadModelError, ModelError
from edgewright.models import convnet, convnet_files, convnet_sources
from tests import tiny_vision

FACTORIES = ("mixed", "digits_net", "last_is_convolution")


@pytest.fixture(params=tiny_vision.KINDS)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    tiny_vision.hugging_face(request.param).save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def factory(name: str) -> str:
    return f"{tiny_vision.MODULE}:{name}"


def outputs(net: convnet.ConvNet) -> torch.Tensor:
    with torch.no_grad():
        return net(*convnet.example_inputs(net, 3))


def test_a_family_is_saved_and_loaded_whole(folder: Path, tmp_path: Path) -> None:
    net = convnet_sources.from_pretrained(folder, side=32)
    convnet_files.save(net, tmp_path)
    assert json.loads((tmp_path / "convnet.json").read_text())["sizes"] == {}
    again = convnet_files.load(tmp_path)
    assert again.origin == net.origin
    assert all(torch.equal(again.state_dict()[name], value) for name, value in net.state_dict().items())
    assert torch.allclose(outputs(again), outputs(net), rtol=1e-4, atol=1e-5)


def test_a_factorys_net_is_loaded_only_by_who_names_the_factory(tmp_path: Path) -> None:
    convnet_files.save(convnet_sources.from_factory(factory("mixed")), tmp_path)
    with pytest.raises(BadModelError, match=r"made by the factory 'tests\.tiny_vision:mixed' and not by ''"):
        convnet_files.load(tmp_path)


def test_a_saved_folder_that_is_damaged_is_told(tmp_path: Path) -> None:
    whole, place = tmp_path / "whole", tmp_path / "damaged"
    whole.mkdir()
    convnet_files.save(convnet_sources.from_factory(factory("mixed")), whole)

    def refused(said: str) -> None:
        with pytest.raises(BadModelError, match=said):
            convnet_files.load(place, factory=factory("mixed"))
        shutil.rmtree(place)

    refuse_after = (
        (lambda: (place / "convnet.json").unlink(), r"convnet\.json"),
        (lambda: (place / "convnet.safetensors").unlink(), "No such file"),
        (lambda: (place / "convnet.json").write_text("{"), "cannot be read"),
        (lambda: (place / "convnet.safetensors").write_bytes(b"short"), "cannot be read"),
        (lambda: _changed(place, {"nowhere": {"in_features": 3}}), "nowhere"),
        (lambda: _changed(place, {"stem": {"in_channels": 1, "out_channels": 9, "groups": 1}}), r"stem\.weight is"),
        (lambda: _changed(place, {"stem": {"in_features": 1}}), "has no sizes in_features"),
    )
    for damage, said in refuse_after:
        shutil.copytree(whole, place)
        damage()
        refused(said)


def _changed(place: Path, sizes: dict[str, object]) -> None:
    described = json.loads((place / "convnet.json").read_text())
    (place / "convnet.json").write_text(json.dumps({**described, "sizes": sizes}))


def test_a_net_with_other_modules_than_its_architecture_is_not_written(tmp_path: Path) -> None:
    net = convnet_sources.from_factory(factory("mixed"))
    net.network.hidden = nn.Sequential(nn.Linear(512, 4), nn.Linear(4, 24))
    with pytest.raises(ModelError, match=r"hidden\.0"):
        convnet_files.save(net, tmp_path)
    assert list(tmp_path.iterdir()) == []
