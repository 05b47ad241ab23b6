from collections.abc import Callable
from pathlib import Path

import pytest

from edgewright.devices.inventory import NamedTarget, find_target, inventory_file, load_inventory
from edgewright.errors import InputError, InvalidFileError, UnknownNameError

LAB = """
[targets.kitchen]
address = "ssh://pi@kitchen.local"
profile = "raspberry-pi-4"

[targets.attic]
address = "emulated://raspberry-pi-5"

[groups]
lab = ["attic", "kitchen"]
"""
KITCHEN = NamedTarget(name="kitchen", address="ssh://pi@kitchen.local", profile="raspberry-pi-4")
ATTIC = NamedTarget(name="attic", address="emulated://raspberry-pi-5")


@pytest.fixture
def inventory(toml_file: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Write an inventory and let it be the user's."""

    def write(text: str) -> Path:
        path = toml_file(text)
        monkeypatch.setenv("EDGEWRIGHT_TARGETS", str(path))
        return path

    return write


def test_a_name_stands_for_a_device_and_a_group_for_all_of_its_own_in_their_order(
    inventory: Callable[[str], Path],
) -> None:
    inventory(LAB)
    assert find_target("kitchen").only == KITCHEN
    lab = find_target("lab")
    assert (lab.machines, lab.is_group) == ((ATTIC, KITCHEN), True)
    assert find_target("all").machines == (KITCHEN, ATTIC)
    assert load_inventory().groups_of("attic") == ("lab",)
    with pytest.raises(InputError, match=r"lab is a group \(attic, kitchen\); name one"):
        _ = lab.only


def test_an_address_needs_no_inventory_and_none_is_read(inventory: Callable[[str], Path]) -> None:
    inventory("not TOML at all")
    assert find_target("ssh://pi@board").only == NamedTarget(name="ssh://pi@board", address="ssh://pi@board")


def test_an_unknown_name_offers_the_nearest_and_says_where_it_was_looked_for(
    inventory: Callable[[str], Path],
) -> None:
    path = inventory(LAB)
    with pytest.raises(UnknownNameError, match="did you mean kitchen") as caught:
        find_target("kitchn")
    assert str(path) in str(caught.value)


def test_every_fault_of_an_inventory_is_told_at_once_with_its_line(inventory: Callable[[str], Path]) -> None:
    inventory(
        '[targets.one]\naddress = "raspberrypi"\n'
        '[targets.two]\naddress = "ssg://pi@board"\nprofile = "raspberry-pi-44"\n'
        '[targets.three]\naddres = "local:"\n'
        '[targets.all]\naddress = "local:"\n'
        '[groups]\nlab = ["one", "tow"]\none = ["two"]\nempty = []\n'
    )
    with pytest.raises(InvalidFileError) as caught:
        load_inventory()
    said = dict(caught.value.faults)
    assert "is no address" in said["line 2, targets.one.address"]
    assert "did you mean ssh" in said["line 4, targets.two.address"]
    assert "raspberry-pi-4" in said["line 5, targets.two.profile"]
    assert "did you mean address" in said["line 7, targets.three.addres"]
    assert "group of all devices" in said["line 8, targets.all"]
    assert "did you mean two" in said["line 11, groups.lab"]
    assert "name of a target too" in said["line 12, groups.one"]
    assert "must not be empty" in said["line 13, groups.empty"]
    assert "is missing" in said["line 6, targets.three.address"]
    assert len(said) == 9


@pytest.mark.parametrize("text", ["targets = 3", 'groups = "lab"', "[targets]\nx = 1", "[groups]\nx = 1", "[more]"])
def test_an_inventory_of_another_shape_is_refused_in_words(inventory: Callable[[str], Path], text: str) -> None:
    inventory(text)
    with pytest.raises(InvalidFileError, match="fault"):
        load_inventory()


def test_the_variable_goes_before_the_working_directory_and_that_before_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EDGEWRIGHT_TARGETS", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    assert inventory_file() == tmp_path / "config" / "edgewright" / "targets.toml"
    assert load_inventory().targets == {}
    (tmp_path / "targets.toml").write_text(LAB)
    assert inventory_file() == tmp_path / "targets.toml"
    assert find_target("lab").is_group
    monkeypatch.setenv("EDGEWRIGHT_TARGETS", str(tmp_path / "missing.toml"))
    with pytest.raises(InputError, match=r"no file .*missing.toml; EDGEWRIGHT_TARGETS"):
        load_inventory()
