"""Errors: one sentence each, with an exit code by branch, no secret, and no stranger's endless word."""

import pytest

from edgewright import errors
from edgewright.errors import (
    BadModelError,
    DeviceBusyError,
    DeviceFullError,
    ExportError,
    InputError,
    InvalidFileError,
    ToolchainError,
    TrainingLimitError,
    UnknownNameError,
    UnsupportedModelError,
    nearest,
)

ALL = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, ToolchainError)]
BRANCHES = {"InputError": 2, "TargetError": 3, "ModelError": 4}


@pytest.mark.parametrize("error", ALL, ids=lambda error: error.__name__)
def test_every_error_has_the_exit_code_of_its_branch_and_stands_in_the_tree_that_is_printed(
    error: type[ToolchainError],
) -> None:
    branches = [each.__name__ for each in error.__mro__ if each.__name__ in BRANCHES]
    assert error.exit_code == (BRANCHES[branches[0]] if branches else 4)
    assert error.__doc__
    assert f"{error.__name__} " in f"{errors.__doc__} ".replace("\n", " \n")


def test_all_faults_of_a_file_are_told_and_no_more_than_a_person_reads() -> None:
    one = InvalidFileError("recipe.toml", [("model.folder", "is not there")])
    assert str(one) == "recipe.toml has 1 fault: model.folder: is not there"
    many = InvalidFileError("recipe.toml", [(f"a[{number}]", "is wrong") for number in range(30)])
    assert str(many).startswith("recipe.toml has 30 faults: a[0]: is wrong; ")
    assert str(many).endswith("; and 5 more")
    assert len(many.faults) == 30


def test_the_nearest_names_are_offered_or_all() -> None:
    close = UnknownNameError("profile", "rasberry-pi-4", ["raspberry-pi-4", "jetson", "raspberry-pi-5"])
    assert str(close) == "there is no profile 'rasberry-pi-4'; did you mean raspberry-pi-4 or raspberry-pi-5?"
    assert close.known == ("jetson", "raspberry-pi-4", "raspberry-pi-5")
    assert nearest("zzz", ["a", "b"]) == "known are a, b"
    assert nearest("zzz", []) == "none are known"


def test_a_secret_is_shown_in_no_message() -> None:
    error = InputError("ssh://pi:raspberry123@board.local cannot be reached")
    assert "raspberry123" not in str(error)
    assert "board.local" in str(error)
    fault = InvalidFileError("targets.toml", [("address", "ssh://pi:raspberry123@board is none")])
    assert "raspberry123" not in str(fault) + str(fault.faults)


def test_a_word_without_end_is_cut_and_so_is_a_message() -> None:
    word = str(InputError("the key " + "x" * 70_000 + " is unknown"))
    assert len(word) < 300
    assert word.endswith(" is unknown")
    long = str(InputError("word " * 20_000))
    assert len(long) <= errors.LONGEST_MESSAGE
    assert " … " in long


def test_what_an_exporter_says_is_one_line_of_bounded_length() -> None:
    told = str(ExportError("litert", "line one\n\n  line two\t" + "z " * 1000))
    assert told.startswith("the model could not be exported for litert: line one line two z z")
    assert len(told) < 400


def test_numbers_and_remedies_stand_in_the_sentence() -> None:
    assert str(DeviceFullError("pi:/home", 12.34, 1.0)).startswith(
        "pi:/home needs 12.3 MB and has 1.0 MB free; make room"
    )
    assert "is in use: somebody; wait for it" in str(DeviceBusyError("pi", "somebody", 8.2, 0))
    assert "still in use after 5 s" in str(DeviceBusyError("pi", "somebody", 8.2, 5))
    assert str(BadModelError("/m", "it is empty")).endswith("it is empty; check the path or download it again")
    refused = UnsupportedModelError("GPT-9", ["bert", "vit"], "prune nothing")
    assert str(refused) == "GPT-9 is not supported; supported are bert, vit; prune nothing"


@pytest.mark.parametrize(("kept", "rest"), [("here", "goes on from its checkpoint"), (None, "no checkpoint was kept")])
def test_a_training_past_its_limit_says_whether_anything_is_kept(kept: str | None, rest: str) -> None:
    error = TrainingLimitError("stages.distill", limit_s=90, share=0.25, kept=kept)
    assert "longer than stages.distill.minutes = 1.5 allows, with 25 % of its work done" in str(error)
    assert rest in str(error)
