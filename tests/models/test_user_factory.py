"""A user's factory: found beside the recipe, copied, and known again by its weights and its code."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from edgewright.errors import InputError
from edgewright.models import source as sources
from edgewright.models import teacher as teachers
from edgewright.models.image_teacher import load_images
from edgewright.models.user_factory import call_factory, made_digest
from edgewright.specs.recipe import ModelSource, load_recipe
from tests import tiny

NET = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last, self.scale = nn.Conv2d(1, 4, 3), nn.Linear(4, 10), 2.0

    def forward(self, pixels):
        return self.scale * self.last(self.first(pixels).relu().mean(dim=(-2, -1)))

torch.manual_seed({seed})
NET = Net()
NET.scale = {scale}

def make():
    return NET, (1, 8, 8)

def anew():
    return Net(), (1, 8, 8)
"""


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Modules and folders that a test imports from are gone after it."""
    modules, path = set(sys.modules), list(sys.path)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if name.startswith("own_"):
            del sys.modules[name]


def written(place: Path, name: str = "own_net", *, seed: int = 0, scale: float = 2.0, more: str = "") -> Path:
    (place / f"{name}.py").write_text(NET.format(seed=seed, scale=scale) + more)
    sys.modules.pop(name, None)
    return place


def beside(folder: Path, factory: str) -> ModelSource:
    """The source as a recipe in that folder names it."""
    return ModelSource.model_validate({"factory": factory}, context={"folder": folder})


def test_what_a_factory_returns_twice_is_copied_each_time_and_stays_as_it_was(tmp_path: Path) -> None:
    written(tmp_path)
    first, _ = call_factory("own_net:make", tmp_path)
    second, _ = call_factory("own_net:make", tmp_path)
    own = sys.modules["own_net"].NET
    assert first is not second
    assert first is not own
    before = own.first.weight.clone()
    with torch.no_grad():
        first.first.weight.zero_()
    first.train(False)
    assert torch.equal(own.first.weight, before)
    assert torch.equal(second.first.weight, before)
    assert own.training


def test_cutting_a_factorys_net_leaves_the_users_own_object_whole(tmp_path: Path) -> None:
    from edgewright.compress.prune_channels import prune_channels
    from edgewright.models import convnet, convnet_files, convnet_sources
    from edgewright.models.inputs import ImageInputs

    written(tmp_path)
    net = load_images(beside(tmp_path, "own_net:make"), labels=[str(each) for each in range(10)]).model
    assert isinstance(net, convnet.ConvNet)
    cut = prune_channels(net, ImageInputs(torch.rand(8, 8, 8, 1)), keep_macs=0.5, multiple=1).model
    (tmp_path / "kept").mkdir()
    convnet_files.save(cut, tmp_path / "kept")
    again = convnet_files.load(tmp_path / "kept", factory="own_net:make")
    assert again.network.first.out_channels < 4  # type: ignore[union-attr, operator]
    assert sys.modules["own_net"].NET.first.out_channels == 4
    convnet_files.save(
        convnet_sources.from_factory("own_net:make", tmp_path), tmp_path / "kept"
    )  # it can be rebuilt once more


def test_other_weights_other_settings_or_other_code_make_another_fingerprint(tmp_path: Path) -> None:
    found = [
        made_digest("own_net:make", written(tmp_path)),
        made_digest("own_net:make", written(tmp_path, seed=1)),
        made_digest("own_net:make", written(tmp_path, scale=3.0)),
        made_digest("own_net:make", written(tmp_path, more="# other code\n")),
    ]
    assert len(set(found)) == len(found)
    assert made_digest("own_net:make", written(tmp_path)) == found[0]


def test_random_weights_of_a_factory_make_the_same_fingerprint_each_time(tmp_path: Path) -> None:
    written(tmp_path)
    state = torch.get_rng_state()
    found = {made_digest("own_net:anew", tmp_path) for _ in range(3)}
    assert len(found) == 1
    assert torch.equal(torch.get_rng_state(), state)
    source = ModelSource(factory="edgewright.models.factories:digit_resnet")
    assert sources.fingerprint(source) == sources.fingerprint(source)


def test_a_text_factorys_weights_and_tokenizer_are_in_its_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    source = ModelSource(factory="tests.tiny:factory")
    before = sources.fingerprint(source)
    model, tokenizer = tiny.factory()
    assert sources.fingerprint(source) == before
    with torch.no_grad():
        model.embeddings.word_embeddings.weight[3, 3] += 1e-3
    monkeypatch.setattr(tiny, "factory", lambda: (model, tokenizer))
    other = sources.fingerprint(source)
    assert other != before
    tokenizer.add_tokens(["newword"])
    assert sources.fingerprint(source) not in (before, other)


def test_a_module_beside_the_recipe_is_found_with_what_it_imports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    (tmp_path / "own_helper.py").write_text("from tests.tiny import factory as make\n")
    (tmp_path / "own_recipe_net.py").write_text(
        "def make():\n    import own_helper\n\n    return own_helper.make()\n"  # only when it is called
    )
    (tmp_path / "recipe.toml").write_text(
        '[recipe]\nname = "own"\n[model]\nfactory = "own_recipe_net:make"\n[task]\nkind = "embedding"\n'
        '[data]\nbuiltin = "stdlib-search"\n'
    )
    source = load_recipe(tmp_path / "recipe.toml").model
    assert source.beside == tmp_path
    teacher = teachers.load(source, max_length=tiny.MAX_LENGTH)
    assert teacher.fitted
    assert sources.fingerprint(source)


def test_a_module_beside_the_recipe_with_a_name_in_use_is_told(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("def make():\n    pass\n")
    with pytest.raises(InputError, match=r"another module of that name is in use .*rename the file"):
        call_factory("json:make", tmp_path)


def test_a_module_that_is_neither_beside_the_recipe_nor_installed_is_told_with_both_places(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=rf"No module named 'own_absent'.* in the folder {tmp_path} or as an installed"
    ):
        call_factory("own_absent:make", tmp_path)


def test_what_cannot_be_copied_is_told(tmp_path: Path) -> None:
    (tmp_path / "own_open.py").write_text("def make():\n    return open(__file__), 1\n")
    with pytest.raises(InputError, match=r"'own_open:make' returned cannot be copied: .*copy\.deepcopy takes"):
        call_factory("own_open:make", tmp_path)


def test_a_built_in_recipe_takes_its_factory_from_edgewright_whatever_lies_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkout of Edgewright has a folder of the same name."""
    (tmp_path / "toolchain").mkdir()
    (tmp_path / "toolchain" / "__init__.py").write_text("raise RuntimeError('another one')\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    source = load_recipe("quick").model
    assert source.beside is None
    net, _ = call_factory(source.factory or "", source.beside)
    assert net.config.num_labels == 10
